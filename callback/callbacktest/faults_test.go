package callbacktest_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
)

// A came is a message as it came, and when.
type came struct {
	n  int
	at time.Duration
}

// through sends n events over a pipe with faults at its sending or its receiving end,
// and returns what came of them, and what was observed.
func through(t *testing.T, n int, o callbacktest.FaultOptions, inward bool) (all []came, events map[string]int) {
	t.Helper()
	events = map[string]int{}
	o.Observer = func(e antiphon.Event) { events[e.Name]++ } // by one goroutine at a time
	x, y := callback.Pipe(&callback.PipeOptions{Buffer: 2 * n})
	a, b := x, y
	if inward {
		b = callbacktest.Faulty(y, &o)
	} else {
		a = callbacktest.Faulty(x, &o)
	}
	defer func() { _ = a.Close() }()
	in, err := b.Listen(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for i := range n {
		m := &callback.Message{Kind: callback.Event, To: "feed", Body: []byte(strconv.Itoa(i))}
		if err := a.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		d, err := in.Receive(ctx)
		over := ctx.Err() != nil
		cancel()
		switch {
		case over:
			return all, events
		case errors.Is(err, callback.ErrMalformed):
			all = append(all, came{-1, time.Since(start)})
		case err != nil:
			t.Fatal(err)
		default:
			i, err := strconv.Atoi(string(d.Body))
			if err != nil || d.To != "feed" || d.Kind != callback.Event {
				i = -2 // not as it was sent
			}
			all = append(all, came{i, time.Since(start)})
		}
	}
}

// bothWays runs check in bubbles with faults at the sending and at the receiving end.
func bothWays(t *testing.T, n int, o callbacktest.FaultOptions, check func(t *testing.T, inward bool, all []came, events map[string]int)) {
	t.Helper()
	for _, inward := range []bool{false, true} {
		t.Run(fmt.Sprintf("inward=%t", inward), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all, events := through(t, n, o, inward)
				check(t, inward, all, events)
			})
		})
	}
}

// near: n times a chance, give or take six standard deviations.
func near(n int, chance float64, got int) bool {
	return math.Abs(float64(got)-chance*float64(n)) <= 6*math.Sqrt(float64(n)*chance*(1-chance))
}

func counted(all []came) map[int]int {
	times := map[int]int{}
	for _, c := range all {
		times[c.n]++
	}
	return times
}

func inOrder(all []came) bool {
	return slices.IsSortedFunc(all, func(a, b came) int { return a.n - b.n })
}

func TestFaultyLoses(t *testing.T) {
	const n = 2000
	bothWays(t, n, callbacktest.FaultOptions{Loss: 0.25}, func(t *testing.T, _ bool, all []came, events map[string]int) {
		lost := n - len(all)
		if !near(n, 0.25, lost) || events["faulty.lost"] != lost || !inOrder(all) || len(counted(all)) != len(all) {
			t.Errorf("%d lost, %v", lost, events)
		}
	})
}

func TestFaultyDoubles(t *testing.T) {
	const n = 2000
	bothWays(t, n, callbacktest.FaultOptions{Duplication: 0.25}, func(t *testing.T, _ bool, all []came, events map[string]int) {
		times := counted(all)
		doubled := 0
		for i := range n {
			switch times[i] {
			case 1:
			case 2:
				doubled++
			default:
				t.Errorf("message %d came %d times", i, times[i])
			}
		}
		if !near(n, 0.25, doubled) || events["faulty.doubled"] != doubled {
			t.Errorf("%d doubled, %v", doubled, events)
		}
	})
}

func TestFaultyDelaysInOrder(t *testing.T) {
	const n = 1000
	bothWays(t, n, callbacktest.FaultOptions{Delay: time.Second}, func(t *testing.T, _ bool, all []came, events map[string]int) {
		if len(all) != n || !inOrder(all) || len(events) > 0 {
			t.Errorf("%d came, in order: %t, %v", len(all), inOrder(all), events)
		}
		if first, last := all[0].at, all[n-1].at; first <= 0 || last > time.Second || last < 900*time.Millisecond {
			t.Errorf("the first came after %v, the last after %v", first, last)
		}
	})
}

