package poller_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

type askFunc = func(context.Context, poller.Check[int], *poller.Options) (int, error)

var (
	errAway = antiphon.Errorf(antiphon.CodeUnavailable, "away")
	errGone = antiphon.Errorf(antiphon.CodeNotFound, "no such build")
)

// every is Options that poll at once and then every d.
func every(d time.Duration) *poller.Options {
	return &poller.Options{First: -1, Min: d, Max: d}
}

func TestItAsksUntilItIsDone(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		s := scripted(t, running(0), running(50), succeeded(7))
		if v, err := ask(t.Context(), s.check, nil); v != 7 || err != nil {
			t.Error(v, err)
		}
		if s.polls() != 3 {
			t.Error(s.polls())
		}
	})
}

func TestX5_NilsAreSafe(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		if v, err := ask(nil, scripted(t, succeeded(7)).check, nil); v != 7 || err != nil {
			t.Error(v, err)
		}
		if _, err := ask(t.Context(), nil, nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error("a nil check:", err)
		}
	})
}

func TestP1_NeverTwoAtOnceNorCloserThanMin(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		slow := running(1)
		slow.take = 7 * time.Second
		s := scripted(t, running(0), slow, hinting(1), failing(errAway), slow, failing(antiphon.RetryAfter(errAway, 1)), succeeded(1))
		o := &poller.Options{Min: 2 * time.Second, Poll: antiphon.Constant(0), Error: antiphon.Constant(-1)}
		if _, err := ask(t.Context(), s.check, o); err != nil {
			t.Error(err)
		}
		for _, gap := range s.gaps() {
			if gap < 2*time.Second {
				t.Errorf("polled after %v", gap)
			}
		}
	})
}

func TestP2_BackoffsAreWithinMinAndMax(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		next := []time.Duration{math.MinInt64, -1, 0, 1, 5 * time.Second, time.Hour, math.MaxInt64}
		var asked []int
		s := scripted(t, running(0))
		o := &poller.Options{First: -1, Min: time.Second, Max: 10 * time.Second, MaxPolls: 8, Poll: func(n int) time.Duration {
			asked = append(asked, n)
			return next[min(n, len(next))-1]
		}}
		_, err := ask(t.Context(), s.check, o)
		gaveUpWith(t, err, poller.ErrPolls)
		want := []time.Duration{time.Second, time.Second, time.Second, time.Second, 5 * time.Second, 10 * time.Second, 10 * time.Second}
		for i, gap := range s.gaps() {
			if gap != want[i] {
				t.Errorf("%v after the wish for %v", gap, next[i])
			}
		}
		if len(asked) < 7 {
			t.Error(asked)
		}
	})
}

func TestPollCountsSinceSomethingChanged(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		var counts []int
		o := &poller.Options{Poll: func(n int) time.Duration { counts = append(counts, n); return 0 }}
		message, version := running(5), running(5)
		message.st.Message = "almost"
		version.st.Message, version.st.Version = "almost", 1
		queued := answer{st: poller.Status[int]{State: antiphon.StateQueued}}
		s := scripted(t, queued, queued, queued, running(0), running(0), running(5), running(5), failing(errAway), running(5), message, message, version, version, succeeded(1))
		if _, err := ask(t.Context(), s.check, o); err != nil {
			t.Error(err)
		}
		want := []int{1, 2, 3, 1, 2, 1, 2, 3, 1, 2, 1, 2}
		if len(counts) != len(want) {
			t.Fatal(counts)
		}
		for i := range want {
			if counts[i] != want[i] {
				t.Fatal(counts, "not", want)
			}
		}
	})
}

func TestErrorCountsFailuresInARow(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		var counts []int
		o := &poller.Options{Error: func(n int) time.Duration { counts = append(counts, n); return 0 }, MaxErrors: 4}
		bad := failing(errAway)
		s := scripted(t, bad, bad, bad, running(0), bad, bad, bad, running(0), bad, succeeded(1))
		if _, err := ask(t.Context(), s.check, o); err != nil {
			t.Error(err) // never four in a row
		}
		want := []int{1, 2, 3, 1, 2, 3, 1}
		if len(counts) != len(want) {
			t.Fatal(counts)
		}
		for i := range want {
			if counts[i] != want[i] {
				t.Fatal(counts, "not", want)
			}
		}
	})
}

