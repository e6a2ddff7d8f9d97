package poller_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
)

type found = map[string]poller.Status[int]

// fetches notes the calls of a fetch that knows every id but those that begin with "no".
type fetches struct {
	mu    sync.Mutex
	calls [][]string
	take  time.Duration
}

func (f *fetches) fetch(ctx context.Context, ids []string) (found, error) {
	f.mu.Lock()
	f.calls = append(f.calls, slices.Clone(ids))
	f.mu.Unlock()
	time.Sleep(f.take)
	all := found{}
	for _, id := range ids {
		if id[:2] != "no" {
			all[id] = poller.Status[int]{State: antiphon.StateSucceeded, Value: len(id)}
		}
	}
	return all, nil
}

func TestBatchJoinsWhatComesWithinItsWindow(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		var f fetches
		check := poller.Batch(nil, 10*time.Millisecond, 0, f.fetch)
		begun := time.Now()
		var wg sync.WaitGroup
		ask := func(id string) {
			wg.Go(func() {
				st, err := check(id)(t.Context())
				if st.Value != len(id) || err != nil || time.Since(begun) > 22*time.Millisecond {
					t.Error(st, err, time.Since(begun))
				}
			})
		}
		ask("one")
		ask("three")
		time.Sleep(9 * time.Millisecond)
		ask("three")
		ask("eleven")
		time.Sleep(3 * time.Millisecond)
		ask("twelve")
		wg.Wait()
		if len(f.calls) != 2 || len(f.calls[0]) != 3 || !slices.Equal(f.calls[1], []string{"twelve"}) {
			t.Error(f.calls)
		}
	})
}

func TestBatchLimit(t *testing.T) {
	for limit, want := range map[int]int{0: 200, -1: 200, 1: 1, 7: 7} {
		askBubble(t, func(t *testing.T) {
			f := fetches{take: time.Second}
			check := poller.Batch(nil, time.Hour, limit, f.fetch)
			begun := time.Now()
			var wg sync.WaitGroup
			for i := range 2 * want {
				wg.Go(func() {
					if _, err := check(fmt.Sprint("id", i))(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait() // for no window
			if len(f.calls) != 2 || len(f.calls[0]) != want || len(f.calls[1]) != want || time.Since(begun) != time.Second {
				t.Error(len(f.calls), time.Since(begun))
			}
		})
	}
}

func TestBatchWithoutWindow(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		for _, s := range []*poller.Scheduler{nil, {}, {Clock: clock.NewMock()}} {
			var f fetches
			check := poller.Batch(s, 0, 0, f.fetch)
			begun := time.Now()
			if st, err := check("id")(t.Context()); st.Value != 2 || err != nil || time.Since(begun) != 0 {
				t.Error(st, err, time.Since(begun))
			}
		}
	})
}

func TestBatchUsesTheClockOfItsScheduler(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		var f fetches
		check := poller.Batch(&poller.Scheduler{Clock: mock}, time.Minute, 0, f.fetch)
		done := make(chan error, 1)
		go func() {
			_, err := check("id")(t.Context())
			done <- err
		}()
		time.Sleep(time.Hour)
		if len(f.calls) != 0 {
			t.Error("fetched before its time")
		}
		mock.Add(time.Minute)
		if err := <-done; err != nil {
			t.Error(err)
		}
		// One who fills it takes the timer away.
		check = poller.Batch(&poller.Scheduler{Clock: mock}, time.Minute, 1, f.fetch)
		if _, err := check("id")(t.Context()); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		check = poller.Batch(&poller.Scheduler{Clock: mock}, time.Minute, 2, f.fetch)
		if _, err := check("id")(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		if now := mock.Now(); mock.WaitForAllTimers() != now {
			t.Error("a timer is left")
		}
	})
}

func TestBatchIdsThatAreMissingAreNotFound(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		var f fetches
		check := poller.Batch(nil, time.Second, 0, f.fetch)
		here := poller.Submit(t.Context(), nil, check("here"), nil)
		none := poller.Submit(t.Context(), nil, check("none"), nil)
		if v, err := here.Await(t.Context()); v != 4 || err != nil {
			t.Error(v, err)
		}
		_, err := none.Await(t.Context())
		if p := gaveUpWith(t, err, nil); antiphon.CodeOf(p.Last) != antiphon.CodeNotFound || p.Polls != 1 {
			t.Errorf("%+v", p)
		}
		_, err = poller.Wait(t.Context(), check("none"), &poller.Options{MaxErrors: 3, Retryable: func(error) bool { return true }})
		if p := gaveUpWith(t, err, poller.ErrErrors); p.Polls != 3 {
			t.Errorf("%+v", p)
		}
	})
}

