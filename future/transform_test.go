package future_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/future"
)

func inc(i int) (int, error) { return i + 1, nil }

func TestMap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mustBe(t, future.Map(future.Of(1), inc), 2, nil)
		mustBe(t, future.Map(after(time.Second, 1, nil), inc), 2, nil)
		ran := false
		mustBe(t, future.Map(after(time.Second, 1, errBoom), func(int) (int, error) { ran = true; return 0, nil }), 0, errBoom)
		if ran {
			t.Error("an error did not pass by the function")
		}
		mustBe(t, future.Map(future.Of(1), func(int) (int, error) { return 3, errBoom }), 3, errBoom)
	})
}

func TestRecover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mustBe(t, future.Recover(after(time.Second, 7, nil), func(error) (int, error) { return 0, errBoom }), 7, nil)
		mustBe(t, future.Recover(after(time.Second, 0, errBoom), func(err error) (int, error) { return 8, nil }), 8, nil)
		mustBe(t, future.Recover(future.Failed[int](errBoom), func(err error) (int, error) { return 0, errors.Join(err, errCause) }), 0, errCause)
	})
}

func TestThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		second := func(i int) *future.Future[int] { return after(time.Second, i*10, nil) }
		start := time.Now()
		mustBe(t, future.Then(after(time.Second, 2, nil), second), 20, nil)
		at(t, start, 2*time.Second)
		mustBe(t, future.Then(future.Of(2), func(int) *future.Future[int] { return future.Of(5) }), 5, nil)
		mustBe(t, future.Then(future.Failed[int](errBoom), second), 0, errBoom)
		mustBe(t, future.Then(future.Of(2), func(int) *future.Future[int] { return future.Failed[int](errBoom) }), 0, errBoom)
	})
}

// A panic in one transform is its own; whatever else hangs on the future is
// still told. Goexit ends the goroutine that settles, and nothing else.
func TestF6_TransformsHarmNobody(t *testing.T) {
	for name, end := range map[string]struct {
		f  func()
		is error
	}{"panic": {func() { panic("x") }, future.ErrPanic}, "Goexit": {runtime.Goexit, future.ErrGoexit}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var p future.Promise[int]
				f := p.Future()
				bad := []*future.Future[int]{
					future.Map(f, func(int) (int, error) { end.f(); return 0, nil }),
					future.Then(f, func(int) *future.Future[int] { end.f(); return nil }),
					future.Recover(future.Map(f, func(int) (int, error) { return 0, errBoom }), func(error) (int, error) { end.f(); return 0, nil }),
				}
				after := future.Map(bad[0], inc)
				good := future.Map(future.Map(f, inc), inc)
				called := false
				f.OnDone(func(future.Result[int]) { called = true })
				go p.Resolve(1)
				synctest.Wait()
				for i, b := range append(bad, after) {
					if _, err := b.Await(t.Context()); !errors.Is(err, end.is) {
						t.Errorf("%d: %v", i, err)
					}
				}
				mustBe(t, good, 3, nil)
				if !called {
					t.Error("a callback was not told")
				}
			})
		})
	}
}

func TestTransformsOfASettledFutureRunAtOnce(t *testing.T) {
	if r, ok := future.Map(future.Of(1), inc).Peek(); !ok || r.Value != 2 {
		t.Error("Map has not settled")
	}
}

// Settling is a loop, not a recursion: the stack stays small.
func TestLongChains(t *testing.T) {
	const n = 1_000_000
	var p future.Promise[int]
	f := p.Future()
	for i := range n {
		switch i % 4 {
		case 0, 1:
			f = future.Map(f, inc)
		case 2:
			f = future.Recover(f, func(err error) (int, error) { return 0, err })
		case 3:
			f = future.Then(f, func(i int) *future.Future[int] { return future.Of(i + 1) })
		}
	}
	p.Resolve(0)
	mustBe(t, f, n/4*3, nil)
}

func TestManyLinksOnOneFuture(t *testing.T) {
	var p future.Promise[int]
	var fs []*future.Future[int]
	for range 10_000 {
		fs = append(fs, future.Map(future.Map(p.Future(), inc), inc))
	}
	p.Resolve(1)
	vs, err := future.All(fs...).Await(context.Background())
	for _, v := range vs {
		if v != 3 || err != nil {
			t.Fatalf("%d, %v", v, err)
		}
	}
}