func TestP3_WishesAreHonouredWithinBounds(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		o := &poller.Options{First: -1, Min: time.Second, Max: 20 * time.Second, Poll: antiphon.Constant(19 * time.Second), Error: antiphon.Constant(5 * time.Second)}
		s := scripted(t, hinting(3*time.Second), hinting(1), hinting(time.Hour), hinting(math.MaxInt64), hinting(-time.Hour),
			failing(antiphon.RetryAfter(errAway, 7*time.Second)), failing(antiphon.RetryAfter(errAway, time.Second)), failing(antiphon.RetryAfter(errAway, math.MaxInt64)), succeeded(1))
		if _, err := ask(t.Context(), s.check, o); err != nil {
			t.Error(err)
		}
		want := [][2]time.Duration{
			{3 * time.Second, 3300 * time.Millisecond},
			{time.Second, 1100 * time.Millisecond},
			{20 * time.Second, 20 * time.Second},
			{20 * time.Second, 20 * time.Second},
			{19 * time.Second, 19 * time.Second}, // no wish
			{7 * time.Second, 7700 * time.Millisecond},
			{5 * time.Second, 5 * time.Second}, // it is no shorter than the backoff
			{20 * time.Second, 20 * time.Second},
		}
		for i, gap := range s.gaps() {
			if gap < want[i][0] || gap > want[i][1] {
				t.Errorf("%d: %v is not within %v", i, gap, want[i])
			}
		}
	})
}

func TestFirstPoll(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		for _, tt := range []struct {
			o           poller.Options
			least, most time.Duration
		}{
			{poller.Options{First: -1}, 0, 0},
			{poller.Options{First: 5 * time.Second}, 5 * time.Second, 5 * time.Second},
			{poller.Options{First: time.Hour, Elapsed: time.Minute}, time.Minute, time.Minute},
			{poller.Options{}, 0, 100 * time.Millisecond},
			{poller.Options{Min: 10 * time.Second, Max: time.Second}, 0, 10 * time.Second},
		} {
			s := scripted(t, succeeded(1))
			if _, err := ask(t.Context(), s.check, &tt.o); err != nil {
				t.Error(err)
			}
			if at := s.asked[0]; at < tt.least || at > tt.most {
				t.Errorf("%+v: first poll after %v", tt.o, at)
			}
		}
	})
}

func TestAdaptiveAsksHalfWay(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		begun := time.Now()
		check := func(context.Context) (poller.Status[int], error) { // a hundred seconds of work
			p := time.Since(begun).Seconds()
			if p >= 100 {
				return poller.Status[int]{State: antiphon.StateSucceeded}, nil
			}
			return poller.Status[int]{State: antiphon.StateRunning, Percent: p}, nil
		}
		polls := 0
		o := &poller.Options{First: -1, Adaptive: true, Max: time.Hour, Poll: antiphon.Constant(time.Second), Observer: func(antiphon.Event) { polls++ }}
		if _, err := ask(t.Context(), check, o); err != nil {
			t.Error(err)
		}
		if late := time.Since(begun) - 100*time.Second; late > 200*time.Millisecond {
			t.Errorf("saw the end %v late", late)
		}
		if polls > 15 {
			t.Errorf("%d polls", polls)
		}
	})
}

