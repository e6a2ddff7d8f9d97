package pollerbench

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/avast/retry-go/v4"
	"github.com/cenkalti/backoff/v5"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	goretry "github.com/sethvargo/go-retry"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

// Poll asks a function every second until it is done, in a context that can end; an
// operation is one poll with its pause. It runs in a bubble of testing/synctest, where
// the time to wait passes at once: what is left is what polling costs.
func BenchmarkPoll(b *testing.B) {
	for _, w := range []struct {
		name string
		poll func(ctx context.Context, done func() bool) error
	}{
		{"raw", raw},
		{"antiphon", antiphonWait},
		{"antiphon-perpoll", antiphonPerPoll},
		{"antiphon-scheduler", antiphonScheduler},
		{"backoff", cenkaltiBackoff},
		{"go-retry", sethvargoRetry},
		{"retry-go", avastRetry},
		{"failsafe", failsafeRetry},
	} {
		b.Run(w.name, func(b *testing.B) {
			inBubble(b, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				polls := 0
				err := w.poll(ctx, func() bool { polls++; return polls >= b.N })
				if err != nil || polls != b.N {
					t.Error(polls, err)
				}
			})
		})
	}
}

func inBubble(b *testing.B, f func(t *testing.T)) {
	var once sync.Once // RunTests heeds -count, too
	run := func(t *testing.T) { once.Do(func() { synctest.Test(t, f) }) }
	b.ReportAllocs()
	b.ResetTimer()
	if !testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: b.Name(), F: run}}) {
		b.Fatal("the bubble has failed")
	}
}

const pause = time.Second

var errNotYet = errors.New("not yet")

// look is a check as the libraries for retries have it: what is not done is an error.
func look(done func() bool) (int, error) {
	if done() {
		return 1, nil
	}
	return 0, errNotYet
}

func raw(ctx context.Context, done func() bool) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for !done() {
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func check(done func() bool) poller.Check[int] {
	return func(context.Context) (poller.Status[int], error) {
		if done() {
			return poller.Status[int]{State: antiphon.StateSucceeded, Value: 1}, nil
		}
		return poller.Status[int]{State: antiphon.StateRunning}, nil
	}
}

// Without limits that the others do not have.
func options(perPoll time.Duration) *poller.Options {
	return &poller.Options{First: -1, Poll: antiphon.Constant(pause), PerPoll: perPoll, Elapsed: -1}
}

func antiphonWait(ctx context.Context, done func() bool) error {
	_, err := poller.Wait(ctx, check(done), options(-1))
	return err
}

func antiphonPerPoll(ctx context.Context, done func() bool) error {
	_, err := poller.Wait(ctx, check(done), options(time.Minute))
	return err
}

func antiphonScheduler(ctx context.Context, done func() bool) error {
	var s poller.Scheduler
	defer s.Close()
	_, err := poller.Submit(ctx, &s, check(done), options(-1)).Await(ctx)
	return err
}

func cenkaltiBackoff(ctx context.Context, done func() bool) error {
	_, err := backoff.Retry(ctx, func() (int, error) { return look(done) },
		backoff.WithBackOff(backoff.NewConstantBackOff(pause)), backoff.WithMaxElapsedTime(0))
	return err
}

func sethvargoRetry(ctx context.Context, done func() bool) error {
	return goretry.Do(ctx, goretry.NewConstant(pause), func(context.Context) error {
		if _, err := look(done); err != nil {
			return goretry.RetryableError(err)
		}
		return nil
	})
}

func avastRetry(ctx context.Context, done func() bool) error {
	_, err := retry.DoWithData(func() (int, error) { return look(done) },
		retry.Context(ctx), retry.Attempts(0), retry.Delay(pause), retry.DelayType(retry.FixedDelay), retry.LastErrorOnly(true))
	return err
}

func failsafeRetry(ctx context.Context, done func() bool) error {
	policy := retrypolicy.NewBuilder[int]().WithMaxRetries(-1).WithDelay(pause).Build()
	_, err := failsafe.With(policy).WithContext(ctx).GetWithExecution(func(failsafe.Execution[int]) (int, error) { return look(done) })
	return err
}
