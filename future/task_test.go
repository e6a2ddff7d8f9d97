package future_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

type key struct{}

// noContext is the nil context, which counts as context.Background().
var noContext context.Context

func TestGoPassesTheContextThrough(t *testing.T) {
	ctx := context.WithValue(t.Context(), key{}, 1)
	f := future.Go(ctx, func(got context.Context) (bool, error) { return got == ctx, nil })
	mustBe(t, f, true, nil)
	f = future.Go(noContext, func(got context.Context) (bool, error) { return got == context.Background(), nil })
	mustBe(t, f, true, nil)
}

func TestF6_PanicAndGoexitBecomeErrors(t *testing.T) {
	for name, c := range map[string]struct {
		work func()
		is   []error
	}{
		"panic":           {func() { panic("x") }, []error{future.ErrPanic}},
		"panic error":     {func() { panic(io.EOF) }, []error{future.ErrPanic, io.EOF}},
		"panic nil":       {func() { panic(nil) }, []error{future.ErrPanic}},
		"nil dereference": {func() { _ = *(*int)(nil) }, []error{future.ErrPanic}},
		"Goexit":          {runtime.Goexit, []error{future.ErrGoexit}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				work := func(context.Context) (int, error) { c.work(); return 1, nil }
				f := future.Go(t.Context(), work)
				for range 3 { // every waiter
					_, err := f.Await(t.Context())
					for _, want := range c.is {
						if !errors.Is(err, want) {
							t.Errorf("%v is not %v", err, want)
						}
					}
					if antiphon.CodeOf(err) != antiphon.CodeInternal || antiphon.Retryable(err) {
						t.Errorf("%v: code %s, retryable %t", err, antiphon.CodeOf(err), antiphon.Retryable(err))
					}
					var p *future.PanicError
					if errors.As(err, &p) && !contains(string(p.Stack), "task_test.go") {
						t.Errorf("the stack does not show where:\n%s", p.Stack)
					}
				}
			})
		})
	}
}

func TestX5_NilFunctionsAndFuturesFail(t *testing.T) {
	ctx := t.Context()
	var nilFuture *future.Future[int]
	id := func(i int) (int, error) { return i, nil }
	_, parallel := future.Parallel[int, int](ctx, 1, []int{1}, nil)
	_, do := new(future.Group[int, int]).Do(ctx, 1, nil)
	_, get := new(future.Lazy[int]).Get(ctx)
	_, block := future.Block[int, int](nil)(ctx, 1)
	_, blockNil := future.Block(func(context.Context, int) *future.Future[int] { return nil })(ctx, 1)
	_, with := future.With[int, int](nil, nil)(ctx, 1)
	errs := map[string]error{"Parallel": parallel, "Group.Do": do, "Lazy.Get": get, "Block": block, "Block of nothing": blockNil, "With": with, "Run": future.Run(ctx, nil)}
	for name, f := range map[string]*future.Future[int]{
		"Go":          future.Go[int](ctx, nil),
		"Call":        future.Call[int, int](ctx, nil, 1),
		"CallOpts":    future.CallOpts[int, int, int](ctx, nil, 1),
		"Lift":        future.Lift[int, int](nil, nil)(ctx, 1),
		"Lift policy": future.Lift[int, int](nil, &future.Policy{Attempts: 2})(ctx, 1),
		"Map":         future.Map[int, int](future.Of(1), nil),
		"Map nil":     future.Map(nilFuture, id),
		"Then":        future.Then[int, int](future.Of(1), nil),
		"Then nil":    future.Then(nilFuture, func(int) *future.Future[int] { return future.Of(1) }),
		"Then to nil": future.Then(future.Of(1), func(int) *future.Future[int] { return nil }),
		"Recover":     future.Recover(future.Of(1), nil),
		"Recover nil": future.Recover(nilFuture, func(error) (int, error) { return 0, nil }),
		"All":         future.Map(future.All(future.Of(1), nil), func([]int) (int, error) { return 0, nil }),
		"Any":         future.Any(nilFuture),
		"Race":        future.Race(nilFuture, future.Of(1)),
		"First":       future.First[int](ctx, nil),
		"First nil":   future.First(ctx, func(context.Context) *future.Future[int] { return nil }),
		"Hedge":       future.Hedge[int](ctx, 1, 1, nil),
		"Hedge delay": future.Hedge(ctx, 0, 1, func(context.Context) (int, error) { return 0, nil }),
		"Hedge count": future.Hedge(ctx, 1, 0, func(context.Context) (int, error) { return 0, nil }),
		"Group.Go":    new(future.Group[int, int]).Go(ctx, 1, nil),
		"Group.Lift":  new(future.Group[int, int]).Lift(nil)(ctx, 1),
	} {
		r, settled := f.Peek()
		if !settled {
			t.Errorf("%s: pending", name)
		}
		errs[name] = r.Err
	}
	for name, err := range errs {
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A settled future holds its outcome and nothing of how it came about.
func TestSettledFutureDropsWorkAndContext(t *testing.T) {
	type big struct{ _ [1 << 10]byte }
	for name, start := range map[string]func(context.Context, *big) *future.Future[int]{
		"Go": func(ctx context.Context, b *big) *future.Future[int] {
			return future.Go(ctx, func(context.Context) (int, error) { runtime.KeepAlive(b); return 1, nil })
		},
		"Call": func(ctx context.Context, b *big) *future.Future[int] {
			return future.Call(ctx, func(context.Context, *big) (int, error) { return 1, nil }, b)
		},
		"Lift with a policy": func(ctx context.Context, b *big) *future.Future[int] {
			return future.Lift(func(context.Context, *big) (int, error) { return 1, nil }, &future.Policy{Attempts: 2, Concurrency: 3})(ctx, b)
		},
		"Map": func(_ context.Context, b *big) *future.Future[int] {
			return future.Map(future.Of(b), func(*big) (int, error) { return 1, nil })
		},
		"Any": func(_ context.Context, b *big) *future.Future[int] {
			loser := future.Map(new(future.Promise[int]).Future(), func(int) (int, error) { runtime.KeepAlive(b); return 1, nil })
			return future.Any(loser, future.Of(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := new(big)
			collected := weak.Make(b)
			f := start(context.WithValue(context.Background(), key{}, b), b)
			b = nil
			mustBe(t, f, 1, nil)
			for range 20 {
				runtime.GC()
				runtime.Gosched()
			}
			if collected.Value() != nil {
				t.Error("something of the work is still held")
			}
			runtime.KeepAlive(f)
		})
	}
}

func TestX2_EverythingEndsInABubble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := future.Go(context.Background(), func(context.Context) (int, error) { return 1, nil })
		synctest.Wait()
		mustBe(t, f, 1, nil)
	})
}