func TestP4_ItEndsWithTheDeadline(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		s := scripted(t, running(0))
		o := every(4 * time.Second)
		o.Name, o.Elapsed = "build", 10*time.Second
		_, err := ask(t.Context(), s.check, o)
		p := gaveUpWith(t, err, poller.ErrElapsed)
		if !errors.Is(err, context.DeadlineExceeded) || p.Polls != 3 || p.State != antiphon.StateRunning || p.Name != "build" || p.Last != nil {
			t.Errorf("%+v", p)
		}
		// There is no room for another poll within the time.
		if time.Since(s.begin) != 8*time.Second {
			t.Error(time.Since(s.begin))
		}

		s = scripted(t, running(0))
		o = &poller.Options{First: -1, Min: time.Second, Poll: antiphon.Constant(6 * time.Second), Elapsed: 10 * time.Second}
		_, err = ask(t.Context(), s.check, o)
		gaveUpWith(t, err, poller.ErrElapsed)
		if at := s.asked[len(s.asked)-1]; at != 10*time.Second { // the last is when the time is over
			t.Error(at)
		}
	})
}

func TestP4_TheContextsDeadline(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s := scripted(t, failing(errAway))
		_, err := ask(ctx, s.check, every(4*time.Second))
		p := gaveUpWith(t, err, context.DeadlineExceeded)
		if p.Last != errAway || p.Polls != 3 || !errors.Is(err, errAway) {
			t.Errorf("%+v", p)
		}
		if time.Since(s.begin) != 10*time.Second {
			t.Error(time.Since(s.begin))
		}
	})
}

func TestP4_AWishBeyondTheBudgetEndsItNow(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		o := &poller.Options{First: -1, Elapsed: time.Minute, Max: time.Hour}
		for _, a := range []answer{hinting(2 * time.Minute), failing(antiphon.RetryAfter(errAway, 2*time.Minute)), hinting(math.MaxInt64)} {
			s := scripted(t, a)
			_, err := ask(t.Context(), s.check, o)
			p := gaveUpWith(t, err, poller.ErrHint)
			if p.Polls != 1 || time.Since(s.begin) != 0 || !errors.Is(p.Last, a.err) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%+v after %v", p, time.Since(s.begin))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := scripted(t, hinting(2*time.Minute))
		_, err := ask(ctx, s.check, &poller.Options{First: -1, Max: time.Hour})
		gaveUpWith(t, err, poller.ErrHint)

		s = scripted(t, hinting(time.Hour), succeeded(1)) // no more than Max counts
		if _, err := ask(ctx, s.check, &poller.Options{First: -1, Max: 30 * time.Second, Elapsed: time.Minute}); err != nil {
			t.Error(err)
		}
		s = scripted(t, hinting(30*time.Second), succeeded(1)) // jitter does not make it too long
		if _, err := ask(t.Context(), s.check, &poller.Options{First: -1, Max: time.Hour, Elapsed: 30 * time.Second}); err != nil {
			t.Error(err)
		}
	})
}

func TestP4_CancelEndsItAtOnceWithBothErrors(t *testing.T) {
	why := errors.New("the user has left")
	eachAsking(t, func(t *testing.T, ask askFunc) {
		ctx, cancel := context.WithCancelCause(t.Context())
		s := scripted(t, running(0), failing(errAway))
		go func() {
			time.Sleep(90 * time.Second)
			cancel(why)
		}()
		_, err := ask(ctx, s.check, every(20*time.Second))
		p := gaveUpWith(t, err, why)
		if !errors.Is(err, context.Canceled) || p.Last != errAway || p.State != antiphon.StateRunning {
			t.Errorf("%+v", p)
		}
		if e := antiphon.FromError(err); e.Code != antiphon.CodeCanceled {
			t.Errorf("on the wire: %+v", e)
		}
		if time.Since(s.begin) != 90*time.Second {
			t.Error(time.Since(s.begin))
		}
		polls := s.polls()
		time.Sleep(time.Hour)
		if s.polls() != polls {
			t.Error("polled after it was cancelled")
		}
	})
}

