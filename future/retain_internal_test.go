package future

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

// hangingOn counts the links in the ring of f.
func hangingOn[T any](f *Future[T]) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	head := f.head.Load()
	if head == nil || isMark(head) {
		return 0
	}
	for l := head; ; l = l.next {
		if n++; l.next == head {
			return n
		}
	}
}

// A big is what nobody may hold on to.
type big struct {
	_ *big // a pointer, so that it is not a tiny object
	_ [256]byte
}

// collected fails the test unless the collector takes p.
func collected[T any](t *testing.T, what string, p weak.Pointer[T]) {
	t.Helper()
	for range 5 {
		runtime.GC()
		if p.Value() == nil {
			return
		}
	}
	t.Errorf("%s is held", what)
}

func TestF3_WaiterLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a goroutine or a timer that is left would fail the bubble
		var p Promise[int]
		f := &p.f
		const n = 1000
		errs := make(chan error, n)
		var ctxs []weak.Pointer[big]
		for range n {
			b := new(big)
			ctxs = append(ctxs, weak.Make(b))
			go func() {
				ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), big{}, b), time.Second)
				defer cancel()
				_, err := f.Await(ctx)
				errs <- err
			}()
		}
		for range n {
			if err := <-errs; !errors.Is(err, ErrPending) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if links := hangingOn(f); links != 0 || f.park != nil {
			t.Errorf("%d links, parking %v", links, f.park)
		}
		for _, w := range ctxs[:10] {
			collected(t, "the context of a waiter that gave up", w)
		}
		stop := f.OnDone(func(Result[int]) {})
		if !stop() || hangingOn(f) != 0 {
			t.Error("a callback that was stopped still hangs")
		}
	})
}

// A contender in race after race: its ring is empty after each.
func TestF8_LoserOfEveryRaceIsLetGo(t *testing.T) {
	var shutdown Promise[int]
	f := &shutdown.f
	rounds := 100_000
	if testing.Short() {
		rounds = 1000
	}
	for i := range rounds {
		var p Promise[int]
		g := &p.f
		var outs [4]*Future[int]
		outs[0] = Race(f, g)
		outs[1] = Any(g, f, f)
		outs[2] = Map(All(f, g, f), func([]int) (int, error) { return 0, nil })
		outs[3] = First(context.Background(), func(context.Context) *Future[int] { return f }, func(context.Context) *Future[int] { return g })
		if n := hangingOn(f); n != 6 {
			t.Fatalf("%d links during a round", n)
		}
		want := 0
		if i%2 == 0 {
			p.Resolve(i)
			want = 2 // All still waits for f
		} else {
			p.Reject(ErrLost)
			want = 3 // Any and First do
		}
		if n := hangingOn(f); n != want {
			t.Fatalf("%d links are left after round %d, want %d", n, i, want)
		}
		for { // as the deciding of those would
			f.mu.Lock()
			head := f.head.Load()
			f.mu.Unlock()
			if head == nil {
				break
			}
			f.unlink(head)
		}
	}
	for range AsCompleted(context.Background(), f, Of(1)) {
		break
	}
	func() {
		defer func() { _ = recover() }()
		for range AsCompleted(context.Background(), f, Of(1)) {
			panic("out of the loop")
		}
	}()
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for range AsCompleted(over, f, f) {
	}
	if n := hangingOn(f); n != 0 {
		t.Errorf("%d links are left of AsCompleted", n)
	}
}

// What is decided holds neither the futures it was decided over, nor their
// outcomes, while somebody holds the decision.
func TestF8_DecisionHoldsNoLoser(t *testing.T) {
	value := func() (*Future[*big], weak.Pointer[big]) {
		b := new(big)
		return Of(b), weak.Make(b)
	}
	failed := func() (*Future[*big], weak.Pointer[big]) {
		b := new(big)
		return Failed[*big](holding{b}), weak.Make(b)
	}
	// settled one by one, the deciding one last
	race := func(before, last func() (*Future[*big], weak.Pointer[big]), out func(...*Future[*big]) any) (any, weak.Pointer[big], weak.Pointer[Future[*big]]) {
		early, w := before()
		var two, never Promise[*big]
		decision := out(early, &two.f, &never.f)
		last1, _ := last()
		two.f.settle(last1.val, last1.err)
		return decision, w, weak.Make(&never.f)
	}
	all, w, never := race(value, failed, func(fs ...*Future[*big]) any { return All(fs...) })
	collected(t, "a value of a failed All", w)
	collected(t, "a loser of All", never)
	one, w, never := race(failed, value, func(fs ...*Future[*big]) any { return Any(fs...) })
	collected(t, "an error of a successful Any", w)
	collected(t, "a loser of Any", never)
	first, w, never := race(failed, value, func(fs ...*Future[*big]) any {
		var ways []func(context.Context) *Future[*big]
		for _, f := range fs {
			ways = append(ways, func(context.Context) *Future[*big] { return f })
		}
		return First(context.Background(), ways...)
	})
	collected(t, "an error of a successful First", w)
	collected(t, "a loser of First", never)
	runtime.KeepAlive(all)
	runtime.KeepAlive(one)
	runtime.KeepAlive(first)

	winner, loser := new(Promise[*big]), new(Promise[*big])
	raced := Race(&loser.f, &winner.f)
	winner.Resolve(nil)
	wl, ww := weak.Make(&loser.f), weak.Make(&winner.f)
	winner, loser = nil, nil
	collected(t, "the loser of Race", wl)
	collected(t, "the winner of Race", ww)
	runtime.KeepAlive(raced)
}

