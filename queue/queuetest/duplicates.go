package queuetest

import (
	"errors"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

func checkSameID(t *trial) {
	s := t.open()
	e := s.job("once")
	s.put(e)
	s.duplicate("put again while it waits", e, e.ID)
	l := s.next(long)
	s.is("put twice", l, e, 1)
	s.duplicate("put again while it is leased", e, e.ID)
	s.empty("a job was put again under its ID")
	s.settled(retry(l, 0))
	s.duplicate("put again while it is to be tried again", e, e.ID)
	s.settled(done(s.next(long)))
	if _, ok := s.b.(driver.Results); ok {
		s.duplicate("put again when it has ended and is known", e, e.ID)
		s.state(e.ID, antiphon.StateSucceeded)
	}
	s.empty("a job was put again under its ID")

	twice := s.job("twice in a Put")
	placed, err := s.tryPut(s.request(twice, twice))
	if err != nil || len(placed) != 2 || placed[0].Duplicate || !placed[1].Duplicate || placed[0].ID != twice.ID || placed[1].ID != twice.ID {
		t.Errorf("a job that is twice in a Put: placed as %+v, %v", placed, err)
	}
	s.settled(done(s.next(long)))
	s.empty("a job was twice in a Put")
}

func checkSomeDuplicates(t *trial) {
	s := t.open()
	old := s.job("old")
	s.put(old)
	a, b := s.job("a"), s.job("b")
	placed, err := s.tryPut(s.request(a, old, b))
	if err != nil || len(placed) != 3 {
		t.Fatalf("Put of three jobs, one of them there already: %+v, %v; want one Placed for each", placed, err)
	}
	for i, want := range []driver.Placed{{ID: a.ID}, {ID: old.ID, Duplicate: true}, {ID: b.ID}} {
		if placed[i].ID != want.ID || placed[i].Duplicate != want.Duplicate {
			t.Errorf("job %d of a Put was placed as %+v, want %+v", i, placed[i], want)
		}
	}
	for i, l := range s.all(3) {
		s.is("of three jobs, one put twice", l, []driver.Envelope{old, a, b}[i], 1)
	}
}

func checkKeys(t *trial) {
	s := t.open()
	first := s.job("payload")
	first.Key = "key"
	again := func() driver.Envelope {
		e := first
		e.ID, e.Header = s.id(), map[string]string{"other": "header"}
		return e
	}
	reused := func(when string) {
		t.Helper()
		e := again()
		e.Payload = []byte("another payload")
		if placed, err := s.tryPut(s.request(e)); !errors.Is(err, driver.ErrKeyReused) {
			t.Errorf("a key %s was reused for another payload: %+v, %v; want driver.ErrKeyReused", when, placed, err)
		}
	}
	s.put(first)
	s.duplicate("a key of a job that waits", again(), first.ID)
	reused("of a job that waits")
	l := s.next(long)
	s.is("a key", l, first, 1)
	s.duplicate("a key of a job that is leased", again(), first.ID)
	reused("of a job that is leased")
	s.settled(retry(l, 0))
	s.duplicate("a key of a job that is tried again", again(), first.ID)
	s.settled(done(s.next(long)))
	if _, ok := s.b.(driver.Results); ok {
		s.duplicate("a key of a job that has ended", again(), first.ID)
		reused("of a job that has ended")
		s.forget(first.ID)
		next := again()
		next.Payload = []byte("another payload")
		s.fresh("a key of a job that is not known any more", next)
		s.settled(done(s.next(long)))
	}
	s.empty("a job was put again under its key")

	a, b := s.job("same"), s.job("same")
	a.Key, b.Key = "within", "within"
	placed, err := s.tryPut(s.request(a, b))
	if err != nil || len(placed) != 2 || placed[0].Duplicate || !placed[1].Duplicate || placed[1].ID != a.ID {
		t.Errorf("a key that is twice in a Put: placed as %+v, %v", placed, err)
	}
	c, d := s.job("one"), s.job("two")
	c.Key, d.Key = "mistake", "mistake"
	if _, err := s.tryPut(s.request(c, d)); !errors.Is(err, driver.ErrKeyReused) {
		t.Errorf("a key for two payloads in a Put: %v, want driver.ErrKeyReused", err)
	}
	s.is("of two with one key", s.next(long), a, 1)
	s.empty("two jobs had one key")
}

func checkKeyEnds(t *trial) {
	s := t.open()
	e := s.job("payload")
	e.Key, e.Keep = "key", 0
	s.put(e)
	s.settled(done(s.next(long)))
	next := s.job("another")
	next.Key = "key"
	s.fresh("the job of that key is not kept", next)

	e = s.job("payload")
	e.Key, e.Keep = "kept for a tick", t.tick
	s.put(e)
	s.settled(done(s.all(2)[1]))
	t.Pause(t.late(t.tick))
	next = s.job("another")
	next.Key = e.Key
	s.fresh("the job of that key has been kept for as long as it was to be", next)
}

func checkUnique(t *trial) {
	s := t.open()
	first := s.job("one")
	first.Unique = "name"
	again := func() driver.Envelope {
		e := s.job("whatever the payload")
		e.Unique = first.Unique
		return e
	}
	s.put(first)
	s.duplicate("a name of a job that waits", again(), first.ID)
	l := s.next(long)
	s.duplicate("a name of a job that is leased", again(), first.ID)
	s.settled(retry(l, 0))
	s.duplicate("a name of a job that is tried again", again(), first.ID)
	l = s.next(long)
	s.empty("a job was put again under its unique name")
	s.settled(done(l))
	next := again()
	s.fresh("the job of that name has ended", next)
	s.duplicate("a name that has gone to another", again(), next.ID)
	s.settled(bury(s.next(long)))
	s.fresh("the job of that name is a dead letter", again())
	s.settled(done(s.next(long)))

	other := s.job("x")
	other.Unique = "other"
	s.fresh("another name", other)
	a, b := again(), again()
	placed, err := s.tryPut(s.request(a, b))
	if err != nil || len(placed) != 2 || placed[0].Duplicate || !placed[1].Duplicate || placed[1].ID != a.ID {
		t.Errorf("a name that is twice in a Put: placed as %+v, %v", placed, err)
	}
}

func checkUniqueFor(t *trial) {
	s := t.open()
	for _, keep := range []int{0, 1000} {
		first := s.job("one")
		first.Unique, first.UniqueFor, first.Keep = s.id(), 3*t.tick, time.Duration(keep)*t.tick
		began := time.Now()
		s.put(first)
		put := time.Now()
		s.settled(done(s.next(long)))
		again := s.job("two")
		again.Unique = first.Unique
		p := s.place(again)
		if time.Since(began) < 3*t.tick-t.store.Precision && (!p.Duplicate || p.ID != first.ID) {
			t.Errorf("a name is one job's for %v, whose job has ended (and is kept for %v): another was placed as %+v", 3*t.tick, first.Keep, p)
		}
		t.Pause(time.Until(put.Add(t.late(3 * t.tick))))
		again.ID = s.id()
		if p := s.place(again); p.ID == first.ID {
			t.Errorf("the time is over for which a name was one job's, and another was placed as %+v", p)
		}
		for s.stats().Ready > 0 {
			s.settled(done(s.next(long)))
		}
	}
}

// sixteen does f sixteen times at once.
func (t *trial) sixteen(f func(i int)) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() { f(i) })
	}
	over := make(chan struct{})
	go func() {
		wg.Wait()
		close(over)
	}()
	t.Within("sixteen calls at once did not end", over)
}

func checkUniqueAtOnce(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	for _, what := range []string{"id", "key", "name"} {
		if what == "key" && !caps.Keys || what == "name" && !caps.Uniques {
			continue
		}
		var mu sync.Mutex
		var placed []driver.Placed
		shared := s.id()
		t.sixteen(func(int) {
			e := s.job("the same")
			switch what {
			case "id":
				e.ID = shared
			case "key":
				e.Key = shared
			default:
				e.Unique = shared
			}
			p := s.place(e)
			mu.Lock()
			defer mu.Unlock()
			placed = append(placed, p)
		})
		fresh := 0
		for _, p := range placed {
			if p.ID != placed[0].ID {
				t.Errorf("of sixteen jobs put at once with one %s, one was placed as %s and one as %s", what, placed[0].ID, p.ID)
			}
			if !p.Duplicate {
				fresh++
			}
		}
		if fresh != 1 {
			t.Errorf("of sixteen jobs put at once with one %s, %d were new, want 1", what, fresh)
		}
		s.settled(done(s.next(long)))
		s.empty("sixteen jobs were put at once with one " + what)
	}
}