func TestP4_CancelAtTheMomentOfAPoll(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		for range 50 { // select is random
			ctx, cancel := context.WithCancel(t.Context())
			s := scripted(t, running(0))
			_, err := ask(ctx, func(c context.Context) (poller.Status[int], error) {
				cancel() // the timer of the next poll is not far
				time.Sleep(time.Second)
				return s.check(c)
			}, &poller.Options{First: -1, Min: time.Millisecond, Max: time.Millisecond})
			gaveUpWith(t, err, context.Canceled)
			time.Sleep(time.Minute)
			if s.polls() != 1 {
				t.Fatal(s.polls(), "polls")
			}
		}
	})
}

func TestP4_AContextThatHasEndedIsNotAskedIn(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s, seen := scripted(t, succeeded(1)), new(seenEvents)
		_, err := ask(ctx, s.check, &poller.Options{First: -1, Observer: seen.observe})
		if p := gaveUpWith(t, err, context.Canceled); p.Polls != 0 || s.polls() != 0 {
			t.Errorf("%+v", p)
		}
		if len(seen.named("poller.gave_up")) != 1 || len(seen.all) != 1 {
			t.Error(seen.all)
		}
	})
}

// The error with which a check passes on the end of its context is not the last real one.
func TestP4_LastIsTheLastRealError(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		for name, last := range map[string]error{"passed on": errAway, "of its own": errGone} {
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			_, err := ask(ctx, func(ctx context.Context) (st poller.Status[int], err error) {
				if n++; n == 1 {
					return st, errAway
				}
				cancel()
				if last == errGone {
					return st, errGone
				}
				return st, ctx.Err()
			}, &poller.Options{First: -1})
			if p := gaveUpWith(t, err, context.Canceled); p.Last != last && ctx.Err() == nil {
				t.Errorf("%s: %v", name, p.Last)
			}
		}
	})
}

func TestP4_WhatHasEndedMeanwhileCounts(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		v, err := poller.Wait(ctx, func(context.Context) (poller.Status[int], error) {
			cancel()
			return succeeded(7).st, nil
		}, nil)
		if v != 7 || err != nil {
			t.Error(v, err)
		}
	})
}

// Wait is back when the check is.
func TestP4_WaitIsBackWhenTheCheckIs(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := poller.Wait(ctx, func(ctx context.Context) (poller.Status[int], error) {
			<-ctx.Done()
			return poller.Status[int]{}, ctx.Err()
		}, &poller.Options{First: -1})
		if p := gaveUpWith(t, err, context.DeadlineExceeded); p.Last != nil || p.Polls != 1 || time.Since(begun) != time.Second {
			t.Errorf("%+v after %v", p, time.Since(begun))
		}
	})
}

func TestP4_LimitsOfPollsAndErrors(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		s := scripted(t, running(0))
		_, err := ask(t.Context(), s.check, &poller.Options{MaxPolls: 3})
		if p := gaveUpWith(t, err, poller.ErrPolls); p.Polls != 3 || s.polls() != 3 {
			t.Errorf("%+v", p)
		}
		for most, want := range map[int]int{0: 10, 1: 1, 4: 4} {
			s = scripted(t, failing(errAway))
			_, err = ask(t.Context(), s.check, &poller.Options{MaxErrors: most})
			if p := gaveUpWith(t, err, poller.ErrErrors); p.Polls != want || p.Last != errAway || s.polls() != want {
				t.Errorf("%+v", p)
			}
		}
		s = scripted(t, failing(errAway))
		_, err = ask(t.Context(), s.check, &poller.Options{MaxErrors: -1, MaxPolls: 30})
		gaveUpWith(t, err, poller.ErrPolls)
	})
}

func TestRetryable(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		for _, last := range []error{errGone, antiphon.Permanent(errAway)} {
			s := scripted(t, failing(last))
			_, err := ask(t.Context(), s.check, nil)
			if p := gaveUpWith(t, err, nil); p.Last != last || p.Polls != 1 || !errors.Is(err, last) {
				t.Errorf("%+v", p)
			}
		}
		s := scripted(t, failing(errGone), succeeded(1))
		if _, err := ask(t.Context(), s.check, &poller.Options{Retryable: func(err error) bool { return err == errGone }}); err != nil {
			t.Error(err)
		}
		s = scripted(t, failing(errAway))
		_, err := ask(t.Context(), s.check, &poller.Options{Retryable: func(err error) bool { return err == errGone }})
		gaveUpWith(t, err, nil)
	})
}

