package future_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/antiphon-go/antiphon/future"
)

// A cell is what the settle-once oracle knows of a future: the real one, or
// one with a mistake.
type cell interface {
	settle(v int) bool
	peek() (int, bool)
	await(ctx context.Context) (int, error)
	onDone(fn func(int)) (stop func() bool)
	mapped(fn func(int)) (await func(context.Context) (int, error))
}

type realCell struct{ p future.Promise[int] }

func (c *realCell) settle(v int) bool {
	if v%2 == 0 {
		return c.p.Resolve(v)
	}
	return c.p.Settle(v, nil)
}

func (c *realCell) peek() (int, bool) {
	r, ok := c.p.Future().Peek()
	return r.Value, ok
}

func (c *realCell) await(ctx context.Context) (int, error) { return c.p.Future().Await(ctx) }

func (c *realCell) onDone(fn func(int)) func() bool {
	return c.p.Future().OnDone(func(r future.Result[int]) { fn(r.Value) })
}

func (c *realCell) mapped(fn func(int)) func(context.Context) (int, error) {
	f := future.Map(c.p.Future(), func(v int) (int, error) { fn(v); return v, nil })
	return f.Await
}

// A history is what happened in one run of many goroutines on one cell. What
// it asserts is the settle-once contract:
//
//	F1  one settle of them all says true
//	F2  whoever awaits, peeks, maps or is called back sees that one's value,
//	    after it was begun to be settled; nobody is stranded
//	F3  a waiter fails only if its context has ended
//	F4  and not if the future had settled before that
//	F7  a callback runs once, or its stop said true once, never both
type history struct {
	mu    sync.Mutex
	wrong []string
}

func (h *history) fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

// run runs a random history in a bubble and returns what was wrong with it.
func run(t *testing.T, seed uint64, c cell) string {
	var h history
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 6))
		var mu sync.Mutex
		winner, wins := 0, 0
		seen := map[int]bool{}
		saw := func(v int) { mu.Lock(); seen[v] = true; mu.Unlock() }
		over := false // somebody's settle has returned
		type registered struct{ ran, stopped int }
		var callbacks []*registered
		var stops []func() bool // to be called when it is too late
		stranded := map[string]int{}
		waiting := func(what string, n int) { mu.Lock(); stranded[what] += n; mu.Unlock() }
		settle := func(v int) {
			won := c.settle(v)
			mu.Lock()
			defer mu.Unlock()
			over = true
			if won {
				winner = v
				wins++
			}
		}
		register := func() func() bool {
			mu.Lock()
			r := &registered{}
			callbacks = append(callbacks, r)
			mu.Unlock()
			stop := c.onDone(func(v int) {
				saw(v)
				mu.Lock()
				defer mu.Unlock()
				r.ran++
			})
			return func() bool {
				ok := stop()
				mu.Lock()
				defer mu.Unlock()
				if ok {
					r.stopped++
				}
				return ok
			}
		}
		isOver := func() bool { mu.Lock(); defer mu.Unlock(); return over }
		ctx, cancel := context.WithCancel(context.Background())
		rescue, release := context.WithCancel(context.Background()) // of who is stranded, once that is noted
		defer release()
		var act func(op, depth int)
		act = func(op, depth int) {
			switch op {
			case 0, 1:
				settle(1 + int(seed)%1000*10 + op)
			case 2:
				before := isOver()
				v, ok := c.peek()
				if ok {
					saw(v)
				} else if before {
					h.fault("F2 settled, and Peek sees nothing")
				}
			case 3:
				waiting("await", 1)
				v, err := c.await(context.Background())
				waiting("await", -1)
				if err != nil {
					h.fault("F3 gave up without a reason: %v", err)
				}
				saw(v)
			case 4:
				before := isOver()
				v, err := c.await(ctx)
				switch {
				case err == nil:
					saw(v)
				case before:
					h.fault("F4 the value was there: %v", err)
				case ctx.Err() == nil || !errors.Is(err, future.ErrPending):
					h.fault("F3 gave up for nothing: %v", err)
				}
			case 5:
				stop := register()
				mu.Lock()
				defer mu.Unlock()
				stops = append(stops, stop)
			case 6:
				stop := register()
				go stop()
				go stop()
			case 7:
				waiting("map", 1)
				ran := 0
				await := c.mapped(func(v int) {
					saw(v)
					if ran++; ran > 1 {
						h.fault("F7 a transform ran twice")
					}
					if depth > 0 { // from within the settling call
						act(2, 0)
						act(5, 0)
						act(0, 0)
					}
				})
				go func() {
					if v, err := await(rescue); err == nil {
						saw(v)
						waiting("map", -1)
					}
				}()
			case 8:
				cancel()
			}
		}
		for range rng.IntN(12) + 2 {
			op := rng.IntN(9)
			go act(op, 1)
			if rng.IntN(3) == 0 {
				synctest.Wait()
			}
		}
		cancel()
		synctest.Wait()
		settle(1 + int(seed)%1000*10 + 5)
		synctest.Wait()
		act(2, 0)
		act(4, 0)
		for _, stop := range stops {
			stop()
		}
		mu.Lock()
		defer mu.Unlock()
		if wins != 1 {
			h.fault("F1 %d calls decided", wins)
		}
		for v := range seen {
			if v != winner {
				h.fault("F2 somebody saw %d, decided was %d", v, winner)
			}
		}
		for what, n := range stranded {
			if n != 0 {
				h.fault("F2 %d are stranded in %s", n, what)
			}
		}
		for _, r := range callbacks {
			if r.ran+r.stopped != 1 {
				h.fault("F7 a callback ran %d times and was stopped %d times", r.ran, r.stopped)
			}
		}
	})
	return strings.Join(h.wrong, "; ")
}

