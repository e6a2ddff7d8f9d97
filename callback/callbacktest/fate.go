package callbacktest

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

const (
	outward = iota
	inward
)

// A fate is what happens to one message on one way.
type fate struct {
	lost, doubled, overtaken, corrupted bool
	delay, again                        time.Duration // of the message, and of its double
	bit                                 uint64        // which one is flipped
}

// fate decides over m. It depends on the seed, and on how many of its kind went that
// way before: not on what else happens at the same time.
func (f *FaultyTransport) fate(way int, m *callback.Message) (x fate) {
	o := &f.opts
	if f.plain || o.Strike != nil && !o.Strike(m) {
		return x
	}
	f.mu.Lock()
	n := f.count[way][m.Kind]
	f.count[way][m.Kind]++
	f.mu.Unlock()
	r := rand.New(rand.NewPCG(o.Seed, 2|uint64(way)<<8|uint64(m.Kind)<<16|n<<24))
	x.lost = r.Float64() < o.Loss
	x.doubled = r.Float64() < o.Duplication
	x.overtaken = r.Float64() < o.Reordering
	x.corrupted = r.Float64() < o.Corruption
	x.bit = r.Uint64()
	within := func(d time.Duration) time.Duration { return time.Duration(r.Float64() * float64(d)) }
	x.delay, x.again = within(o.Delay), within(o.Delay)
	if x.overtaken && o.Delay == 0 {
		x.delay = within(10 * time.Millisecond)
	}
	return x
}

// tell observes what happens to m.
func (f *FaultyTransport) tell(x fate, m *callback.Message) {
	o := f.opts.Observer
	if o == nil {
		return
	}
	for _, e := range []struct {
		name string
		is   bool
	}{
		{"faulty.lost", x.lost},
		{"faulty.doubled", x.doubled && !x.lost},
		{"faulty.reordered", x.overtaken && !x.lost},
		{"faulty.corrupted", x.corrupted && !x.lost},
	} {
		if e.is {
			o.Emit(antiphon.Event{Name: e.name, Kind: m.Kind.String(), ID: m.ID.String()})
		}
	}
}

// corrupted returns what becomes of m when a bit of its envelope is flipped: nil if
// that is no message.
func corrupted(m *callback.Message, bit uint64) *callback.Message {
	now := time.Now()
	b, err := callback.AppendMessage(nil, m, now)
	if err != nil {
		return nil
	}
	bit %= uint64(8 * len(b))
	b[bit/8] ^= 1 << (bit % 8)
	if m, err = callback.ParseMessage(b, now); err != nil {
		return nil
	}
	return m
}

func clone(m *callback.Message) *callback.Message {
	n := *m
	n.Header, n.Body = maps.Clone(m.Header), bytes.Clone(m.Body)
	return &n
}

// sorts are answers and what belongs to them, requests, and events: none waits for
// another.
const sorts = 3

func sortOf(k callback.Kind) int {
	switch k {
	case callback.Request:
		return 1
	case callback.Event:
		return 2
	}
	return 0
}

// aloft is how many messages of a sort are held up at most.
const aloft = 1024

// A flight is a message that is held up.
type flight struct {
	callback.Delivery
	due  time.Time
	free bool // of the order
}

// An air is what is held up, the first that is due first.
type air struct {
	flights []flight
	kept    int       // how many keep the order
	last    time.Time // when the last of them is due
}

// put holds d up for delay, and behind all that keep the order unless free.
func (a *air) put(d callback.Delivery, delay time.Duration, free bool) {
	due := time.Now().Add(delay)
	if !free {
		if due.Before(a.last) {
			due = a.last
		}
		a.last = due
		a.kept++
	}
	i, _ := slices.BinarySearchFunc(a.flights, due, func(o flight, due time.Time) int {
		if o.due.After(due) {
			return 1
		}
		return -1
	})
	a.flights = slices.Insert(a.flights, i, flight{d, due, free})
}

// next returns how long it is until the first is due, if there is one.
func (a *air) next() (time.Duration, bool) {
	if len(a.flights) == 0 {
		return 0, false
	}
	return time.Until(a.flights[0].due), true
}

func (a *air) pop() callback.Delivery {
	first := a.flights[0]
	a.flights = slices.Delete(a.flights, 0, 1)
	if !first.free {
		a.kept--
	}
	return first.Delivery
}

func (a *air) clear() { *a = air{} }
