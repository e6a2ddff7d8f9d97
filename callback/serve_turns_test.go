package callback_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// Of what comes at once, Concurrency are done at once, Queue wait for a turn, and
// the others are refused, though no goroutine has begun when they come.
func TestServe_TurnsOfABurst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		var working atomic.Int32
		release := make(chan struct{})
		callback.Serve(b, "slow", func(context.Context, int) (int, error) {
			working.Add(1)
			<-release
			return 1, nil
		}, &callback.ServeOptions{Concurrency: 4, Queue: 2})
		ask := callback.Dial[int, int](a, "slow", nil)
		var fs [9]*future.Future[int]
		for i := range fs {
			fs[i] = ask(t.Context(), i)
		}
		synctest.Wait()
		if n := working.Load(); n != 4 {
			t.Error(n, "at once")
		}
		full := 0
		for _, f := range fs {
			if r, settled := f.Peek(); settled && errors.Is(r.Err, callback.ErrFull) {
				full++
			}
		}
		if full != 3 {
			t.Error(full, "refused")
		}
		if _, err := ask(t.Context(), 0).Await(t.Context()); !errors.Is(err, callback.ErrFull) {
			t.Error("one more:", err)
		}
		close(release)
		synctest.Wait()
		if n := working.Load(); n != 6 {
			t.Error(n, "in all")
		}
	})
}

// Work that ends its goroutine gives its turn to what waits.
func TestServe_GoexitFreesItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.Serve(b, "exit", func(context.Context, int) (int, error) {
			runtime.Goexit()
			return 0, nil
		}, &callback.ServeOptions{Concurrency: 1})
		ask := callback.Dial[int, int](a, "exit", nil)
		for _, f := range []*future.Future[int]{ask(t.Context(), 1), ask(t.Context(), 2), ask(t.Context(), 3)} {
			if _, err := f.Await(t.Context()); err == nil || errors.Is(err, callback.ErrExpired) {
				t.Error(err)
			}
		}
	})
}

// Long calls hold up no short ones that come with them, as long as there are turns.
func TestC8_LongCallsAmongShortOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.Serve(b, "f", func(ctx context.Context, long bool) (int, error) {
			if long {
				<-ctx.Done()
			}
			return 1, nil
		}, &callback.ServeOptions{Concurrency: 8})
		ask := callback.Dial[bool, int](a, "f", nil)
		start := time.Now()
		var short []*future.Future[int]
		for i := range 64 {
			if f := ask(t.Context(), i%10 == 0); i%10 != 0 {
				short = append(short, f)
			}
		}
		for _, f := range short {
			if _, err := f.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Error("they took", d)
		}
	})
}
