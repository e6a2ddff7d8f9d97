package natsqueue

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// samples are records of every kind.
func samples() []*record {
	failed := antiphon.Errorf(antiphon.CodeNotFound, "no such thing")
	return []*record{
		{ID: "waits", Kind: "k", Payload: []byte("p"), In: 5, TTL: 7, Keep: 9},
		{ID: "leased", Phase: leased, Seq: 3, Created: 4, At: 5, Attempt: 2, Fence: 3, Group: "g\xff\x00", Cancel: true, Reported: true, Percent: math.Inf(1), Message: "m", Data: []byte("d"), Checkpoint: []byte("c")},
		{ID: "ended", Phase: ended, Seq: 3, Created: 4, At: 5, Keep: 6, State: antiphon.StateSucceeded, Result: []byte("r"), ContentType: "text/plain", Settled: 1, Fence: 1, Key: "key", Sum: sum([]byte("p"))},
		{ID: "dead", Phase: dead, Seq: 3, Created: 4, At: 5, State: antiphon.StateFailed, Err: failed, How: driver.Bury, Payload: []byte("p"), Header: map[string]string{"a": "b", "": "\xfe"}},
		{ID: "gone", Phase: gone, Seq: math.MaxUint64, Created: math.MinInt64, At: math.MaxInt64, Priority: math.MinInt32, Unique: "u"},
	}
}

func encoded(t testing.TB, r *record) []byte {
	t.Helper()
	b, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is stored is read as it was, and what is cut off anywhere is no record.
func TestQ14_Wire(t *testing.T) {
	for _, r := range samples() {
		b := encoded(t, r)
		got, err := decode(b, 12, 34)
		if err != nil {
			t.Fatalf("%s: %v", r.ID, err)
		}
		want := r.copy()
		want.Reported = r.Reported
		want.stored(12, 34)
		if (got.Err == nil) != (want.Err == nil) || got.Err != nil && got.Err.Error() != want.Err.Error() {
			t.Errorf("%s: %v, want %v", r.ID, got.Err, want.Err)
		}
		got.Err, want.Err = nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", r.ID, got, want)
		}
		for n := range b {
			if _, err := decode(b[:n], 12, 34); antiphon.CodeOf(err) != antiphon.CodeDataLoss {
				t.Fatalf("%s: %d of %d bytes: %v", r.ID, n, len(b), err)
			}
		}
		if _, err := decode(append(slices.Clone(b), "what a later release appends"...), 12, 34); err != nil {
			t.Errorf("%s, with fields of a later release: %v", r.ID, err)
		}
	}
}

// A record of a later format says so.
func TestQ14_LaterFormat(t *testing.T) {
	b := encoded(t, samples()[0])
	b[0] = format + 1
	_, err := decode(b, 1, 1)
	if antiphon.CodeOf(err) != antiphon.CodeFailedPrecondition || antiphon.ClassOf(err) != antiphon.ClassUnknown || !antiphon.IsPermanent(err) {
		t.Errorf("%v, %v", err, antiphon.ClassOf(err))
	}
	if want := "natsqueue: a record of format 2, which a later release wrote, or another program; this one reads format 1"; err.Error() != want {
		t.Errorf("%v", err)
	}
}

// hostile is a record that says it has n headers, and has none.
func hostile(t testing.TB, n int64) []byte {
	b := encoded(t, &record{ID: "x"})
	return binary.AppendVarint(b[:len(b)-1], n) // the last byte is that there is none
}

// What a record says it has takes no memory.
func TestX6_DeclaredIsNotAllocated(t *testing.T) {
	b := append(hostile(t, 1<<19), bytes.Repeat([]byte{0}, 1<<20)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = decode(b, 1, 1)
	_, _ = decode(hostile(t, math.MaxInt64), 1, 1)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// Whatever is in the bucket, a replica stays sound, and the jobs beside it are there.
func FuzzReceive(f *testing.F) {
	for _, r := range samples() {
		f.Add("j."+token(r.ID), encoded(f, r))
		f.Add("j."+token("known"), encoded(f, r))
	}
	f.Add("j."+token("known"), []byte{})
	f.Add("j", []byte{1})
	f.Add("j.!", []byte{format + 1})
	f.Add("j."+token("x"), hostile(f, math.MaxInt64))
	f.Add("u."+token("x"), []byte(`{"name":"eA==","id":"x","for":9223372036854775807}`))
	f.Add("c", []byte("paused"))
	f.Add("x.y", []byte("z"))
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			q := alone(nil)
			defer q.b.die()
			s := &store{has: map[string]message{}}
			for _, id := range []string{"known", "other"} {
				q.receive(s.write(q.b.subject("q", "j", id), encoded(t, &record{ID: id, Group: "g"})))
			}
			subject = q.prefix + subject
			m := message{subject: subject, data: data, seq: 3, at: s.has[q.b.subject("q", "j", "known")].at}
			q.receive(m)
			if id := untoken(subject[min(len(subject), len(q.prefix)+2):]); id != "" && subject == q.b.subject("q", "j", id) {
				s.has[subject] = m
			}
			sound(t, q, s.records(q))
			if other := q.b.subject("q", "j", "other"); subject != other && q.jobs["other"] == nil {
				t.Error("another job is not there any more")
			}
			if r, err := decode(data, 3, 4); err == nil {
				again, err := decode(encoded(t, r), 3, 4)
				if err != nil || again.ID != r.ID || again.At != r.At || !bytes.Equal(again.Payload, r.Payload) {
					t.Errorf("%+v, %v; want %+v", again, err, r)
				}
			}
		})
	})
}