func TestFaultyReorders(t *testing.T) {
	const n = 1000
	for _, delay := range []time.Duration{0, time.Second} {
		limit := max(delay, 10*time.Millisecond)
		bothWays(t, n, callbacktest.FaultOptions{Reordering: 0.1, Delay: delay}, func(t *testing.T, _ bool, all []came, events map[string]int) {
			if len(all) != n || len(counted(all)) != n || inOrder(all) || !near(n, 0.1, events["faulty.reordered"]) {
				t.Errorf("%d came, in order: %t, %v", len(all), inOrder(all), events)
			}
			for _, c := range all {
				if c.at > limit {
					t.Errorf("message %d came after %v", c.n, c.at)
				}
			}
		})
	}
}

func TestFaultyCorrupts(t *testing.T) {
	const n = 2000
	bothWays(t, n, callbacktest.FaultOptions{Corruption: 0.25}, func(t *testing.T, inward bool, all []came, events map[string]int) {
		times := counted(all)
		malformed, other, right := times[-1], times[-2], 0
		for i := range n {
			right += min(times[i], 1)
		}
		if !near(n, 0.25, events["faulty.corrupted"]) || other == 0 || right > n-events["faulty.corrupted"]/2 {
			t.Errorf("%d right, %d other, %d malformed, %v", right, other, malformed, events)
		}
		if inward && (malformed == 0 || len(all) != n) || !inward && (malformed > 0 || len(all) == n) {
			t.Errorf("%d malformed of %d", malformed, len(all))
		}
	})
}

// What may be struck is struck, and nothing else.
func TestFaultyStrikes(t *testing.T) {
	o := callbacktest.FaultOptions{Loss: 1, Strike: func(m *callback.Message) bool { return len(m.Body) == 2 }}
	bothWays(t, 200, o, func(t *testing.T, _ bool, all []came, _ map[string]int) {
		if len(all) != 110 || !inOrder(all) { // not 10 to 99
			t.Errorf("%d came", len(all))
		}
	})
}

// The same seed means the same fate, whatever else travels meanwhile; another seed
// another.
func TestFaultySeeds(t *testing.T) {
	fates := func(seed uint64) (s string) {
		synctest.Test(t, func(t *testing.T) {
			o := callbacktest.FaultOptions{Seed: seed, Loss: 0.2, Duplication: 0.2, Delay: 5 * time.Millisecond, Reordering: 0.2, Corruption: 0.2}
			all, _ := through(t, 200, o, false)
			s = fmt.Sprint(all)
		})
		return s
	}
	first := fates(1)
	if again := fates(1); first != again {
		t.Error("one seed, two fates")
	}
	if first == fates(2) {
		t.Error("two seeds, one fate")
	}
}

// A connection that is cut is told of once, loses what is on its way, and takes
// what is sent when it is back.
func TestFaultyCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		a := callbacktest.Faulty(x, &callbacktest.FaultOptions{Delay: time.Second})
		defer func() { _ = a.Close() }()
		own, _ := a.Listen(t.Context(), "")
		in, _ := y.Listen(t.Context(), "")
		event := func() *callback.Message { return &callback.Message{Kind: callback.Event, To: "x"} }
		if err := a.Send(t.Context(), event()); err != nil {
			t.Fatal(err)
		}
		a.Cut()
		a.Cut()
		start := time.Now()
		time.AfterFunc(time.Minute, a.Heal)
		if _, err := own.Receive(t.Context()); err != callback.ErrDisconnected {
			t.Errorf("%v", err)
		}
		if err := a.Send(t.Context(), event()); err != nil || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := own.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		n := 0
		for ; ; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			_, err := in.Receive(ctx)
			cancel()
			if err != nil {
				break
			}
		}
		if n != 1 {
			t.Errorf("%d came", n)
		}
	})
}

func TestFaultyCutsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cuts := 0
		x, _ := callback.Pipe(nil)
		a := callbacktest.Faulty(x, &callbacktest.FaultOptions{Cuts: time.Minute, Down: time.Second, Observer: func(e antiphon.Event) {
			if e.Name == "faulty.cut" {
				cuts++
			}
		}})
		own, _ := a.Listen(t.Context(), "")
		ctx, cancel := context.WithTimeout(t.Context(), 1000*time.Minute)
		defer cancel()
		told := 0
		for ctx.Err() == nil {
			if _, err := own.Receive(ctx); errors.Is(err, callback.ErrDisconnected) {
				told++
			}
		}
		if told != cuts || !near(10000, 0.1, cuts) {
			t.Errorf("%d cuts, told of %d", cuts, told)
		}
		_ = a.Close()
		was := cuts
		time.Sleep(1000 * time.Minute)
		if cuts != was {
			t.Error("it goes on after Close")
		}
	})
}

// Close ends what is held up, and those who wait, and leaves nothing: else the bubble
// would not end.
func TestFaultyClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _ := callback.Pipe(&callback.PipeOptions{Buffer: 1})
		a := callbacktest.Faulty(x, &callbacktest.FaultOptions{Delay: time.Hour})
		ended := make(chan error, 2)
		go func() {
			for {
				if err := a.Send(context.Background(), &callback.Message{Kind: callback.Event, To: "x"}); err != nil {
					ended <- err
					return
				}
			}
		}()
		own, _ := a.Listen(t.Context(), "")
		go func() {
			_, err := own.Receive(context.Background())
			ended <- err
		}()
		synctest.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, callback.ErrClosed) {
				t.Error(err)
			}
		}
	})
}

func TestFaultyOptions(t *testing.T) {
	for _, o := range []callbacktest.FaultOptions{
		{Loss: -0.1}, {Loss: 1.1}, {Duplication: -1}, {Reordering: 2}, {Corruption: math.NaN()},
		{Delay: -1}, {Cuts: -1}, {Down: -1},
	} {
		x, _ := callback.Pipe(nil)
		a := callbacktest.Faulty(x, &o)
		_, err := a.Listen(t.Context(), "")
		took, tried := a.TrySend(&callback.Message{Kind: callback.Event, To: "x"})
		for _, err := range []error{err, tried, a.Send(t.Context(), &callback.Message{Kind: callback.Event, To: "x"})} {
			if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || !took {
				t.Errorf("%+v: %v", o, err)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// bare hides what a transport can do beside being one.
type bare struct{ callback.Transport }

// able can do what a pipe cannot.
type able struct {
	callback.Transport
	reconnected error
	flushed     int
}

func (t *able) Reconnect(cause error)       { t.reconnected = cause }
func (t *able) Flush(context.Context) error { t.flushed++; return nil }
func (t *able) ListenGroup(ctx context.Context, _, _ string) (callback.Inbox, error) {
	return t.Listen(ctx, "")
}

// What the transport in it can do, the faulty one can, and nothing else.
func TestFaultyAbilities(t *testing.T) {
	event := func() *callback.Message { return &callback.Message{Kind: callback.Event, To: "x"} }
	x, _ := callback.Pipe(nil)
	if took, err := callbacktest.Faulty(x, nil).TrySend(event()); !took || err != nil {
		t.Errorf("%t, %v", took, err)
	}
	if took, err := callbacktest.Faulty(bare{x}, nil).TrySend(event()); took || err != nil {
		t.Errorf("%t, %v", took, err)
	}
	if took, err := callbacktest.Faulty(x, &callbacktest.FaultOptions{Loss: 0.1}).TrySend(event()); took || err != nil {
		t.Errorf("%t, %v", took, err)
	}
	if _, err := callbacktest.Faulty(x, nil).ListenGroup(t.Context(), "a", "b"); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	inner := &able{Transport: x}
	f := callbacktest.Faulty(inner, nil)
	if _, err := f.ListenGroup(t.Context(), "a", "b"); err != nil {
		t.Error(err)
	}
	cause := errors.New("silent")
	if f.Reconnect(cause); inner.reconnected != cause {
		t.Error("Reconnect is not passed on")
	}
	if err := f.Flush(t.Context()); err != nil || inner.flushed != 1 {
		t.Error("Flush is not passed on", err)
	}
	own, _ := callback.Pipe(nil)
	g := callbacktest.Faulty(own, nil)
	in, _ := g.Listen(t.Context(), "")
	g.Reconnect(cause)
	if _, err := in.Receive(t.Context()); !errors.Is(err, callback.ErrDisconnected) || !errors.Is(err, cause) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
		t.Error(err)
	}
}