type holding struct{ b *big }

func (holding) Error() string { return "holding" }

// A settled future holds its outcome, and nothing of how it came by it.
func TestSettledFutureHoldsOnlyItsOutcome(t *testing.T) {
	type made struct {
		out  any
		held weak.Pointer[big]         // what the function has captured
		src  weak.Pointer[Future[int]] // where the value came from
	}
	use := func(b *big) { runtime.KeepAlive(b) }
	for name, make := range map[string]func(settle func(*Promise[int])) made{
		"Map": func(settle func(*Promise[int])) made {
			b, p := new(big), new(Promise[int])
			out := Map(&p.f, func(int) (int, error) { use(b); return 1, nil })
			settle(p)
			return made{out, weak.Make(b), weak.Make(&p.f)}
		},
		"Recover": func(settle func(*Promise[int])) made {
			b, p := new(big), new(Promise[int])
			out := Recover(&p.f, func(error) (int, error) { use(b); return 1, nil })
			settle(p)
			return made{out, weak.Make(b), weak.Make(&p.f)}
		},
		"Then": func(settle func(*Promise[int])) made {
			b, p, q := new(big), new(Promise[int]), new(Promise[int])
			out := Then(&p.f, func(int) *Future[int] { use(b); return &q.f })
			settle(p)
			q.Resolve(1)
			return made{out, weak.Make(b), weak.Make(&q.f)}
		},
		"OnDone": func(settle func(*Promise[int])) made {
			b, p := new(big), new(Promise[int])
			stop := p.f.OnDone(func(Result[int]) { use(b) })
			settle(p)
			return made{stop, weak.Make(b), weak.Pointer[Future[int]]{}}
		},
		"Go": func(settle func(*Promise[int])) made {
			b, p := new(big), new(Promise[int])
			out := Go(context.WithValue(context.Background(), big{}, b), func(ctx context.Context) (int, error) {
				return (&p.f).Await(ctx)
			})
			settle(p)
			<-out.Done()
			return made{out, weak.Make(b), weak.Make(&p.f)}
		},
		"Settled": func(settle func(*Promise[int])) made {
			b, p := new(big), new(Promise[int])
			out := Map(Settled(&p.f, &p.f), func([]Result[int]) (int, error) { use(b); return 1, nil })
			settle(p)
			return made{out, weak.Make(b), weak.Make(&p.f)}
		},
	} {
		for how, settle := range map[string]func(*Promise[int]){
			"value": func(p *Promise[int]) { p.Resolve(1) },
			"error": func(p *Promise[int]) { p.Reject(ErrLost) },
		} {
			m := make(settle)
			time.Sleep(0)
			collected(t, fmt.Sprintf("what the function of %s captured (%s)", name, how), m.held)
			collected(t, fmt.Sprintf("the source of %s (%s)", name, how), m.src)
			runtime.KeepAlive(m.out)
		}
	}
}

// What hung on the same future knows nothing of each other afterwards.
func TestF8_NeighboursDoNotHoldEachOther(t *testing.T) {
	var p Promise[int]
	outs := make([]*Future[int], 5)
	ws := make([]weak.Pointer[Future[int]], len(outs))
	for i := range outs {
		outs[i] = Map(&p.f, func(i int) (int, error) { return i, nil })
		ws[i] = weak.Make(outs[i])
	}
	p.Resolve(1)
	kept := outs[2]
	clear(outs)
	for i, w := range ws {
		if i != 2 {
			collected(t, fmt.Sprintf("neighbour %d", i), w)
		}
	}
	runtime.KeepAlive(kept)
}
