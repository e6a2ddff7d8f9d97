package future

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// A lineUp is what the oracle of slots drives: slots, or slots with a mistake.
type lineUp interface {
	take(*turn) (bool, error)
	spare() bool
	give()
	leave(*turn) bool
}

// queueing drives s at random beside a model, and returns the first difference.
func queueing(s lineUp, limit, queue int, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	var began []int // as s says
	var declines [12]bool
	turns := make([]*turn, len(declines))
	for i := range turns {
		turns[i] = &turn{begin: func() bool { began = append(began, i); return !declines[i] }}
	}
	var line []int // the model: who waits, in order
	used := 0
	holders := map[int]bool{}
	for range 200 {
		i := rng.IntN(len(turns))
		began = nil
		waits := slices.Contains(line, i)
		switch op := rng.IntN(4); {
		case op == 0 && !waits && !holders[i]:
			granted, err := s.take(turns[i])
			switch {
			case used < limit:
				if !granted || err != nil {
					return fmt.Sprintf("%d of %d in use, and take says %t, %v", used, limit, granted, err)
				}
				used++
				holders[i] = true
			case len(line) == queue:
				if granted || err != ErrFull {
					return fmt.Sprintf("the queue is full, and take says %t, %v", granted, err)
				}
			default:
				if granted || err != nil {
					return fmt.Sprintf("all are in use, and take says %t, %v", granted, err)
				}
				line = append(line, i)
			}
		case op == 1:
			if got, want := s.spare(), used < limit; got != want {
				return fmt.Sprintf("%d of %d in use, and spare says %t", used, limit, got)
			} else if got {
				used++
			}
		case op == 2 && used > 0:
			for i := range declines {
				declines[i] = rng.IntN(4) == 0
			}
			s.give()
			used--
			var want []int
			for taken := false; len(line) > 0 && !taken; line = line[1:] {
				want = append(want, line[0])
				if taken = !declines[line[0]]; taken {
					used++
					holders[line[0]] = true
				}
			}
			if !slices.Equal(began, want) {
				return fmt.Sprintf("give began %v, want %v", began, want)
			}
			began = nil
			for h := range holders {
				delete(holders, h) // it may ask again
				break
			}
		case op == 3:
			if got := s.leave(turns[i]); got != waits {
				return fmt.Sprintf("%d leaves: %t, want %t", i, got, waits)
			}
			line = slices.DeleteFunc(line, func(w int) bool { return w == i })
		}
		if len(began) > 0 {
			return fmt.Sprintf("%v began uncalled", began)
		}
	}
	for _, i := range line {
		if !s.leave(turns[i]) {
			return fmt.Sprintf("%d does not wait at the end", i)
		}
	}
	for range used {
		s.give()
	}
	for range limit {
		if !s.spare() {
			return "a slot is lost"
		}
	}
	if s.spare() {
		return "a slot too many"
	}
	for i, t := range turns {
		if t.next != nil || t.prev != nil {
			return fmt.Sprintf("turn %d hangs in a queue that it has left", i)
		}
	}
	return ""
}

func TestSlotsAreAsTheirModel(t *testing.T) {
	for seed := range uint64(1000) {
		limit, queue := 1+int(seed%3), 1+int(seed%5)
		if diff := queueing(newSlots(limit, queue), limit, queue, seed); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// badSlots are slots with a mistake.
type badSlots struct {
	*slots
	mistake string
}

func (b badSlots) take(t *turn) (bool, error) {
	switch b.mistake {
	case "jumps the queue":
		ok, err := b.slots.take(t)
		if !ok && err == nil && b.waiting.next != t { // to the front
			t.prev.next, t.next.prev = t.next, t.prev
			t.next, t.prev = b.waiting.next, &b.waiting
			t.next.prev, b.waiting.next = t, t
		}
		return ok, err
	case "has no end":
		b.room = 100
	}
	return b.slots.take(t)
}

func (b badSlots) spare() bool {
	if b.mistake == "spares too much" {
		b.slots.spare()
		return true
	}
	return b.slots.spare()
}

func (b badSlots) give() {
	switch b.mistake {
	case "forgets who waits":
		b.free++
		return
	case "loses what is declined":
		if t := b.next(); t != nil {
			t.begin()
		}
		return
	}
	b.slots.give()
	if b.mistake == "gives two" {
		b.free++
	}
}

func (b badSlots) leave(t *turn) bool {
	ok := b.slots.leave(t)
	if b.mistake == "leaks room" && ok {
		b.room--
	}
	return ok || b.mistake == "says yes"
}

// The oracle sees each of these mistakes.
func TestSlotsModelSeesMistakes(t *testing.T) {
	for _, mistake := range []string{"jumps the queue", "has no end", "spares too much", "forgets who waits", "loses what is declined", "gives two", "leaks room", "says yes"} {
		seen := false
		for seed := range uint64(200) {
			limit, queue := 1+int(seed%3), 1+int(seed%5)
			seen = seen || queueing(badSlots{newSlots(limit, queue), mistake}, limit, queue, seed) != ""
		}
		if !seen {
			t.Errorf("nobody sees that it %s", mistake)
		}
	}
}

// A turn is either begun or has left, never both and never neither.
func TestSlotsUnderFire(t *testing.T) {
	s := newSlots(2, 1000)
	var inUse, most atomic.Int32
	enter := func() { most.Store(max(most.Load(), inUse.Add(1))) }
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 500 {
				begun := make(chan struct{}, 2)
				tr := &turn{begin: func() bool { enter(); begun <- struct{}{}; return true }}
				granted, err := s.take(tr)
				switch {
				case err != nil:
					t.Error(err)
				case granted:
					enter()
				case i%2 == 0 && s.leave(tr):
					if len(begun) > 0 {
						t.Error("begun, and it has left")
					}
					continue
				default:
					<-begun
				}
				inUse.Add(-1)
				s.give()
			}
		})
	}
	all.Wait()
	if most.Load() > 2 || s.free != 2 || s.room != 1000 || s.waiting.next != &s.waiting {
		t.Errorf("%d at once; %d free, room for %d", most.Load(), s.free, s.room)
	}
}