func TestF1_SettleOnceOracle(t *testing.T) {
	for seed := range uint64(2000) {
		if wrong := run(t, seed, new(realCell)); wrong != "" {
			t.Fatalf("seed %d: %s", seed, wrong)
		}
	}
}

// A badCell is a plain implementation with one mistake planted in it; without
// one, the oracle has nothing to say.
type badCell struct {
	mistake string
	mu      sync.Mutex
	val     int
	settled bool
	done    chan struct{}
	links   []*badLink
}

type badLink struct{ fn func(int) }

func newBadCell(mistake string) *badCell {
	return &badCell{mistake: mistake}
}

// channel is made in the bubble.
func (c *badCell) channel() chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.settled {
			close(c.done)
		}
	}
	return c.done
}

func (c *badCell) settle(v int) bool {
	c.mu.Lock()
	if c.settled {
		if c.mistake == "drops the fence" {
			c.val = v
			c.mu.Unlock()
			return true
		}
		if c.mistake == "overwrites" {
			c.val = v
		}
		c.mu.Unlock()
		return c.mistake == "says true to all"
	}
	c.settled, c.val = true, v
	links := c.links
	if c.mistake != "keeps the links" {
		c.links = nil
	}
	if c.mistake == "forgets the last link" && len(links) > 0 {
		links = links[:len(links)-1]
	}
	if c.done != nil && c.mistake != "wakes nobody" {
		close(c.done)
	}
	c.mu.Unlock()
	for _, l := range links {
		l.fn(v)
		if c.mistake == "tells twice" {
			l.fn(v)
		}
	}
	return c.mistake != "says false to all"
}

func (c *badCell) peek() (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mistake == "Peek lags" {
		return 0, false
	}
	return c.val, c.settled
}

func (c *badCell) await(ctx context.Context) (int, error) {
	done := c.channel()
	stop := ctx.Done()
	if c.mistake == "lets select choose" {
		if ctx.Err() != nil {
			return 0, future.ErrPending
		}
	}
	if c.mistake == "gives up for nothing" {
		select {
		case <-done:
		default:
			return 0, future.ErrPending
		}
	}
	select {
	case <-done:
	case <-stop:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled {
		return c.val, nil
	}
	return 0, future.ErrPending
}

func (c *badCell) hang(fn func(int)) *badLink {
	l := &badLink{fn: fn}
	c.mu.Lock()
	if c.settled {
		v := c.val
		c.mu.Unlock()
		if c.mistake != "strands who comes late" {
			fn(v)
		}
		return l
	}
	c.links = append(c.links, l)
	c.mu.Unlock()
	return l
}

func (c *badCell) onDone(fn func(int)) func() bool {
	l := c.hang(func(v int) { go fn(v) })
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.mistake == "stop says true to all" {
			return true
		}
		for i := range c.links {
			if c.links[i] == l {
				if c.mistake != "stop only says so" {
					c.links = append(c.links[:i:i], c.links[i+1:]...)
				}
				return c.mistake != "stop says nothing"
			}
		}
		return false
	}
}

func (c *badCell) mapped(fn func(int)) func(context.Context) (int, error) {
	out := newBadCell("")
	c.hang(func(v int) { fn(v); out.settle(v) })
	return out.await
}

// Which mistake is seen by which assertion.
func TestF1_OracleSeesPlantedMistakes(t *testing.T) {
	for seed := range uint64(2000) {
		if wrong := run(t, seed, newBadCell("")); wrong != "" {
			t.Fatalf("no mistake, seed %d: %s", seed, wrong)
		}
	}
	for mistake, sees := range map[string]string{
		"drops the fence":        "F1",
		"says true to all":       "F1",
		"says false to all":      "F1",
		"overwrites":             "F2",
		"Peek lags":              "F2",
		"forgets the last link":  "F7",
		"strands who comes late": "F7",
		"gives up for nothing":   "F3",
		"lets select choose":     "F4",
		"tells twice":            "F7",
		"keeps the links":        "F7",
		"stop says true to all":  "F7",
		"stop only says so":      "F7",
		"stop says nothing":      "F7",
	} {
		found := false
		for seed := uint64(0); seed < 5000 && !found; seed++ {
			found = strings.Contains(run(t, seed, newBadCell(mistake)), sees)
		}
		if !found {
			t.Errorf("%s does not see: %s", sees, mistake)
		}
	}
	// "wakes nobody" is seen by the bubble itself, as a deadlock, and cannot be
	// survived here.
}