func TestX7_BatchFailuresAreThoseOfTheirOwnCall(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		check := poller.Batch(nil, time.Second, 2, func(_ context.Context, ids []string) (found, error) {
			switch ids[0] {
			case "panic":
				panic("oh")
			case "goexit":
				runtime.Goexit()
			case "away":
				return nil, errAway
			}
			return found{ids[0]: {}, ids[1]: {}}, nil
		})
		for _, tt := range []struct {
			id   string
			want func(error) bool
		}{
			{"panic", func(err error) bool { return isPanic(err, "oh") }},
			{"goexit", func(err error) bool { return err == future.ErrGoexit }},
			{"away", func(err error) bool { return err == errAway }},
			{"good", func(err error) bool { return err == nil }},
		} {
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := check(tt.id)(t.Context()); !tt.want(err) {
					t.Errorf("%s: %v", tt.id, err)
				}
			})
			synctest.Wait()
			if _, err := check("beside")(t.Context()); !tt.want(err) {
				t.Errorf("beside %s: %v", tt.id, err)
			}
			wg.Wait()
		}
		if _, err := poller.Batch[int](nil, 0, 0, nil)("id")(t.Context()); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || !antiphon.IsPermanent(err) {
			t.Error(err)
		}
	})
}

func TestBatchEndsWhenAllWhoAskedHaveGone(t *testing.T) {
	type key struct{}
	askBubble(t, func(t *testing.T) {
		ended := make(chan time.Duration, 1)
		begun := time.Now()
		check := poller.Batch(nil, time.Second, 0, func(ctx context.Context, ids []string) (found, error) {
			if ctx.Value(key{}) != nil {
				t.Error("it has the values of an asker")
			}
			<-ctx.Done()
			ended <- time.Since(begun)
			return nil, ctx.Err()
		})
		for i := range 3 {
			ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, 1), time.Duration(i+2)*time.Second)
			defer cancel()
			go func() {
				_, err := check(fmt.Sprint("id", i))(ctx)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Duration(i+2)*time.Second {
					t.Errorf("%d: %v after %v", i, err, time.Since(begun))
				}
			}()
		}
		if d := <-ended; d != 4*time.Second {
			t.Error("fetch ended after", d)
		}
	})
}

// Who goes before the call has begun is asked for all the same, unless nobody is left.
func TestBatchOfNobodyIsNotFetched(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		var f fetches
		check := poller.Batch(nil, time.Minute, 0, f.fetch)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := check("id")(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := check("two")(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if len(f.calls) != 1 || !slices.Equal(f.calls[0], []string{"two"}) {
			t.Error(f.calls)
		}
	})
}

func TestBatchInAScheduler(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		var s poller.Scheduler
		defer s.Close()
		f := fetches{take: 100 * time.Millisecond}
		check := poller.Batch(&s, 50*time.Millisecond, 100, f.fetch)
		var fs []*future.Future[int]
		for i := range 1000 {
			fs = append(fs, poller.Submit(t.Context(), &s, check(fmt.Sprint("id", i)), nil))
		}
		if _, err := future.All(fs...).Await(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(f.calls); n < 10 || n > 14 {
			t.Errorf("%d calls for 1000 ids", n)
		}
	})
}
