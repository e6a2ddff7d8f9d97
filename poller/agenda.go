package poller

import "time"

// An agenda is a heap, four children a node, of entries by when they are due; the
// entries know their places in it. An entry may be in several agendas, each of which
// has another number.
type agenda struct {
	number int
	heap   []appointment
}

type appointment struct {
	at    time.Duration
	entry *entry
}

// next is when the first is due, or forever.
func (a *agenda) next() time.Duration {
	if len(a.heap) == 0 {
		return forever
	}
	return a.heap[0].at
}

// set makes e due at at.
func (a *agenda) set(e *entry, at time.Duration) {
	if e.places[a.number] == 0 {
		a.heap = append(a.heap, appointment{})
		a.up(len(a.heap)-1, appointment{at, e})
		return
	}
	a.place(int(e.places[a.number]-1), appointment{at, e})
}

// clear takes e out, if it is in.
func (a *agenda) clear(e *entry) {
	i := int(e.places[a.number] - 1)
	if i < 0 {
		return
	}
	e.places[a.number] = 0
	n := len(a.heap) - 1
	last := a.heap[n]
	a.heap[n] = appointment{}
	a.heap = a.heap[:n]
	if i < n {
		a.place(i, last)
	}
	if c := cap(a.heap); c > 4096 && n < c/4 { // memory is given back after a flood
		a.heap = append(make([]appointment, 0, c/2), a.heap...)
	}
}

func (a *agenda) place(i int, x appointment) {
	if i > 0 && x.at < a.heap[(i-1)/4].at {
		a.up(i, x)
	} else {
		a.down(i, x)
	}
}

func (a *agenda) up(i int, x appointment) {
	for i > 0 {
		parent := (i - 1) / 4
		if a.heap[parent].at <= x.at {
			break
		}
		a.put(i, a.heap[parent])
		i = parent
	}
	a.put(i, x)
}

func (a *agenda) down(i int, x appointment) {
	for {
		least := 4*i + 1
		if least >= len(a.heap) {
			break
		}
		for c := least + 1; c < min(4*i+5, len(a.heap)); c++ {
			if a.heap[c].at < a.heap[least].at {
				least = c
			}
		}
		if x.at <= a.heap[least].at {
			break
		}
		a.put(i, a.heap[least])
		i = least
	}
	a.put(i, x)
}

func (a *agenda) put(i int, x appointment) {
	a.heap[i] = x
	x.entry.places[a.number] = int32(i + 1)
}
