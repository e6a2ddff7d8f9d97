package poller_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
)

func state(s antiphon.State, v int) answer {
	return answer{st: poller.Status[int]{State: s, Value: v}}
}

func TestP5_UnknownStatesAreNoEnd(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		s := scripted(t, state("", 1), state("Succeeded", 2), state("Provisioning", 3), state("failed ", 4), state(antiphon.StateSucceeded, 5))
		if v, err := ask(t.Context(), s.check, nil); v != 5 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestHowItEnded(t *testing.T) {
	own := &antiphon.Error{Code: antiphon.CodeAborted, Class: antiphon.ClassNotAccepted, Reason: "x.y", Message: "own"}
	plain := &antiphon.Error{Code: antiphon.CodeUnavailable, Message: "away"}
	bare := &antiphon.Error{Message: "who knows"}
	for _, tt := range []struct {
		state antiphon.State
		err   *antiphon.Error
		code  antiphon.Code
		class antiphon.Class
		text  string
	}{
		{antiphon.StateFailed, nil, antiphon.CodeUnknown, antiphon.ClassFailed, "poller: it ended as failed: disk full"},
		{antiphon.StateCanceled, nil, antiphon.CodeCanceled, antiphon.ClassFailed, "poller: it ended as canceled: disk full"},
		{antiphon.StateExpired, nil, antiphon.CodeDeadlineExceeded, antiphon.ClassFailed, "poller: it ended as expired: disk full"},
		{antiphon.StateFailed, own, antiphon.CodeAborted, antiphon.ClassNotAccepted, "own"},
		{antiphon.StateFailed, plain, antiphon.CodeUnavailable, antiphon.ClassFailed, "away"},
		{antiphon.StateFailed, bare, antiphon.CodeUnknown, antiphon.ClassFailed, "who knows"},
		{antiphon.StateCanceled, bare, antiphon.CodeCanceled, antiphon.ClassFailed, "who knows"},
		{antiphon.StateExpired, bare, antiphon.CodeDeadlineExceeded, antiphon.ClassFailed, "who knows"},
		{antiphon.StateSucceeded, own, "", "", ""}, // the state decides
	} {
		eachAsking(t, func(t *testing.T, ask askFunc) {
			st := poller.Status[int]{State: tt.state, Err: tt.err, Message: "disk full", Value: 3}
			v, err := ask(t.Context(), scripted(t, running(1), answer{st: st}).check, nil)
			if tt.code == "" {
				if v != 3 || err != nil {
					t.Error(v, err)
				}
				return
			}
			e, ok := err.(*antiphon.Error)
			if !ok || v != 0 || antiphon.CodeOf(err) != tt.code || antiphon.ClassOf(err) != tt.class || err.Error() != tt.text || e.Class != tt.class {
				t.Errorf("%s, %v: %d, %#v", tt.state, tt.err, v, err)
			}
			if tt.err == own && !errors.Is(err, own) {
				t.Error("it is another error")
			}
		})
	}
	if plain.Class != "" || bare.Code != "" {
		t.Error("what the check returned was modified")
	}
}

func versioned(v int64, s antiphon.State, value int) answer {
	return answer{st: poller.Status[int]{State: s, Value: value, Version: v}}
}

func TestOlderVersionsAreIgnored(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		s := scripted(t, versioned(5, antiphon.StateRunning, 0), versioned(4, antiphon.StateSucceeded, 4), versioned(5, antiphon.StateRunning, 0),
			versioned(0, antiphon.StateRunning, 0), versioned(4, antiphon.StateFailed, 4), versioned(6, antiphon.StateSucceeded, 6))
		if v, err := ask(t.Context(), s.check, nil); v != 6 || err != nil {
			t.Error(v, err)
		}
		s = scripted(t, versioned(5, antiphon.StateRunning, 0), versioned(3, antiphon.StateQueued, 0))
		_, err := ask(t.Context(), s.check, &poller.Options{MaxPolls: 2})
		if p := gaveUpWith(t, err, poller.ErrPolls); p.State != antiphon.StateRunning {
			t.Error(p.State)
		}
	})
}

