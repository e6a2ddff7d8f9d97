package poller

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// An agenda gives entries back in the order of time, whatever was set anew or cleared.
func TestAgenda(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		a := agenda{number: 1}
		at := map[*entry]time.Duration{}
		entries := make([]*entry, 1+rng.IntN(300))
		for i := range entries {
			entries[i] = &entry{}
		}
		for range 1000 {
			e := entries[rng.IntN(len(entries))]
			if rng.IntN(3) == 0 {
				a.clear(e)
				delete(at, e)
			} else {
				d := time.Duration(rng.IntN(100))
				a.set(e, d)
				at[e] = d
			}
			first := forever
			for _, d := range at {
				first = min(first, d)
			}
			if a.next() != first || len(a.heap) != len(at) {
				t.Fatalf("seed %d: next is %v of %d, not %v of %d", seed, a.next(), len(a.heap), first, len(at))
			}
		}
		for last := time.Duration(0); len(a.heap) > 0; {
			x := a.heap[0]
			if x.at < last || x.at != at[x.entry] || x.entry.places[0] != 0 {
				t.Fatalf("seed %d: %v after %v", seed, x.at, last)
			}
			last = x.at
			a.clear(x.entry)
		}
	}
}

func TestAgendaGivesMemoryBack(t *testing.T) {
	var a agenda
	entries := make([]entry, 1<<15)
	for i := range entries {
		a.set(&entries[i], time.Duration(i))
	}
	for i := range entries {
		a.clear(&entries[i])
	}
	if cap(a.heap) > 8192 {
		t.Error("room for", cap(a.heap))
	}
}

func never(context.Context) (st Status[int], err error) { return st, nil }

// A context that many have in common has one hook, as long as one of them is there.
func TestOneHookForAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Scheduler
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		type key struct{}
		for i := range 100 {
			Submit(context.WithValue(ctx, key{}, i), &s, never, nil)
		}
		other, stop := context.WithCancel(ctx)
		done := func(context.Context) (Status[int], error) { return Status[int]{State: antiphon.StateSucceeded}, nil }
		f := Submit(other, &s, done, &Options{First: time.Minute})
		if len(s.hooks) != 2 {
			t.Error(len(s.hooks), "hooks")
		}
		if _, err := f.Await(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(s.hooks) != 1 {
			t.Error(len(s.hooks), "hooks after one has gone")
		}
		stop()
		cancel()
		synctest.Wait()
		if len(s.hooks) != 0 || len(s.ends.heap) != 0 || len(s.turns.heap) != 0 {
			t.Error("something is left")
		}
	})
}

// All who hang on a hook may be gone before it is fastened.
func TestAHookThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Scheduler
		s.init()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		e := &entry{ctx: ctx}
		s.mu.Lock()
		h := s.hang(e, ctx.Done())
		stop := s.unhang(e)
		s.mu.Unlock()
		if h == nil || stop != nil {
			t.Fatal("it is not new")
		}
		s.fasten(ctx, h)
		if h.stop() {
			t.Error("it is on the context")
		}
	})
}

// The bound that Scheduler.MaxPending speaks of.
func TestX6_MemoryOfOneThatWaits(t *testing.T) {
	const n, bound = 20_000, 500
	own := func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel
	}
	same := func(ctx context.Context) (context.Context, func()) { return ctx, func() {} }
	for _, tt := range []struct {
		name   string
		bound  uint64
		derive func(context.Context) (context.Context, func())
		base   func() (context.Context, context.CancelFunc)
	}{
		{"no end", bound, same, func() (context.Context, context.CancelFunc) { return context.Background(), func() {} }},
		{"shared", bound, same, func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }},
		{"of its own", 2 * bound, own, func() (context.Context, context.CancelFunc) { return context.Background(), func() {} }},
	} {
		s := &Scheduler{}
		ctx, end := tt.base()
		ctxs, ends := make([]context.Context, n), make([]func(), n)
		for i := range ctxs {
			ctxs[i], ends[i] = tt.derive(ctx)
			ctxs[i].Done()
		}
		fs := make([]*future.Future[int], n)
		o := &Options{First: time.Hour}
		before := heapInUse()
		for i := range fs {
			fs[i] = Submit(ctxs[i], s, never, o)
		}
		each := (heapInUse() - before) / n
		t.Logf("%s: %d bytes each, %d of them the poller", tt.name, each, unsafe.Sizeof(poller[int]{}))
		if each > tt.bound {
			t.Errorf("%s: %d bytes each", tt.name, each)
		}
		s.Close()
		for _, end := range ends {
			end()
		}
		end()
		runtime.KeepAlive(fs)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Waiting allocates when it begins, and not with each poll.
func TestAPollAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := func(polls int) float64 {
			return testing.AllocsPerRun(10, func() {
				n := 0
				_, err := Wait(t.Context(), func(context.Context) (st Status[int], err error) {
					if n++; n == polls {
						st.State = antiphon.StateSucceeded
					}
					return st, nil
				}, &Options{PerPoll: -1})
				if err != nil {
					t.Error(err)
				}
			})
		}
		if few, many := count(10), count(1010); many > few+1 {
			t.Errorf("%v allocations for 1010 polls, %v for 10", many, few)
		}
	})
}