// The checks get a context of the caller, and one that ends with the poll's time.
func TestPerPoll(t *testing.T) {
	type key struct{}
	eachAsking(t, func(t *testing.T, ask askFunc) {
		ctx := context.WithValue(t.Context(), key{}, "v")
		begun, n := time.Now(), 0
		v, err := ask(ctx, func(ctx context.Context) (st poller.Status[int], err error) {
			if at, ok := ctx.Deadline(); !ok || time.Until(at) != 3*time.Second || ctx.Value(key{}) != "v" {
				t.Error(at, ok)
			}
			if n++; n == 2 {
				return succeeded(7).st, nil
			}
			<-ctx.Done()
			if ctx.Err() != context.DeadlineExceeded || antiphon.CodeOf(context.Cause(ctx)) != antiphon.CodeDeadlineExceeded {
				t.Error(ctx.Err(), context.Cause(ctx))
			}
			return st, ctx.Err()
		}, &poller.Options{First: -1, PerPoll: 3 * time.Second, Error: antiphon.Constant(time.Second)})
		if v != 7 || err != nil || time.Since(begun) != 4*time.Second {
			t.Error(v, err, time.Since(begun))
		}
		_, err = ask(ctx, func(ctx context.Context) (st poller.Status[int], err error) {
			if _, ok := ctx.Deadline(); ok {
				t.Error("it has a deadline")
			}
			return succeeded(1).st, nil
		}, &poller.Options{PerPoll: -1})
		if err != nil {
			t.Error(err)
		}
		s := scripted(t)
		_, err = ask(ctx, func(ctx context.Context) (st poller.Status[int], err error) {
			<-ctx.Done()
			return st, context.Cause(ctx)
		}, &poller.Options{MaxErrors: 3})
		if p := gaveUpWith(t, err, poller.ErrErrors); p.Polls != 3 || antiphon.CodeOf(p.Last) != antiphon.CodeDeadlineExceeded {
			t.Errorf("%+v after %v", p, time.Since(s.begin)) // a poll that is cut counts
		}
	})
}

func TestX7_PanicsAreErrorsThatWillNotPass(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		again := &poller.Options{Retryable: func(error) bool { return true }}
		s := scripted(t, running(0))
		for name, do := range map[string]func() (int, error){
			"check": func() (int, error) {
				return ask(t.Context(), func(context.Context) (poller.Status[int], error) { panic("oh") }, again)
			},
			"backoff": func() (int, error) {
				return ask(t.Context(), s.check, &poller.Options{Poll: func(int) time.Duration { panic("oh") }})
			},
			"error backoff": func() (int, error) {
				return ask(t.Context(), scripted(t, failing(errAway)).check, &poller.Options{Error: func(int) time.Duration { panic("oh") }})
			},
			"retryable": func() (int, error) {
				return ask(t.Context(), scripted(t, failing(errAway)).check, &poller.Options{Retryable: func(error) bool { panic("oh") }})
			},
		} {
			_, err := do()
			if p := gaveUpWith(t, err, nil); p.Polls != 1 || !isPanic(p.Last, "oh") {
				t.Errorf("%s: %+v", name, p)
			}
		}
		s = scripted(t, running(0), succeeded(1))
		if _, err := ask(t.Context(), s.check, &poller.Options{Observer: func(antiphon.Event) { panic("oh") }}); err != nil {
			t.Error(err)
		}
	})
}

func TestX2_LoopsLeaveNothing(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		var back bool
		go func() { // as anywhere, Goexit ends the caller
			defer func() { back = true }()
			_, _ = poller.Wait(t.Context(), goexits, nil)
			t.Error("it came back")
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if !back {
			t.Error("it is stuck")
		}
	})
}
