package callback_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// looks are the ways in which work may look at its context, and what it then sees
// when the context has ended.
var looks = map[string]func(ctx context.Context) (done <-chan struct{}, end func() (err, cause error)){
	"itself": func(ctx context.Context) (<-chan struct{}, func() (error, error)) {
		return ctx.Done(), func() (error, error) { return ctx.Err(), context.Cause(ctx) }
	},
	"child": func(ctx context.Context) (<-chan struct{}, func() (error, error)) {
		child, cancel := context.WithCancel(ctx)
		return child.Done(), func() (error, error) { defer cancel(); return child.Err(), context.Cause(child) }
	},
	"value of a child of a value": func(ctx context.Context) (<-chan struct{}, func() (error, error)) {
		type key struct{}
		child, cancel := context.WithTimeout(context.WithValue(ctx, key{}, 1), 1000*time.Hour)
		child = context.WithValue(child, key{}, 2)
		return child.Done(), func() (error, error) { defer cancel(); return child.Err(), context.Cause(child) }
	},
	"AfterFunc": func(ctx context.Context) (<-chan struct{}, func() (error, error)) {
		done := make(chan struct{})
		context.AfterFunc(ctx, func() { close(done) })
		return done, func() (error, error) { return ctx.Err(), context.Cause(ctx) }
	},
	"child of a foreign context": func(ctx context.Context) (<-chan struct{}, func() (error, error)) {
		child, cancel := context.WithCancel(foreign{ctx})
		return child.Done(), func() (error, error) { defer cancel(); return child.Err(), context.Cause(child) }
	},
}

type foreign struct{ context.Context }

// C12: the work's context ends at the asker's deadline to the nanosecond, by the
// peer's clock, and so does whatever is derived from it, with the same error.
func TestC12_DeadlineOfTheWork(t *testing.T) {
	for name, look := range looks {
		for _, mocked := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					o := &callback.PeerOptions{}
					pass, now := func(d time.Duration) { time.Sleep(d); synctest.Wait() }, time.Now
					if mocked {
						mock := clock.NewMock()
						o.Clock = mock
						pass, now = func(d time.Duration) { mock.Add(d); synctest.Wait() }, mock.Now
					}
					p, f := alone(t, o)
					deadline := now().Add(time.Second)
					over := make(chan func() (error, error), 1)
					callback.Serve(p, "f", func(ctx context.Context, _ int) (int, error) {
						if at, ok := ctx.Deadline(); !ok || !at.Equal(deadline) {
							t.Errorf("the deadline is %v, %v", at, ok)
						}
						if ctx.Err() != nil || context.Cause(ctx) != nil {
							t.Error(ctx.Err(), context.Cause(ctx))
						}
						done, end := look(ctx)
						<-done
						over <- end
						return 0, ctx.Err()
					}, nil)
					f.send(callback.Message{Kind: callback.Request, ID: callback.ID{1}, To: "f", Deadline: deadline, Body: []byte("1")})
					pass(time.Second - 1)
					if len(over) != 0 {
						t.Error("it has ended too early")
					}
					pass(1)
					select {
					case end := <-over:
						if err, cause := end(); err != context.DeadlineExceeded || cause != context.DeadlineExceeded {
							t.Errorf("%v, %v", err, cause)
						}
					default:
						t.Error("it has not ended")
					}
					f.nothing() // nobody waits for an answer
				})
			})
		}
	}
}

// The cancel of the asker reaches the work, and all that is derived from its
// context, as context.Canceled, with a cause that says who it was.
func TestCancelReachesTheWork(t *testing.T) {
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, f := alone(t, nil)
				over := make(chan func() (error, error), 1)
				callback.Serve(p, "f", func(ctx context.Context, _ int) (int, error) {
					done, end := look(ctx)
					<-done
					over <- end
					return 0, ctx.Err()
				}, nil)
				id := f.request("f", 1, "1")
				synctest.Wait()
				f.send(callback.Message{Kind: callback.Cancel, ID: id, To: "f"})
				err, cause := (<-over)()
				var e *antiphon.Error
				if err != context.Canceled || !errors.As(cause, &e) || e.Reason != "callback.asker_gone" {
					t.Errorf("%v, %v", err, cause)
				}
				f.nothing()
			})
		})
	}
}

