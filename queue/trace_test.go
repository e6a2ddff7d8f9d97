package queue_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
)

var asked = map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}

// A job takes along the trace that it was submitted in, beside its header, which has
// the last word.
func TestSubmitTakesTheTraceAlong(t *testing.T) {
	full, heavy := map[string]string{}, map[string]string{"x": strings.Repeat("x", 16<<10-1)}
	for i := range 64 {
		full[fmt.Sprint(i)] = ""
	}
	beside := maps.Clone(asked)
	beside["own"] = "o"
	foreign := map[string]string{"traceparent": "00-2"}
	for name, c := range map[string]struct{ given, want map[string]string }{
		"nothing given":                 {nil, asked},
		"beside":                        {map[string]string{"own": "o"}, beside},
		"another trace, and its state":  {foreign, foreign},
		"no room for one more entry":    {full, full},
		"no room for one more byte":     {heavy, heavy},
		"what is submitted as untraced": {map[string]string{"traceparent": ""}, map[string]string{"traceparent": "", "tracestate": "a=b"}},
	} {
		bubble(t, func(t *testing.T) {
			q := working(t, func(ctx context.Context, _ int) (map[string]string, error) {
				return antiphon.InfoFrom(ctx).Header, nil
			}, nil, nil)
			j, err := q.Submit(antiphon.WithTrace(t.Context(), asked), 1, &queue.SubmitOptions{Header: c.given})
			if err != nil {
				t.Fatal(name, err)
			}
			if got, err := j.Await(t.Context()); err != nil || !maps.Equal(got, c.want) {
				t.Errorf("%s: %v %v", name, got, err)
			}
		})
	}
}

// What is told of a job is told with its circumstances, and so is Options.Ending. Values
// of Work's context are there, its end is not.
func TestEventsOfAJobHaveItsTrace(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		told := map[string]int{}
		check := func(what string, ctx context.Context) {
			mu.Lock()
			defer mu.Unlock()
			told[what]++
			info := antiphon.InfoFrom(ctx)
			if !maps.Equal(antiphon.TraceFrom(ctx), asked) || info.Kind != "test" || info.ID == "" || info.Attempt == 0 || ctx.Value(key{}) != "worker" || ctx.Err() != nil {
				t.Errorf("%s: %+v, %v, %v", what, info, ctx.Value(key{}), ctx.Err())
			}
		}
		q := open[int, int](t, &queue.Options{
			Attempts: 2, Backoff: antiphon.Constant(time.Second), Timeout: time.Minute, Lease: time.Minute,
			Observer: func(e antiphon.Event) { check(e.Name, e.Context) },
			Ending: func(ctx context.Context, op antiphon.Operation) error {
				check("ending", ctx)
				return nil
			},
		})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "worker"))
		ended := make(chan error, 1)
		go func() {
			ended <- q.Work(ctx, func(ctx context.Context, n int) (int, error) {
				switch n {
				case 0:
					return 0, queue.Discard(errors.New("no"))
				case 1:
					if antiphon.InfoFrom(ctx).Attempt == 1 {
						<-ctx.Done()
						time.Sleep(2 * time.Minute) // past the lease too
					}
					antiphon.Report(ctx, 1, "", make(chan int))
				case 2:
					if time.Now().Second()%2 == 0 {
						return 0, queue.Snooze(time.Second)
					}
				}
				return 0, errors.New("not yet")
			}, nil)
		}()
		asking := antiphon.WithTrace(t.Context(), asked)
		for n := range 3 {
			if _, err := q.Submit(asking, n, nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, queue.ErrStuck) {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"ending", "queue.retry", "queue.dead", "queue.discarded", "queue.snoozed", "queue.timeout", "queue.stuck", "queue.unreported"} {
			if told[name] == 0 {
				t.Errorf("%s was not told: %v", name, told)
			}
		}
	})
}
