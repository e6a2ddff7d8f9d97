package callback_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// wireNow is when envelopes are written and read in these tests.
var wireNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// wireFile is testdata/wire.json: the vectors of docs/wire.md.
type wireFile struct {
	Vectors   []wireVector
	Accepted  []wireVector
	Malformed []struct {
		Name, Reason string
		Binary, Text *string
	}
	Framing []struct {
		Name, Message, Reason string
		Frames                []string
	}
}

type wireVector struct {
	Name         string
	Message      wireMessage
	Binary, Text string
}

type wireMessage struct {
	Kind      uint8
	ID        string
	To        string
	ReplyTo   string
	Seq       uint32
	TimeoutUs *int64
	Header    map[string]string
	Error     *antiphon.Error
	Body      string
	BodyHex   string
}

func (w *wireMessage) message(t *testing.T) *callback.Message {
	m := &callback.Message{Kind: callback.Kind(w.Kind), To: w.To, ReplyTo: w.ReplyTo, Seq: w.Seq, Header: w.Header, Err: w.Error, Body: []byte(w.Body)}
	if w.ID != "" {
		if err := m.ID.UnmarshalText([]byte(w.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if w.TimeoutUs != nil {
		m.Deadline = wireNow.Add(time.Duration(*w.TimeoutUs) * time.Microsecond)
	}
	if w.BodyHex != "" {
		m.Body = fromHex(t, w.BodyHex)
	}
	return m
}

func fromHex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameMessage compares two messages as they are on the wire.
func sameMessage(a, b *callback.Message) error {
	ae, _ := json.Marshal(a.Err)
	be, _ := json.Marshal(b.Err)
	switch {
	case a.Kind != b.Kind, a.ID != b.ID, a.To != b.To, a.ReplyTo != b.ReplyTo, a.Seq != b.Seq:
	case !a.Deadline.Equal(b.Deadline), a.Deadline.IsZero() != b.Deadline.IsZero():
	case !maps.Equal(a.Header, b.Header), !bytes.Equal(ae, be), !bytes.Equal(a.Body, b.Body):
	default:
		return nil
	}
	return fmt.Errorf("%+v (error %s)\nis not\n%+v (error %s)", a, ae, b, be)
}

func readWire(t *testing.T) (f wireFile) {
	data, err := os.ReadFile("testdata/wire.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Vectors) < 25 || len(f.Accepted) < 10 || len(f.Malformed) < 40 || len(f.Framing) < 5 {
		t.Fatal("vectors are missing")
	}
	return f
}

// Both forms of every vector are written and read as the specification says.
func TestWireVectors(t *testing.T) {
	f := readWire(t)
	for _, v := range f.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			m, want := v.Message.message(t), fromHex(t, v.Binary)
			got, err := callback.AppendMessage(nil, m, wireNow)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("written as %x, %v, want %x", got, err, want)
			}
			back, err := callback.ParseMessage(want, wireNow)
			if err != nil {
				t.Fatal(err)
			}
			if err := sameMessage(back, m); err != nil {
				t.Error(err)
			}
			if v.Text == "" {
				return
			}
			text, err := callback.AppendMessageText(nil, m, wireNow)
			if err != nil || string(text) != v.Text {
				t.Errorf("written as %s, %v, want %s", text, err, v.Text)
			}
			back, err = callback.ParseMessageText([]byte(v.Text), wireNow)
			if err != nil {
				t.Fatal(err)
			}
			if err := sameMessage(back, m); err != nil {
				t.Error(err)
			}
		})
	}
	for _, v := range f.Accepted {
		t.Run(v.Name, func(t *testing.T) {
			var got *callback.Message
			var err error
			if v.Binary != "" {
				got, err = callback.ParseMessage(fromHex(t, v.Binary), wireNow)
			} else {
				got, err = callback.ParseMessageText([]byte(v.Text), wireNow)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := sameMessage(got, v.Message.message(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWireMalformed(t *testing.T) {
	for _, v := range readWire(t).Malformed {
		t.Run(v.Name, func(t *testing.T) {
			var m *callback.Message
			var err error
			if v.Binary != nil {
				m, err = callback.ParseMessage(fromHex(t, *v.Binary), wireNow)
			} else {
				m, err = callback.ParseMessageText([]byte(*v.Text), wireNow)
			}
			if m != nil || !errors.Is(err, callback.ErrMalformed) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
				t.Errorf("read as %+v, %v, but %s", m, err, v.Reason)
			}
		})
	}
}

// The frames of a WebSocket message are as the vectors say; it is their reader in
// wscallback that is tested with them, here it is the vectors.
func TestWireFraming(t *testing.T) {
	for _, v := range readWire(t).Framing {
		b, frames, bad := fromHex(t, v.Message), []string(nil), false
		for len(b) > 0 && !bad {
			size, k := binary.Uvarint(b)
			if bad = k <= 0 || size > uint64(len(b)-k); !bad {
				frames = append(frames, hex.EncodeToString(b[k:k+int(size)]))
				b = b[k+int(size):]
			}
		}
		if bad != (v.Reason != "") || strings.Join(frames, ",") != strings.Join(v.Frames, ",") {
			t.Errorf("%s: %v", v.Name, frames)
		}
	}
}

// Equal messages have equal envelopes, however their headers were made.
func TestWireHeaderIsSorted(t *testing.T) {
	var want []byte
	for i := range 50 {
		h := map[string]string{}
		for j := range 50 {
			k := fmt.Sprint((i + j) % 50)
			h[k] = "v" + k
		}
		got, err := callback.AppendMessage(nil, &callback.Message{Kind: callback.Event, To: "e", Header: h}, wireNow)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatal("two envelopes of one message")
		}
	}
}

// What a reader would not take is not written, and nothing is appended for it.
func TestWireLimitsOfWriter(t *testing.T) {
	id := callback.ID{1}
	many := map[string]string{}
	for i := range callback.MaxHeaders + 1 {
		many[fmt.Sprint(i)] = ""
	}
	for name, m := range map[string]*callback.Message{
		"no kind":              {},
		"no id":                {Kind: callback.Request, To: "f"},
		"no name":              {Kind: callback.Event},
		"no number":            {Kind: callback.Part, ID: id},
		"long to":              {Kind: callback.Request, ID: id, To: strings.Repeat("n", callback.MaxAddress+1)},
		"long reply address":   {Kind: callback.Request, ID: id, ReplyTo: strings.Repeat("n", callback.MaxAddress+1)},
		"to is no text":        {Kind: callback.Request, ID: id, To: "\xff"},
		"reply to is no text":  {Kind: callback.Request, ID: id, ReplyTo: "\xff"},
		"many headers":         {Kind: callback.Request, ID: id, Header: many},
		"large header":         {Kind: callback.Request, ID: id, Header: map[string]string{"a": strings.Repeat("v", callback.MaxHeaderSize)}},
		"name is no text":      {Kind: callback.Request, ID: id, Header: map[string]string{"\xff": ""}},
		"value is no text":     {Kind: callback.Request, ID: id, Header: map[string]string{"a": "\xff"}},
		"an id that is no id":  {Kind: callback.Cancel},
		"credit for nobody":    {Kind: callback.Credit, Seq: 1},
		"progress of nothing":  {Kind: callback.Progress, Seq: 1},
		"a reply to no one":    {Kind: callback.Reply},
		"an event, to no name": {Kind: callback.Event, ID: id, Body: []byte("1")},
	} {
		before := []byte("before")
		for form, write := range map[string]func([]byte, *callback.Message, time.Time) ([]byte, error){"binary": callback.AppendMessage, "text": callback.AppendMessageText} {
			if got, err := write(before, m, wireNow); err == nil || string(got) != "before" || antiphon.ClassOf(err) == antiphon.ClassUnknown {
				t.Errorf("%s, %s: %q, %v", name, form, got, err)
			}
		}
	}
	most := &callback.Message{Kind: callback.Request, ID: id, To: strings.Repeat("t", callback.MaxAddress), ReplyTo: strings.Repeat("r", callback.MaxAddress),
		Header: map[string]string{"a": strings.Repeat("v", callback.MaxHeaderSize-1)}}
	roundTrip(t, most)
	delete(many, "0")
	roundTrip(t, &callback.Message{Kind: callback.Request, ID: id, Header: many})
}

// roundTrip writes and reads m in both forms.
func roundTrip(t *testing.T, m *callback.Message) (binary, text *callback.Message) {
	t.Helper()
	b, err := callback.AppendMessage(nil, m, wireNow)
	if err != nil {
		t.Fatal(err)
	}
	if binary, err = callback.ParseMessage(b, wireNow); err != nil {
		t.Fatal(err)
	}
	if b, err = callback.AppendMessageText(nil, m, wireNow); err != nil {
		t.Fatal(err)
	}
	if text, err = callback.ParseMessageText(b, wireNow); err != nil {
		t.Fatal(err)
	}
	for _, got := range []*callback.Message{binary, text} {
		if err := sameMessage(got, m); err != nil {
			t.Error(err)
		}
	}
	return binary, text
}

// An error may be as large as its limits, whatever its characters cost as JSON.
func TestWireLargeErrors(t *testing.T) {
	e := &antiphon.Error{Code: "x", Message: strings.Repeat("m", 4<<10), Details: map[string]string{}}
	for i := range 64 {
		e.Details[fmt.Sprint(i)] = strings.Repeat("d", 1<<10)
	}
	m := &callback.Message{Kind: callback.Reply, ID: callback.ID{1}, Err: e}
	roundTrip(t, m)
	e.Message = strings.Repeat("\x01", 4<<10)
	for k := range e.Details {
		e.Details[k] = strings.Repeat("\x01", 1<<10)
	}
	for i := range 32 {
		e.Marks = append(e.Marks, fmt.Sprint(i, strings.Repeat("\x01", 126)))
	}
	b, err := callback.AppendMessage(nil, m, wireNow)
	if err != nil {
		t.Fatal(err)
	}
	back, err := callback.ParseMessage(b, wireNow)
	if err != nil || back.Err.Message != e.Message || len(back.Err.Marks) != 32 || back.Err.Details != nil {
		t.Errorf("%v, %+v", err, back)
	}
}

// Deadlines travel as what remains: never as more, and at most 31 years.
func TestWireTimeout(t *testing.T) {
	for _, c := range []struct {
		deadline, want time.Duration
	}{
		{-time.Hour, 0},
		{0, 0},
		{999 * time.Nanosecond, 0},
		{time.Second + 1999*time.Nanosecond, time.Second + time.Microsecond},
		{math.MaxInt64, 1e15 * time.Microsecond},
	} {
		m := &callback.Message{Kind: callback.Event, To: "e", Deadline: wireNow.Add(c.deadline)}
		b, _ := callback.AppendMessage(nil, m, wireNow)
		text, _ := callback.AppendMessageText(nil, m, wireNow)
		later := wireNow.Add(time.Hour) // another clock
		back, err := callback.ParseMessage(b, later)
		if err != nil || back.Deadline.Sub(later) != c.want {
			t.Errorf("%v became %v, %v", c.deadline, back.Deadline.Sub(later), err)
		}
		back, err = callback.ParseMessageText(text, later)
		if err != nil || back.Deadline.Sub(later) != c.want {
			t.Errorf("%v became %v, %v as text", c.deadline, back.Deadline.Sub(later), err)
		}
	}
}

// The body of a message is part of what was read, and nothing is allocated for
// what a length only promises.
func TestC10_NothingIsAllocatedForPromises(t *testing.T) {
	body := make([]byte, 1<<20)
	b, _ := callback.AppendMessage(nil, &callback.Message{Kind: callback.Event, To: "e", Body: body}, wireNow)
	if n := allocated(func() { _, _ = callback.ParseMessage(b, wireNow) }); n > 4<<10 {
		t.Errorf("%d bytes allocated for a body that is there", n)
	}
	for _, v := range readWire(t).Malformed {
		if v.Binary == nil {
			continue
		}
		b := fromHex(t, *v.Binary)
		if n := allocated(func() { _, _ = callback.ParseMessage(b, wireNow) }); n > uint64(20*len(b)+4<<10) {
			t.Errorf("%s: %d bytes allocated for %d", v.Name, n, len(b))
		}
	}
}

// allocated is how many bytes do allocates, or a little more.
func allocated(do func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
