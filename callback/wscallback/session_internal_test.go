package wscallback

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// A session against a model that remembers everything, also where the numbers wrap
// round.
func TestSessionAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		first := uint32(rnd.IntN(200)) - 100 // about where numbers wrap
		s := &session{limit: 2000, sent: first, acked: first}
		var sent []string // all that ever was
		acked := 0        // how many of them have been acknowledged
		for range 300 {
			switch rnd.IntN(5) {
			case 0, 1, 2:
				frame := fmt.Sprint(len(sent), " ", make([]byte, rnd.IntN(50)))
				sent = append(sent, frame)
				s.keep([]byte(frame), time.Time{})
			case 3: // an acknowledgement of something between the last one and all
				n := acked + rnd.IntN(len(sent)-acked+1)
				if !s.ack(first + uint32(n)) {
					t.Fatalf("seed %d: refused to forget %d of %d", seed, n, len(sent))
				}
				acked = n
			case 4: // one that is old, and one that cannot be
				if acked > 0 && !s.ack(first+uint32(rnd.IntN(acked))) {
					t.Fatalf("seed %d: an old acknowledgement is wrong", seed)
				}
				if s.ack(first + uint32(len(sent)+1+rnd.IntN(1000))) {
					t.Fatalf("seed %d: acknowledged what was never sent", seed)
				}
			}
			var kept []string
			bytes := 0
			for _, k := range s.kept {
				kept = append(kept, string(k.b))
				bytes += k.weight()
			}
			if bytes != s.bytes || bytes > s.limit {
				t.Fatalf("seed %d: %d bytes are kept and %d counted, of at most %d", seed, bytes, s.bytes, s.limit)
			}
			lacking := sent[acked:]
			if len(kept) > len(lacking) || !slices.Equal(kept, lacking[len(lacking)-len(kept):]) {
				t.Fatalf("seed %d: kept %q of %q", seed, kept, lacking)
			}
			all := len(kept) == len(lacking)
			again := *s
			again.kept = slices.Clone(s.kept)
			if again.resumable(first+uint32(acked)) != all {
				t.Fatalf("seed %d: kept %d of %d: resumable is %v", seed, len(kept), len(lacking), !all)
			}
			if acked > 0 && again.resumable(first+uint32(acked-1)) {
				t.Fatalf("seed %d: resumable for who lacks what was forgotten", seed)
			}
		}
	}
}

// A frame that is sent again says how much time is left now; one without a deadline
// is as it was.
func TestKeptRenewed(t *testing.T) {
	then := time.Unix(1000, 0)
	m := &callback.Message{Kind: callback.Request, ID: callback.ID{1}, To: "x", Body: make([]byte, 300)}
	for _, c := range []struct{ left, later, want time.Duration }{
		{time.Minute, 10 * time.Second, 50 * time.Second},
		{time.Minute, time.Hour, 0},
		{100 * 24 * time.Hour, 99 * 24 * time.Hour, 24 * time.Hour},
	} {
		m.Deadline = then.Add(c.left)
		b, err := appendFrame(nil, m, then)
		if err != nil {
			t.Fatal(err)
		}
		now := then.Add(c.later)
		frame, rest, ok := cutFrame(kept{b, then}.renewed(now))
		got, err := callback.ParseMessage(frame, now)
		if !ok || len(rest) > 0 || err != nil || got.Deadline.Sub(now) != c.want || len(got.Body) != 300 {
			t.Errorf("%v: %v %v %+v", c, ok, err, got)
		}
	}
	m.Deadline = time.Time{}
	b, _ := appendFrame(nil, m, then)
	if again := (kept{b, then}).renewed(then.Add(time.Hour)); !slices.Equal(again, b) {
		t.Error("changed")
	}
}

// The length before a frame is right and as short as can be, whatever was estimated.
func TestAppendFrame(t *testing.T) {
	for n := range 400 {
		for _, size := range []int{n, n + 16000, n * 170} {
			m := &callback.Message{Kind: callback.Event, To: "to", Body: make([]byte, size)}
			if n%3 == 0 {
				m.Header = map[string]string{"a": "b", "c": string(make([]byte, n))}
			}
			before := []byte("before")
			b, err := appendFrame(before, m, time.Time{})
			if err != nil || string(b[:6]) != "before" {
				t.Fatal(size, err)
			}
			frame, rest, ok := cutFrame(b[6:])
			if !ok || len(rest) > 0 {
				t.Fatal(size, "the length is wrong")
			}
			if want, _ := callback.AppendMessage(nil, m, time.Time{}); len(want) != len(frame) {
				t.Fatal(size, len(want), len(frame))
			}
			got, err := callback.ParseMessage(frame, time.Time{})
			if err != nil || got.To != "to" || len(got.Body) != size {
				t.Fatal(size, err, got)
			}
			if prefix := len(b) - 6 - len(frame); prefix > 1 && b[6+prefix-1] == 0 {
				t.Fatal(size, "a length that could be shorter")
			}
		}
	}
	bad := &callback.Message{Kind: callback.Event, To: string(make([]byte, 1000))}
	if b, err := appendFrame([]byte("before"), bad, time.Time{}); err == nil || string(b) != "before" {
		t.Errorf("%q, %v", b, err)
	}
}