func TestConfirm(t *testing.T) {
	const (
		R = antiphon.StateRunning
		S = antiphon.StateSucceeded
		F = antiphon.StateFailed
	)
	for _, tt := range []struct {
		name    string
		confirm int
		states  []antiphon.State
		polls   int
		value   int // the place of the first end, or -1: it failed
		flapped int
	}{
		{"none is one", 0, []antiphon.State{R, S, R}, 2, 1, 0},
		{"one", 1, []antiphon.State{R, S, R}, 2, 1, 0},
		{"negative is one", -3, []antiphon.State{S, R}, 1, 0, 0},
		{"three in a row", 3, []antiphon.State{R, S, S, S}, 4, 1, 0},
		{"running again breaks the row", 2, []antiphon.State{R, S, R, S, S}, 5, 1, 1},
		{"the first end wins", 2, []antiphon.State{S, F, F}, 2, 0, 1},
		{"and the first failure", 3, []antiphon.State{F, S, S}, 3, -1, 2},
		{"after a break too", 2, []antiphon.State{S, R, F, F}, 4, 0, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachAsking(t, func(t *testing.T, ask askFunc) {
				var answers []answer
				for i, s := range tt.states {
					answers = append(answers, state(s, i))
				}
				s, seen := scripted(t, answers...), new(seenEvents)
				v, err := ask(t.Context(), s.check, &poller.Options{Confirm: tt.confirm, Observer: seen.observe})
				if s.polls() != tt.polls || len(seen.named("poller.flapped")) != tt.flapped {
					t.Errorf("%d polls, %d flapped", s.polls(), len(seen.named("poller.flapped")))
				}
				if tt.value < 0 {
					if antiphon.ClassOf(err) != antiphon.ClassFailed {
						t.Error(v, err)
					}
				} else if v != tt.value || err != nil {
					t.Error(v, err)
				}
			})
		})
	}
	// A poll that failed says nothing: it does not break the row.
	eachAsking(t, func(t *testing.T, ask askFunc) {
		s := scripted(t, state(S, 1), failing(errAway), state(S, 2), state(S, 3))
		if v, err := ask(t.Context(), s.check, &poller.Options{Confirm: 2}); v != 1 || err != nil || s.polls() != 3 {
			t.Error(v, err, s.polls())
		}
	})
}

func TestWatchYieldsWhatIsSeen(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s := scripted(t, state("queued", 0), failing(errAway), versioned(5, "running", 2), versioned(4, "running", 3), state("failed", 4))
		var states []antiphon.State
		var values []int
		for st, err := range poller.Watch(t.Context(), s.check, nil) {
			states, values = append(states, st.State), append(values, st.Value)
			if (err != nil) != (st.State == "failed") {
				t.Error(st, err)
			}
		}
		if !slices.Equal(states, []antiphon.State{"queued", "running", "failed"}) || !slices.Equal(values, []int{0, 2, 4}) {
			t.Error(states, values)
		}
	})
}

func TestWatchYieldsTheLastSeenWithAPollError(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s := scripted(t, state("queued", 1), state("running", 2), failing(errGone))
		n := 0
		for st, err := range poller.Watch(t.Context(), s.check, nil) {
			if n++; n < 3 {
				if err != nil {
					t.Error(err)
				}
				continue
			}
			gaveUpWith(t, err, nil)
			if st.State != "running" || st.Value != 2 {
				t.Error(st)
			}
		}
		if n != 3 {
			t.Error(n)
		}
	})
}

func TestWatchShowsNoEndBeforeItIsConfirmed(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s := scripted(t, state("running", 0), state("succeeded", 1), state("running", 2), state("succeeded", 3), state("succeeded", 4))
		var values []int
		for st, err := range poller.Watch(t.Context(), s.check, &poller.Options{Confirm: 2}) {
			if err != nil {
				t.Error(err)
			}
			values = append(values, st.Value)
		}
		if !slices.Equal(values, []int{0, 1}) {
			t.Error(values)
		}
	})
}

func TestLeavingTheLoopOfWatchEndsThePolling(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s, seen := scripted(t, running(0)), new(seenEvents)
		watch := poller.Watch(t.Context(), s.check, &poller.Options{Observer: seen.observe})
		for range watch {
			break
		}
		time.Sleep(time.Hour)
		if s.polls() != 1 || len(seen.named("poller.gave_up")) != 0 {
			t.Error(s.polls(), seen.all)
		}
		for range watch { // begins anew
			time.Sleep(time.Minute) // and waits for the body
			if s.polls() == 4 {
				break
			}
		}
		for _, gap := range s.gaps()[1:] {
			if gap < time.Minute {
				t.Error(gap)
			}
		}
	})
}

func TestEventsOfAsking(t *testing.T) {
	type key struct{}
	eachAsking(t, func(t *testing.T, ask askFunc) {
		ctx := context.WithValue(t.Context(), key{}, "v")
		seen := new(seenEvents)
		slow := running(0)
		slow.take = 2 * time.Second
		s := scripted(t, slow, failing(errAway), failing(errGone))
		_, err := ask(ctx, s.check, &poller.Options{Name: "build", Observer: seen.observe})
		polls := seen.named("poller.poll")
		if len(polls) != 3 || polls[0].Duration != 2*time.Second || polls[0].Err != nil || polls[1].Err != errAway || polls[2].Err != errGone {
			t.Error(polls)
		}
		for i, e := range polls {
			if e.Kind != "build" || e.Attempt != i+1 || e.Context.Value(key{}) != "v" {
				t.Error(e)
			}
		}
		if gaveUp := seen.named("poller.gave_up"); len(gaveUp) != 1 || gaveUp[0].Err != err || gaveUp[0].Kind != "build" {
			t.Error(gaveUp)
		}
		if len(seen.all) != 4 {
			t.Error(seen.all)
		}
		seen = new(seenEvents)
		_, _ = ask(ctx, func(context.Context) (poller.Status[int], error) { panic("oh") }, &poller.Options{Observer: seen.observe})
		if polls := seen.named("poller.poll"); len(polls) != 1 || !isPanic(polls[0].Err, "oh") {
			t.Error(polls)
		}
		seen = new(seenEvents)
		_, _ = ask(ctx, scripted(t, state("failed", 0)).check, &poller.Options{Observer: seen.observe})
		if len(seen.named("poller.gave_up")) != 0 {
			t.Error("a failure is no giving up")
		}
	})
}