// Err alone tells of the end, too, without a channel.
func TestErrOfTheWorksContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		step, seen := make(chan struct{}), make(chan error, 1)
		callback.Serve(p, "f", func(ctx context.Context, _ int) (int, error) {
			for range step {
				seen <- ctx.Err()
			}
			return 0, nil
		}, nil)
		look := func(want error) {
			t.Helper()
			step <- struct{}{}
			if err := <-seen; err != want {
				t.Errorf("%v, want %v", err, want)
			}
		}
		f.request("f", 1, "1")
		look(nil)
		time.Sleep(time.Hour - 1)
		look(nil)
		time.Sleep(time.Nanosecond)
		look(context.DeadlineExceeded)
		f.send(callback.Message{Kind: callback.Cancel, ID: callback.ID{1, 1}})
		synctest.Wait()
		look(context.DeadlineExceeded) // it does not change
		close(step)
		step = make(chan struct{})
		id := f.request("f", 2, "1")
		look(nil)
		f.send(callback.Message{Kind: callback.Cancel, ID: id})
		synctest.Wait()
		look(context.Canceled)
		close(step)
		synctest.Wait()
	})
}

// A request without a timeout has no deadline; a context outlives neither its work
// nor its peer.
func TestEndOfTheWorksContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		var mu sync.Mutex
		var contexts []context.Context
		callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) {
			mu.Lock()
			contexts = append(contexts, ctx)
			mu.Unlock()
			if n == 1 {
				return 0, nil
			}
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}, nil)
		f.send(callback.Message{Kind: callback.Request, ID: callback.ID{1}, To: "f", Body: []byte("1")})
		f.next(callback.Reply)
		synctest.Wait()
		ctx := contexts[0]
		if at, ok := ctx.Deadline(); ok {
			t.Error(at)
		}
		select {
		case <-ctx.Done():
		default:
			t.Error("it has not ended with its work")
		}
		if ctx.Err() != context.Canceled {
			t.Error(ctx.Err())
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		if child.Err() != context.Canceled {
			t.Error(child.Err())
		}
		for i, kind := range []callback.Kind{callback.Request, callback.Event} {
			f.send(callback.Message{Kind: kind, ID: callback.ID{byte(i + 2)}, To: "f", Body: []byte("2")})
		}
		synctest.Wait()
		_ = p.Close()
		synctest.Wait()
		for _, ctx := range contexts[1:] {
			if cause := context.Cause(ctx); ctx.Err() != context.Canceled || !errors.Is(cause, callback.ErrClosed) {
				t.Error(ctx.Err(), cause)
			}
		}
	})
}

// Contexts that end while somebody looks for the first time.
func TestX1_ContextOfTheWorkUnderContention(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		callback.Serve(p, "f", func(ctx context.Context, _ int) (int, error) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					child, cancel := context.WithCancel(ctx)
					defer cancel()
					<-child.Done()
					if child.Err() != ctx.Err() {
						t.Error(child.Err(), ctx.Err())
					}
				})
			}
			wg.Wait()
			return 0, nil
		}, nil)
		for i := range 200 {
			id := callback.ID{1, byte(i), 1}
			f.send(callback.Message{Kind: callback.Request, ID: id, To: "f", Deadline: time.Now().Add(time.Duration(i%3) * time.Nanosecond), Body: []byte("1")})
			if i%2 == 0 {
				f.send(callback.Message{Kind: callback.Cancel, ID: id})
			}
			if i%10 == 0 {
				time.Sleep(2 * time.Nanosecond)
				f.all()
			}
		}
	})
}
