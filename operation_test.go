package antiphon_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
)

var states = []antiphon.State{
	antiphon.StateQueued, antiphon.StateRunning, antiphon.StateSucceeded,
	antiphon.StateFailed, antiphon.StateCanceled, antiphon.StateExpired,
}

func TestStateTerminal(t *testing.T) {
	for i, s := range states {
		if got := s.Terminal(); got != (i >= 2) {
			t.Errorf("%s is terminal: %t", s, got)
		}
	}
	for _, s := range []antiphon.State{"", "updating", "Succeeded"} {
		if s.Terminal() {
			t.Errorf("%q is terminal", s)
		}
	}
}

func TestStateWords(t *testing.T) {
	for _, s := range states {
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{string(text), strings.ToLower(string(text)), strings.ToUpper(string(text)), string(s)} {
			var back antiphon.State
			if err := back.UnmarshalText([]byte(word)); err != nil {
				t.Fatal(err)
			}
			if back != s && !(word == string(s) && s == antiphon.StateQueued && back == s) {
				t.Errorf("%s is written %s; %q is read as %s", s, text, word, back)
			}
		}
	}
	for word, want := range map[string]antiphon.State{
		"Cancelled": antiphon.StateCanceled, "COMPLETED": antiphon.StateSucceeded, "done": antiphon.StateSucceeded,
		"InProgress": antiphon.StateRunning, "Updating": "Updating", "": "",
	} {
		var s antiphon.State
		_ = s.UnmarshalText([]byte(word))
		if s != want {
			t.Errorf("%q is read as %q, want %q", word, s, want)
		}
	}
	var s antiphon.State
	_ = s.UnmarshalText([]byte(strings.Repeat("x", 1000)))
	if len(s) > 64 {
		t.Errorf("keeps %d bytes of an unknown word", len(s))
	}
}

func whole() antiphon.Operation {
	at := time.Date(2026, 11, 24, 10, 30, 0, 123456789, time.UTC)
	return antiphon.Operation{
		ID: "op-1", Kind: "report", State: antiphon.StateFailed, Percent: 62.5, Message: "page 5 of 8",
		CancelRequested: true, Attempt: 2, Version: 7,
		Created: at, Updated: at.Add(time.Second), Ended: at.Add(2 * time.Second), Expires: at.Add(24 * time.Hour),
		PollAfter: 1500 * time.Millisecond, Metadata: map[string]string{"who": "me"},
		Result: []byte(`{"pages":8}`), Location: "https://example.com/r/1",
		Err: &antiphon.Error{Code: antiphon.CodeUnavailable, Message: "no paper"},
	}
}

func TestOperationJSON(t *testing.T) {
	const want = `{"id":"op-1","kind":"report","status":"Failed","done":true,"percentComplete":62.5,"message":"page 5 of 8",` +
		`"cancelRequested":true,"attempt":2,"version":7,"createdAt":"2026-11-24T10:30:00.123456789Z",` +
		`"updatedAt":"2026-11-24T10:30:01.123456789Z","endedAt":"2026-11-24T10:30:02.123456789Z",` +
		`"expiresAt":"2026-11-25T10:30:00.123456789Z","pollIntervalMs":1500,"metadata":{"who":"me"},` +
		`"result":{"pages":8},"resourceLocation":"https://example.com/r/1",` +
		`"error":{"code":"unavailable","message":"no paper"}}`
	got, err := json.Marshal(whole())
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got, _ = json.Marshal(antiphon.Operation{ID: "x", State: antiphon.StateQueued})
	if string(got) != `{"id":"x","status":"NotStarted","done":false,"percentComplete":0,"version":0}` {
		t.Errorf("small: %s", got)
	}
}

func TestOperationRoundTrip(t *testing.T) {
	for name, change := range map[string]func(*antiphon.Operation){
		"whole":           func(*antiphon.Operation) {},
		"zero":            func(o *antiphon.Operation) { *o = antiphon.Operation{} },
		"null":            func(o *antiphon.Operation) { o.Result = []byte("null") },
		"no result":       func(o *antiphon.Operation) { o.Result = nil },
		"empty bytes":     func(o *antiphon.Operation) { o.Result, o.ContentType = []byte{}, "text/plain" },
		"not JSON":        func(o *antiphon.Operation) { o.Result = []byte{0xff, 0, '{'} },
		"other type":      func(o *antiphon.Operation) { o.Result, o.ContentType = []byte(`{"x":1}`), "application/cbor" },
		"unknown state":   func(o *antiphon.Operation) { o.State = "updating" },
		"every state":     func(o *antiphon.Operation) { o.State = antiphon.StateExpired },
		"a string result": func(o *antiphon.Operation) { o.Result = []byte(`"text"`) },
	} {
		t.Run(name, func(t *testing.T) {
			o := whole()
			change(&o)
			data, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			var back antiphon.Operation
			if err := json.Unmarshal(data, &back); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(o, back) {
				t.Errorf("%s\nwent in as %+v\ncame out as %+v", data, o, back)
			}
		})
	}
}

func TestOperationJSONIsBounded(t *testing.T) {
	for _, p := range []float64{math.NaN(), math.Inf(1), -5, 1e300} {
		data, err := json.Marshal(antiphon.Operation{Percent: p})
		if err != nil {
			t.Errorf("%v %%: %v", p, err)
		}
		var back antiphon.Operation
		if err := json.Unmarshal(data, &back); err != nil || back.Percent < 0 || back.Percent > 100 {
			t.Errorf("%v %% came out as %v, %v", p, back.Percent, err)
		}
	}
	var o antiphon.Operation
	if err := json.Unmarshal([]byte(`{"pollIntervalMs":9223372036854775807,"percentComplete":-3,"new":{"field":1}}`), &o); err != nil || o.PollAfter <= 0 || o.Percent != 0 {
		t.Errorf("%v, %v %%, %v", o.PollAfter, o.Percent, err)
	}
	if err := json.Unmarshal([]byte(`{"status":7}`), &o); err == nil {
		t.Error("a number is taken for a status")
	}
}

// A delay travels in milliseconds: no shorter than it was, and never as no advice.
func TestOperationPollAfterIsRoundedUp(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		-time.Second: 0, 0: 0, 1: time.Millisecond, time.Millisecond: time.Millisecond,
		time.Second + 1:   time.Second + time.Millisecond,
		math.MaxInt64 - 1: (math.MaxInt64 / time.Millisecond) * time.Millisecond, // saturates
	} {
		data, err := json.Marshal(antiphon.Operation{PollAfter: in})
		if err != nil {
			t.Fatal(err)
		}
		var back antiphon.Operation
		if err := json.Unmarshal(data, &back); err != nil || back.PollAfter != want {
			t.Errorf("%v came out as %v, %v; want %v", in, back.PollAfter, err, want)
		}
	}
}