// A clock that is not the real one moves as its owner says.
func TestX2_MockClocks(t *testing.T) {
	for name, ask := range map[string]func(context.Context, clock.Clock, poller.Check[int], *poller.Options) (int, error){
		"Wait": func(ctx context.Context, clk clock.Clock, c poller.Check[int], o *poller.Options) (int, error) {
			o.Clock = clk
			return poller.Wait(ctx, c, o)
		},
		"Submit": func(ctx context.Context, clk clock.Clock, c poller.Check[int], o *poller.Options) (int, error) {
			s := &poller.Scheduler{Clock: clk}
			defer s.Close()
			return poller.Submit(ctx, s, c, o).Await(context.Background())
		},
		"Submit without a scheduler": func(ctx context.Context, clk clock.Clock, c poller.Check[int], o *poller.Options) (int, error) {
			o.Clock = clk
			return poller.Submit(ctx, nil, c, o).Await(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			askBubble(t, func(t *testing.T) {
				mock := clock.NewMock()
				var polls []time.Duration
				start := mock.Now()
				check := func(ctx context.Context) (st poller.Status[int], err error) {
					polls = append(polls, mock.Since(start))
					switch len(polls) {
					case 1:
						return running(0).st, nil
					case 2: // is cut
						if at, ok := ctx.Deadline(); !ok || at != mock.Now().Add(30*time.Second) {
							t.Error(at, ok)
						}
						<-ctx.Done()
						return st, ctx.Err()
					}
					return succeeded(7).st, nil
				}
				type result struct {
					v   int
					err error
				}
				done := make(chan result, 1)
				go func() {
					v, err := ask(t.Context(), mock, check, &poller.Options{First: time.Hour, Min: time.Hour, Max: time.Hour})
					done <- result{v, err}
				}()
				time.Sleep(100 * time.Hour) // is nothing to the mock
				for range 8 {
					mock.Add(30 * time.Minute)
				}
				if r := <-done; r.v != 7 || r.err != nil {
					t.Error(r)
				}
				if len(polls) != 3 || polls[0] != time.Hour || polls[1] != 2*time.Hour {
					t.Error(polls)
				}
				if now := mock.Now(); mock.WaitForAllTimers() != now {
					t.Error("a timer is left")
				}
			})
		})
	}
}

// A deadline of the real clock means nothing to another.
func TestX2_DeadlinesOfAnotherClock(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		mock.Set(time.Now().Add(1000 * time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		s := scripted(t, hinting(time.Second), succeeded(1))
		f := poller.Submit(ctx, &poller.Scheduler{Clock: mock}, s.check, &poller.Options{First: -1})
		for range 3 {
			time.Sleep(time.Second)
			mock.Add(2 * time.Second)
		}
		if v, err := f.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestP4_CancelEndsASleepOfAMockClock(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begun := time.Now()
		_, err := poller.Wait(ctx, scripted(t, running(0)).check, &poller.Options{First: -1, Clock: mock})
		if p := gaveUpWith(t, err, context.Canceled); p.Polls != 1 || time.Since(begun) != time.Second {
			t.Errorf("%+v after %v", p, time.Since(begun))
		}
		if now := mock.Now(); mock.WaitForAllTimers() != now {
			t.Error("a timer is left")
		}
	})
}

// A scheduler with turns to spare lets nobody wait, and says nothing of that.
func TestNobodyIsLateWhereThereIsRoom(t *testing.T) {
	seen := new(seenEvents)
	s := &poller.Scheduler{Concurrency: -1, Observer: seen.observe}
	defer s.Close()
	var fs []*future.Future[int]
	for range 1000 {
		fs = append(fs, poller.Submit(context.Background(), s, func(context.Context) (poller.Status[int], error) {
			return succeeded(1).st, nil
		}, &poller.Options{Min: 1}))
	}
	if _, err := future.All(fs...).Await(context.Background()); err != nil {
		t.Error(err)
	}
	if late := seen.named("poller.waited"); len(late) > 0 {
		t.Error(len(late), "were late")
	}
}

// A percentage that is no number is no change each time: the pauses grow.
func TestPercentThatIsNoNumber(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s := scripted(t, answer{st: poller.Status[int]{State: antiphon.StateRunning, Percent: math.NaN()}})
		_, err := poller.Wait(t.Context(), s.check, &poller.Options{
			First: -1, MaxPolls: 5, Min: time.Millisecond,
			Poll: func(n int) time.Duration { return time.Duration(n) * time.Second },
		})
		if gaps := s.gaps(); !errors.Is(err, poller.ErrPolls) || !slices.Equal(gaps, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}) {
			t.Error(gaps, err)
		}
	})
}
