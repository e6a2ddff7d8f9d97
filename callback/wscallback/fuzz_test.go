package wscallback

import (
	"bytes"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// Whatever comes is taken apart without a panic, into messages that together are no
// longer than what came and do not change with it; what was taken apart is put
// together to the same again.
func FuzzFrames(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	var all []byte
	for _, m := range []*callback.Message{
		{Kind: callback.Request, ID: callback.ID{1}, To: "price", Seq: 64, Deadline: now.Add(time.Second), Header: map[string]string{"traceparent": "00"}, Body: []byte(`{"a":1}`)},
		{Kind: callback.Reply, ID: callback.ID{1}, Body: make([]byte, 300)},
		{Kind: ackKind, Seq: 7},
		{Kind: helloKind, ID: callback.ID{2}, Deadline: now.Add(time.Minute)},
	} {
		b, err := appendFrame(nil, m, now)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		all = append(all, b...)
	}
	f.Add(all)
	f.Add(append(all, 0x80))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		came := bytes.Clone(b)
		var got []*callback.Message
		held, told := 0, 0
		err := frames(b, true, now, func(m *callback.Message, err error) error {
			if told++; err != nil {
				return nil
			}
			got = append(got, m)
			held += len(m.Body)
			return nil
		})
		if err != nil && err != errFraming {
			t.Fatal(err)
		}
		if held > len(b) || told > len(b) {
			t.Fatalf("%d messages of %d bytes out of %d", told, held, len(b))
		}
		var again []byte
		for _, m := range got {
			if again, err = appendFrame(again, m, now); err != nil {
				t.Fatalf("%+v cannot be sent: %v", m, err)
			}
		}
		clear(b)
		for i := range b {
			b[i] = 0xff // what was lent is used for something else
		}
		i := 0
		err = frames(again, false, now, func(m *callback.Message, err error) error {
			if err != nil || i == len(got) {
				t.Fatalf("%d of %d: %v", i, len(got), err)
			}
			want := got[i]
			i++
			if m.Kind != want.Kind || m.ID != want.ID || m.To != want.To || m.ReplyTo != want.ReplyTo || m.Seq != want.Seq ||
				!bytes.Equal(m.Body, want.Body) || len(m.Header) != len(want.Header) || !m.Deadline.Equal(want.Deadline) {
				t.Fatalf("%+v has become %+v", want, m)
			}
			return nil
		})
		if err != nil || i != len(got) {
			t.Fatalf("%d of %d: %v, from %x", i, len(got), err, came)
		}
	})
}
