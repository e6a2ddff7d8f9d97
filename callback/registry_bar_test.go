package callback_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// A reply is on its way, and one of a hundred each is late, doubled, or to nobody.
type reply struct {
	id    callback.ID
	value int
	fate  int
}

const (
	late = iota
	doubled
	toNobody
	fates = 100
)

// replies sends n replies to r by way of several goroutines, in any order, while
// many are pending, and fails the test if one is not where it belongs.
func replies(t testing.TB, n int) {
	const askers, window = 4, 64
	var seen [4]atomic.Int64
	r := callback.NewRegistry[int](&callback.RegistryOptions{Observer: func(e antiphon.Event) {
		switch e.Name {
		case "callback.late":
			seen[late].Add(1)
		case "callback.duplicate":
			seen[doubled].Add(1)
		case "callback.unknown":
			seen[toNobody].Add(1)
		case "callback.expired":
			seen[3].Add(1)
		}
	}})
	wire := make(chan reply, 1024)
	var want [3]atomic.Int64
	deliver := func(w reply) {
		want[w.fate].Add(1)
		switch w.fate {
		case late:
			if err := r.Resolve(w.id, w.value); !errors.Is(err, callback.ErrOrphan) {
				t.Errorf("a late reply: %v", err)
			}
			return
		case toNobody:
			other := w.id
			other[w.value%12] ^= 1 << (w.value / 12 % 8)
			if err := r.Resolve(other, w.value); err != callback.ErrUnknownID {
				t.Errorf("a reply to nobody: %v", err)
			}
		}
		if err := r.Resolve(w.id, w.value); err != nil {
			t.Errorf("a reply in time: %v", err)
		}
		if w.fate == doubled {
			if err := r.Resolve(w.id, w.value); !errors.Is(err, callback.ErrOrphan) {
				t.Errorf("a reply once more: %v", err)
			}
		}
	}
	var answering, asking sync.WaitGroup
	for range 4 {
		answering.Go(func() {
			for w := range wire {
				if w.fate < 3 {
					deliver(w)
				} else if err := r.Resolve(w.id, w.value); err != nil {
					t.Errorf("a reply in time: %v", err)
				}
			}
		})
	}
	ctx := context.Background()
	for a := range askers {
		asking.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), uint64(a)))
			var out [window]reply
			var fs [window]*future.Future[int]
			for sent := 0; sent < n/askers; sent += window {
				for i := range out {
					id, f, err := r.Expect(ctx, 0)
					if err != nil {
						t.Error(err)
						return
					}
					out[i], fs[i] = reply{id, a*n + sent + i, rng.IntN(fates)}, f
				}
				order := rng.Perm(window)
				for _, i := range order {
					if out[i].fate == late {
						if err := r.Touch(out[i].id, 1); err != nil {
							t.Errorf("Touch: %v", err)
						}
						if _, err := fs[i].Await(ctx); err != callback.ErrExpired {
							t.Errorf("expired: %v", err)
						}
					}
					wire <- out[i]
				}
				for i, f := range fs {
					if out[i].fate == late {
						continue
					}
					if v, err := f.Await(ctx); v != out[i].value || err != nil {
						t.Errorf("misdelivered: %d, %v, not %d", v, err, out[i].value)
					}
				}
			}
		})
	}
	asking.Wait()
	close(wire)
	answering.Wait()
	if left := r.Pending(); left != 0 {
		t.Errorf("%d entries are left", left)
	}
	orphans, observed := int64(0), int64(0)
	for i := range want { // one that waited long for its turn may be unknown by then
		orphans, observed = orphans+want[i].Load(), observed+seen[i].Load()
		if seen[i].Load() == 0 {
			t.Errorf("fate %d: none of %d was observed", i, want[i].Load())
		}
	}
	if observed != orphans {
		t.Errorf("%d orphans, %d were observed", orphans, observed)
	}
	for range 1_000_000 { // the last event comes after its future has settled
		if seen[3].Load() == want[late].Load() {
			break
		}
		runtime.Gosched()
	}
	if seen[3].Load() != want[late].Load() {
		t.Errorf("%d expired, %d late", seen[3].Load(), want[late].Load())
	}
	r.Close(errors.New("the end"))
}

func TestC2_OfManyRepliesNoneIsMisdelivered(t *testing.T) {
	bubble(t, func(t *testing.T) { replies(t, 200_000) })
}

// In real time, as many as is asked for: -benchtime=10000000x.
func BenchmarkReplies(b *testing.B) {
	b.ReportAllocs()
	replies(b, max(b.N, 4096))
}
