package futuretest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/suite"
)

type answerFuture = future.Future[Answer]

// A suite that finds nothing in a broken way proves nothing. Each of these is
// broken in one respect, and must be found out by the rule it breaks.
func TestBrokenWaysAreFoundOut(t *testing.T) {
	planted := map[string]bool{}
	for _, broken := range []struct {
		name string
		rule string
		open func(testing.TB, Func) Asker
	}{
		{"loses a reply", "OwnAnswer", func(_ testing.TB, f Func) Asker {
			var n atomic.Int64
			return func(ctx context.Context, q Query) *answerFuture {
				if n.Add(1)%50 == 0 {
					return new(future.Promise[Answer]).Future()
				}
				return future.Call(ctx, f, q)
			}
		}},
		{"panics on a nil context", "NilContext", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				if ctx == nil {
					return future.Failed[Answer](errors.New("nil context"))
				}
				return future.Call(ctx, f, q)
			}
		}},
		{"loses the details of an error", "ErrorCode", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(future.Call(ctx, f, q), func(err error) (Answer, error) {
					e := *antiphon.FromError(err)
					e.Details = nil
					return Answer{}, &e
				})
			}
		}},
		{"loses the text of an error", "ErrorCode", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(future.Call(ctx, f, q), func(err error) (Answer, error) {
					e := *antiphon.FromError(err)
					e.Message = "failed"
					return Answer{}, &e
				})
			}
		}},
		{"loses the trace", "Trace", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Call(antiphon.WithTrace(ctx, nil), f, q)
			}
		}},
		{"keeps the trace of an earlier ask", "Trace", func(_ testing.TB, f Func) Asker {
			var mu sync.Mutex
			var kept map[string]string
			return func(ctx context.Context, q Query) *answerFuture {
				mu.Lock()
				defer mu.Unlock()
				if trace := antiphon.TraceFrom(ctx); trace != nil {
					kept = trace
				}
				return future.Call(antiphon.WithTrace(ctx, kept), f, q)
			}
		}},
		{"loses the state of a trace", "Trace", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				trace := antiphon.TraceFrom(ctx)
				delete(trace, "tracestate")
				return future.Call(antiphon.WithTrace(ctx, trace), f, q)
			}
		}},
		{"loses the data of progress", "Progress", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Call(antiphon.WithProgress(ctx, func(p antiphon.Progress) {
					antiphon.Report(ctx, p.Percent, p.Message, nil)
				}), f, q)
			}
		}},
		{"gives an answer to another ask", "OwnAnswer", func(_ testing.TB, f Func) Asker {
			var mu sync.Mutex
			var kept *Query
			return func(ctx context.Context, q Query) *answerFuture {
				mu.Lock()
				defer mu.Unlock()
				if q.N == 100 {
					kept = &q
				} else if kept != nil {
					q, kept = *kept, nil
				}
				return future.Call(ctx, f, q)
			}
		}},
		{"matches replies to asks in order of arrival", "OwnAnswer", func(_ testing.TB, f Func) Asker {
			var mu sync.Mutex
			var asks []*future.Promise[Answer]
			return func(ctx context.Context, q Query) *answerFuture {
				p := new(future.Promise[Answer])
				mu.Lock()
				asks = append(asks, p)
				mu.Unlock()
				go func() {
					a, err := f(ctx, q)
					mu.Lock()
					p := asks[0]
					asks = asks[1:]
					mu.Unlock()
					p.Settle(a, err)
				}()
				return p.Future()
			}
		}},
		{"settles twice, the second time another's ask", "SettlesOnce", func(_ testing.TB, f Func) Asker {
			// A future cannot settle twice, but an answer that is delivered
			// twice has to go somewhere: here to whoever asks next.
			var mu sync.Mutex
			var spare *Answer
			return func(ctx context.Context, q Query) *answerFuture {
				mu.Lock()
				a := spare
				spare = nil
				mu.Unlock()
				if a != nil {
					if a.N != q.N-1 {
						return future.Of(*a)
					}
					return future.Failed[Answer](errors.New("a second answer came for it"))
				}
				return future.Map(future.Call(ctx, f, q), func(a Answer) (Answer, error) {
					mu.Lock()
					defer mu.Unlock()
					spare = &a
					return a, nil
				})
			}
		}},
		{"calls f twice", "Calls", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Call(ctx, func(ctx context.Context, q Query) (Answer, error) {
					_, _ = f(ctx, q)
					return f(ctx, q)
				}, q)
			}
		}},
		{"answers without f", "Calls", func(testing.TB, Func) Asker {
			return future.Lift(echo, nil)
		}},
		{"mangles a value", "Value", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				q.Text = strings.ToValidUTF8(strings.Map(func(r rune) rune {
					if r > 0xFFFF {
						return '?'
					}
					return r
				}, q.Text), "?")
				return future.Call(ctx, f, q)
			}
		}},
		{"cuts a large value", "Value", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				q.Text = q.Text[:min(len(q.Text), 4<<10)]
				return future.Call(ctx, f, q)
			}
		}},
		{"rounds a number", "Value", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				q.N = int(float64(q.N))
				return future.Call(ctx, f, q)
			}
		}},
		{"waits for the answer", "AskReturnsAtOnce", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				a, err := f(ctx, q)
				if err != nil {
					return future.Failed[Answer](err)
				}
				return future.Of(a)
			}
		}},
		{"drops an early answer", "AnswerBeforeAwait", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				f := future.Call(ctx, f, q)
				<-f.Done()
				return new(future.Promise[Answer]).Future()
			}
		}},
		{"answers one after the other", "SlowHarmsNobody", func(_ testing.TB, f Func) Asker {
			return future.Lift(f, &future.Policy{Concurrency: 1})
		}},
		{"drops the cancel", "CancelReachesWork", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Call(context.WithoutCancel(ctx), f, q)
			}
		}},
		{"does not look at the context before it asks", "CanceledBefore", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Call(context.WithoutCancel(ctx), f, q)
			}
		}},
		{"keeps the deadline to itself", "DeadlineReachesWork", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Call(context.WithoutCancel(ctx), f, q)
			}
		}},
		{"gives f more time than the asker has", "DeadlineReachesWork", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				at, _ := ctx.Deadline()
				later, cancel := context.WithDeadline(context.WithoutCancel(ctx), at.Add(time.Hour))
				_ = cancel
				return future.Call(later, f, q)
			}
		}},
		{"leaves the deadline to f", "DeadlineSettles", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture { return future.Call(ctx, f, q) }
		}},
		{"says of work under way that it was not accepted", "DeadlineSettles", func(_ testing.TB, f Func) Asker {
			lift := future.Lift(f, nil)
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(lift(ctx, q), func(err error) (Answer, error) {
					return Answer{}, &antiphon.Error{Code: antiphon.CodeDeadlineExceeded, Class: antiphon.ClassNotAccepted}
				})
			}
		}},
		{"says of canceled work that it was not accepted", "CancelReachesWork", func(_ testing.TB, f Func) Asker {
			lift := future.Lift(f, nil)
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(lift(ctx, q), func(err error) (Answer, error) {
					return Answer{}, &antiphon.Error{Code: antiphon.CodeCanceled, Class: antiphon.ClassNotAccepted}
				})
			}
		}},
		{"guesses that it was not accepted", "NotAcceptedIsTrue", func(_ testing.TB, f Func) Asker {
			lift := future.Lift(f, nil)
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(lift(ctx, q), func(err error) (Answer, error) {
					return Answer{}, &antiphon.Error{Code: antiphon.CodeCanceled, Class: antiphon.ClassNotAccepted}
				})
			}
		}},
		{"keeps the text of an error only", "ErrorCode", func(_ testing.TB, f Func) Asker {
			lift := future.Lift(f, nil)
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(lift(ctx, q), func(err error) (Answer, error) {
					return Answer{}, errors.New(err.Error())
				})
			}
		}},
		{"keeps the code of an error only", "ErrorCode", func(_ testing.TB, f Func) Asker {
			lift := future.Lift(f, nil)
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(lift(ctx, q), func(err error) (Answer, error) {
					return Answer{}, &antiphon.Error{Code: antiphon.CodeOf(err), Class: antiphon.ClassOf(err)}
				})
			}
		}},
		{"forgets the class of an error", "ErrorCode", func(_ testing.TB, f Func) Asker {
			lift := future.Lift(f, nil)
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(lift(ctx, q), func(err error) (Answer, error) {
					wire := *antiphon.FromError(err)
					wire.Class = ""
					return Answer{}, &wire
				})
			}
		}},
		{"drops the advice of an error", "ErrorAdvice", func(_ testing.TB, f Func) Asker {
			lift := future.Lift(f, nil)
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Recover(lift(ctx, q), func(err error) (Answer, error) {
					return Answer{}, &antiphon.Error{Code: antiphon.CodeOf(err), Message: err.Error()}
				})
			}
		}},
		{"strands an ask whose work panics", "Panic", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				p := new(future.Promise[Answer])
				go func() {
					defer func() { _ = recover() }()
					p.Settle(f(ctx, q))
				}()
				return p.Future()
			}
		}},
		{"strands an ask whose work ends its goroutine", "Goexit", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				p := new(future.Promise[Answer])
				go func() { p.Settle(f(ctx, q)) }()
				return p.Future()
			}
		}},
		{"ends with the first panic", "Panic", func(_ testing.TB, f Func) Asker {
			var dead atomic.Bool
			return func(ctx context.Context, q Query) *answerFuture {
				if dead.Load() {
					return future.Failed[Answer](errors.New("closed"))
				}
				return future.Recover(future.Call(ctx, f, q), func(err error) (Answer, error) {
					dead.Store(true)
					return Answer{}, err
				})
			}
		}},
		{"drops progress", "Progress", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				return future.Call(antiphon.WithProgress(ctx, nil), f, q)
			}
		}},
		{"mistakes the percentage", "Progress", func(_ testing.TB, f Func) Asker {
			return func(ctx context.Context, q Query) *answerFuture {
				inner := antiphon.WithProgress(ctx, func(p antiphon.Progress) {
					antiphon.Report(ctx, p.Percent/100, p.Message, p.Data)
				})
				return future.Call(inner, f, q)
			}
		}},
		{"leaks a goroutine with every ask", "NoLeak", func(tb testing.TB, f Func) Asker {
			end := make(chan struct{})
			tb.Cleanup(func() { close(end) })
			return func(ctx context.Context, q Query) *answerFuture {
				go func() { <-end }()
				return future.Call(ctx, f, q)
			}
		}},
		{"leaks a goroutine with every ask that is given up", "NoLeak", func(tb testing.TB, f Func) Asker {
			end := make(chan struct{})
			tb.Cleanup(func() { close(end) })
			return func(ctx context.Context, q Query) *answerFuture {
				answered := make(chan struct{})
				return future.Recover(future.Map(future.Call(ctx, f, q), func(a Answer) (Answer, error) {
					close(answered)
					return a, nil
				}), func(err error) (Answer, error) {
					go func() {
						select {
						case <-answered:
						case <-end:
						}
					}()
					return Answer{}, err
				})
			}
		}},
		{"has no future", "Value", func(testing.TB, Func) Asker {
			return func(context.Context, Query) *answerFuture { return nil }
		}},
		{"has no Asker", "Value", func(testing.TB, Func) Asker { return nil }},
	} {
		planted[broken.rule] = true
		t.Run(broken.name, func(t *testing.T) {
			w := Way{
				Open:        broken.open,
				ExactlyOnce: true,
				Patience:    300 * time.Millisecond,
				Slack:       50 * time.Millisecond,
			}
			r := suite.Named(t, rules, broken.rule)
			failures := r.Faults(t, func(tb testing.TB) *trial { return newTrial(tb, w) })
			if len(failures) == 0 {
				t.Fatalf("rule %s found nothing wrong", broken.rule)
			}
			t.Logf("found out: %s", failures[0])
		})
	}
	suite.Sound(t, rules, planted)
}
