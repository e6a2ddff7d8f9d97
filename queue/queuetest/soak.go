package queuetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// Soak has n lives of w's store, by seeds from first on: clients put, take, extend,
// settle, cancel, look and redrive at random; they are slow, crash, keep using leases
// that they have lost, give calls up, and make calls again whose answers were lost.
// What the backend said is held against a model of a leased queue: there has to be an
// order of the calls that explains all of it.
//
// In a bubble a life takes a few milliseconds, and a seed gives nearly the same life
// again. Elsewhere all lives go on at once, each in a queue of its own.
func Soak(t *testing.T, w Store, first, n int) {
	w = w.withDefaults()
	r := soak
	r.Check = func(t *trial) { t.soak(first, n) }
	w.run(t, r)
}

var soak = rule{
	Name:  "Soak",
	Why:   "Q1, Q2, Q3, Q4, Q5, Q6: whatever happens to calls and clients, each job goes as one in a leased queue does",
	Check: func(t *trial) { t.soak(1, t.store.Seeds) },
}

func (t *trial) soak(first, n int) {
	if t.store.Bubble {
		for seed := range n {
			if t.Failed() {
				return
			}
			one := newTrial(t.TB, t.store)
			one.live(uint64(first+seed), one.sides())
			one.End()
		}
		return
	}
	sides := t.sides()
	var wg sync.WaitGroup
	for seed := range n {
		own := make([]*side, len(sides))
		for i, s := range sides {
			own[i] = &side{trial: t, b: s.b, queue: fmt.Sprintf("%s-%d", s.queue, seed)}
		}
		wg.Go(func() { t.live(uint64(first+seed), own) })
	}
	wg.Wait()
}

// sides opens the store, twice if that can be done.
func (t *trial) sides() []*side {
	s := t.open()
	if t.store.Again == nil {
		return []*side{s}
	}
	return []*side{s, t.another(s)}
}

// live goes through one life, and looks at it.
func (t *trial) live(seed uint64, sides []*side) {
	const clients, calls = 5, 24
	u := &population{
		history: newHistory(t.store.Precision), sides: sides, unit: t.tick / 4,
		groups: sides[0].b.Capabilities().Groups, delays: sides[0].b.Capabilities().Delays,
		levels: sides[0].b.Capabilities().MaxPriority > 0,
	}
	_, u.results = sides[0].b.(driver.Results)
	var wg sync.WaitGroup
	for i := range clients {
		c := &client{population: u, side: sides[i%len(sides)], who: i, rand: rand.New(rand.NewPCG(seed, uint64(i)))}
		wg.Go(func() {
			for range calls {
				c.pauses()
				c.acts()
			}
		})
	}
	wg.Wait()
	last := &client{population: u, side: sides[0], who: clients, rand: rand.New(rand.NewPCG(seed, clients))}
	last.drain()
	for i, wrong := range u.verdict() {
		if i < 3 {
			t.Errorf("seed %d: %s", seed, wrong)
		}
	}
}

// A population is the clients of one queue, and what they know together.
type population struct {
	*history
	sides                           []*side
	unit                            time.Duration
	results, groups, delays, levels bool

	mu  sync.Mutex
	ids []string
}

// longest is how many units a delay, a lease or a time to live lasts at most.
const longest = 8
