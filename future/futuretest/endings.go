package futuretest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func checkCancelReachesWork(t *trial) {
	started, reached := make(chan struct{}), make(chan struct{})
	var once sync.Once // at least once: f may be called again
	ask := t.open(func(ctx context.Context, q Query) (Answer, error) {
		if q.N != 0 {
			return Answer(q), nil
		}
		once.Do(func() { close(started) })
		select {
		case <-ctx.Done():
			select {
			case <-reached:
			default:
				close(reached)
			}
			return Answer{}, ctx.Err()
		case <-t.Context().Done():
			return Answer{}, errors.New("the rule is over")
		}
	})
	defer t.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := ask(ctx, Query{N: 0})
	t.Within("f was not called", started)
	if _, ok := f.Peek(); ok {
		t.Errorf("the future settled while f was at work and nobody had cancelled")
	}
	cancel()
	t.Within("f's context did not end after the asker's had been cancelled,", reached)
	err := t.outcome(f).Err
	if err == nil {
		t.Fatalf("f failed, the future did not")
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the future failed with %q, which is not context.Canceled", err)
	}
	if antiphon.ClassOf(err) == antiphon.ClassNotAccepted {
		t.Errorf("f was at work, but %q says that the ask was not accepted", err)
	}
	t.answered(ask(t.Context(), Query{N: 1})) // cancelling one harms no other
}

func checkCanceledBefore(t *trial) {
	ask := t.open(func(ctx context.Context, q Query) (Answer, error) {
		if err := ctx.Err(); err != nil {
			return Answer{}, err
		}
		return Answer(q), nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := t.outcome(ask(ctx, Query{N: 0})).Err; !errors.Is(err, context.Canceled) {
		t.Errorf("asked with a canceled context, got error %v", err)
	}
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := t.outcome(ask(past, Query{N: 1})).Err; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("asked with a deadline that has passed, got error %v", err)
	}
}

func checkDeadlineReachesWork(t *trial) {
	got := make(chan time.Time, 16)
	ask := t.open(func(ctx context.Context, q Query) (Answer, error) {
		at, _ := ctx.Deadline()
		select {
		case got <- at:
		default:
		}
		return Answer(q), nil
	})
	want := time.Now().Add(t.way.Patience)
	ctx, cancel := context.WithDeadline(t.Context(), want)
	defer cancel()
	t.answered(ask(ctx, Query{}))
	switch at := <-got; {
	case at.IsZero():
		t.Errorf("f has no deadline")
	case at.After(want.Add(t.way.Slack)):
		t.Errorf("f's deadline is %v later than the asker's", at.Sub(want))
	}
}

func checkDeadlineSettles(t *trial) {
	started := make(chan struct{})
	var once sync.Once
	ask := t.open(func(context.Context, Query) (Answer, error) {
		once.Do(func() { close(started) })
		<-t.Context().Done() // that of the rule, not its own
		return Answer{}, errors.New("the rule is over")
	})
	defer t.Stop()
	deadline := time.Now().Add(200 * time.Millisecond)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	f := ask(ctx, Query{})
	t.Within("f was not called", started)
	err := t.outcome(f).Err
	if late := time.Since(deadline); late > t.way.Slack {
		t.Errorf("the future settled %v after the deadline", late)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the deadline passed, and the future ended with %v", err)
	}
	if class := antiphon.ClassOf(err); err != nil && class != antiphon.ClassUnknown {
		t.Errorf("f was at work, but the error's class is %s, want %s", class, antiphon.ClassUnknown)
	}
	if errors.Is(err, future.ErrPending) {
		t.Errorf("the error of a future that has settled is ErrPending: %v", err)
	}
}

func checkNotAcceptedIsTrue(t *trial) {
	ask := t.open(func(ctx context.Context, q Query) (Answer, error) {
		wait := time.NewTimer(time.Millisecond)
		defer wait.Stop()
		select {
		case <-wait.C:
			return Answer(q), nil
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	})
	const n = 200
	refused := make(map[int]error)
	for i := range n {
		ctx, cancel := context.WithCancel(t.Context())
		f := ask(ctx, Query{N: i})
		for range i % 16 { // cancel at ever other points
			runtime.Gosched()
		}
		cancel()
		if err := t.outcome(f).Err; antiphon.ClassOf(err) == antiphon.ClassNotAccepted {
			refused[i] = err
		}
	}
	t.answered(ask(t.Context(), Query{N: n})) // what was under way has had time to arrive
	for i, err := range refused {
		if calls := t.called(i); calls > 0 {
			t.Errorf("ask %d failed with %q, class not accepted, but f was called %d times for it", i, err, calls)
		}
	}
}

func checkProgress(t *trial) {
	heard := make(chan struct{})
	q := Query{N: 1, Text: "so far"}
	ask := t.open(func(ctx context.Context, q Query) (Answer, error) {
		antiphon.Report(ctx, 50, "half way", Answer(q))
		limit := time.NewTimer(t.way.Patience)
		defer limit.Stop()
		select {
		case <-heard:
			return Answer(q), nil
		case <-limit.C:
			return Answer{}, errors.New("the asker heard nothing")
		case <-t.Context().Done():
			return Answer{}, t.Context().Err()
		}
	})
	defer t.Stop()
	var once sync.Once
	ctx := antiphon.WithProgress(t.Context(), func(p antiphon.Progress) {
		once.Do(func() {
			if p.Percent != 50 || p.Message != "half way" {
				t.Errorf("f reported 50 %%, half way; the asker heard %v %%, %s", p.Percent, p.Message)
			}
			if data, err := antiphon.DataAs[Answer](p, t.way.Codec); err != nil || data != Answer(q) {
				t.Errorf("f reported %v; the asker heard %v, %v", q, data, err)
			}
			close(heard)
		})
	})
	f := ask(ctx, q)
	t.Within("what f reported did not reach the asker", heard)
	t.answered(f)
}

func checkNoLeak(t *trial) {
	ask := t.open(func(ctx context.Context, q Query) (Answer, error) {
		if q.N%2 == 1 {
			<-ctx.Done()
			return Answer{}, ctx.Err()
		}
		return Answer(q), nil
	})
	t.LeavesNothing(200, func(i int) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if t.way.NoCancel {
			i *= 2
		}
		f := ask(ctx, Query{N: i})
		if i%2 == 1 {
			cancel()
		}
		t.outcome(f)
	})
}
