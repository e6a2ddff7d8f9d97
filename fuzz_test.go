package antiphon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
)

// What has been read is written and read again as the same.
func FuzzErrorJSON(f *testing.F) {
	f.Add([]byte(`{"code":"not_found","message":"x","class":"failed","reason":"a.b","details":{"k":"v"},"marks":["io.eof"],"permanent":true,"retryAfterMs":7}`))
	f.Add([]byte(`{"message":"\ud800","marks":["","\u0000"],"details":{"":""},"retryAfterMs":-1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e antiphon.Error
		if json.Unmarshal(data, &e) != nil {
			return
		}
		if len(e.Message) > 4<<10 || len(e.Marks) > 32 || len(e.Details) > 64 || e.RetryAfter < 0 {
			t.Fatalf("out of bounds: %+v", e)
		}
		first, err := json.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		var back antiphon.Error
		if err := json.Unmarshal(first, &back); err != nil {
			t.Fatal(err)
		}
		second, err := json.Marshal(&back)
		if err != nil || string(first) != string(second) {
			t.Fatalf("%s became %s, %v", first, second, err)
		}
		if antiphon.CodeOf(&e) != antiphon.CodeOf(&back) || antiphon.ClassOf(&e) != antiphon.ClassOf(&back) {
			t.Fatalf("%+v became %+v", e, back)
		}
		if e.Reason != "" && !errors.Is(&back, &e) {
			t.Fatalf("%+v is not %+v", back, e)
		}
	})
}

func FuzzOperationJSON(f *testing.F) {
	whole, _ := json.Marshal(whole())
	f.Add(whole)
	f.Add([]byte(`{"status":"Updating","percentComplete":1e308,"result":null,"resultBytes":"AA==","pollIntervalMs":-1}`))
	f.Add([]byte(`{"createdAt":"2026-11-24T10:30:00.5+02:00"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var o antiphon.Operation
		if json.Unmarshal(data, &o) != nil {
			return
		}
		if !(o.Percent >= 0 && o.Percent <= 100) || o.PollAfter < 0 || len(o.State) > 64 {
			t.Fatalf("out of bounds: %+v", o)
		}
		first, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var back antiphon.Operation
		if err := json.Unmarshal(first, &back); err != nil {
			t.Fatal(err)
		}
		if back.State.Terminal() != o.State.Terminal() || !reflect.DeepEqual(back.Metadata, o.Metadata) && len(o.Metadata) > 0 {
			t.Fatalf("%+v became %+v", o, back)
		}
		second, err := json.Marshal(back)
		if err != nil || string(first) != string(second) {
			t.Fatalf("%s became %s, %v", first, second, err)
		}
	})
}

// Whatever passes the codec is no deeper and no larger than its limits, and is
// what encoding/json would make of it.
func FuzzCodec(f *testing.F) {
	f.Add([]byte(`{"a":[1,"]",{"b":"\\\""}]}`), 100, 3)
	f.Add([]byte(`[[[]]]`), 10, 2)
	f.Add([]byte(`"\u005b[["`), 10, 1)
	f.Fuzz(func(t *testing.T, data []byte, size, depth int) {
		size, depth = size&0xff+1, depth&0xf+1
		var got any
		err := antiphon.JSON{MaxSize: size, MaxDepth: depth}.Unmarshal(data, &got)
		var want any
		reference := json.Unmarshal(data, &want)
		if err == nil {
			if reference != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: got %v, encoding/json %v, %v", data, got, want, reference)
			}
			if len(data) > size || nesting(data) > depth {
				t.Fatalf("%q passed limits %d and %d", data, size, depth)
			}
		} else if reference == nil && len(data) <= size && nesting(data) <= depth {
			t.Fatalf("%q was refused: %v", data, err)
		}
	})
}

// nesting is how deep valid JSON nests, as its tokens tell.
func nesting(data []byte) (deepest int) {
	depth := 0
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
			deepest = max(deepest, depth)
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
}

func FuzzBackoff(f *testing.F) {
	f.Add(int64(time.Second), int64(time.Minute), 2.0, 1)
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), math.MaxFloat64, math.MaxInt)
	f.Fuzz(func(t *testing.T, base, limit int64, factor float64, attempt int) {
		g := antiphon.Geometric(time.Duration(base), time.Duration(limit), factor)
		for _, b := range []antiphon.Backoff{g, antiphon.FullJitter(g), antiphon.EqualJitter(g)} {
			if d := b(attempt); d < 0 || d > max(0, time.Duration(limit)) {
				t.Fatalf("%d after attempt %d of base %d, limit %d, factor %v", d, attempt, base, limit, factor)
			}
		}
		if attempt > 1 && attempt < math.MaxInt && g(attempt) > g(attempt+1) {
			t.Fatalf("shrinks after attempt %d", attempt)
		}
	})
}
