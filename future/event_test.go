package future_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// The events of Policy.Observer, one of each, as they are described there.
func TestEventsOfAPolicy(t *testing.T) {
	type told struct {
		name     string
		attempt  int
		duration time.Duration
		err      error
	}
	for name, c := range map[string]struct {
		policy future.Policy
		f      future.Func[int, int]
		want   []told
	}{
		"retry": {
			future.Policy{Attempts: 2, Backoff: antiphon.Constant(time.Second)},
			func(context.Context, int) (int, error) { return 0, errBoom },
			[]told{{"future.retry", 1, time.Second, errBoom}},
		},
		"timeout, and late with a value": {
			future.Policy{Timeout: time.Second},
			func(context.Context, int) (int, error) { time.Sleep(time.Minute); return 7, nil },
			[]told{{"future.timeout", 1, time.Second, future.ErrTimeout}, {"future.late", 1, 0, nil}},
		},
		"timeout, and late with an error": {
			future.Policy{Timeout: time.Second},
			func(context.Context, int) (int, error) { time.Sleep(time.Minute); return 0, errBoom },
			[]told{{"future.timeout", 1, time.Second, future.ErrTimeout}, {"future.late", 1, 0, errBoom}},
		},
		"late of an attempt that another has followed": {
			future.Policy{Timeout: time.Second, Attempts: 2, Backoff: antiphon.Constant(time.Second)},
			func(ctx context.Context, _ int) (int, error) {
				if antiphon.InfoFrom(ctx).Attempt == 1 {
					time.Sleep(time.Minute)
				}
				return 7, nil
			},
			[]told{{"future.timeout", 1, time.Second, future.ErrTimeout}, {"future.retry", 1, time.Second, future.ErrTimeout}, {"future.late", 1, 0, nil}},
		},
		"hedge, and the late loser": {
			future.Policy{Hedge: time.Second},
			func(ctx context.Context, _ int) (int, error) { time.Sleep(time.Minute); return 7, nil },
			[]told{{"future.hedge", 1, time.Second, nil}, {"future.late", 1, 0, nil}},
		},
		"nothing to tell": {
			future.Policy{Timeout: time.Hour, Attempts: 3, Hedge: time.Hour, Concurrency: 1},
			func(context.Context, int) (int, error) { return 7, nil },
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var all events
				p := c.policy
				p.Name, p.Observer = "lookup", all.observe
				ctx := context.WithValue(context.Background(), key{}, name)
				f := future.Lift(c.f, &p)(ctx, 1)
				_, _ = f.Await(noContext)
				time.Sleep(time.Hour)
				synctest.Wait()
				if got, want := all.names(), names(c.want, func(w told) string { return w.name }); !slices.Equal(got, want) {
					t.Fatalf("told %v, want %v", got, want)
				}
				for i, want := range c.want {
					got := all.all[i]
					if got.Attempt != want.attempt || got.Duration != want.duration || got.Kind != "lookup" || !errors.Is(got.Err, want.err) || (got.Err == nil) != (want.err == nil) {
						t.Errorf("told %+v, want %+v", got, want)
					}
					if got.Context == nil || got.Context.Value(key{}) != name {
						t.Errorf("%s comes without the context of the ask", got.Name)
					}
				}
			})
		})
	}
}

func names[T any](of []T, name func(T) string) (all []string) {
	for _, v := range of {
		all = append(all, name(v))
	}
	return all
}
