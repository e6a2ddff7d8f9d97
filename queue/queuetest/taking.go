package queuetest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
)

func checkTakeAppends(t *trial) {
	s := t.open()
	jobs := []driver.Envelope{s.job("1"), s.job("2"), s.job("3"), s.job("4"), s.job("5")}
	s.put(jobs...)
	if got := s.take(2, long); len(got) > 2 {
		t.Errorf("Take of at most 2 returned %d", len(got))
	} else if len(got) < 2 {
		s.all(2 - len(got))
	}
	ctx, cancel := t.Patient()
	defer cancel()
	mine := driver.Leased{Kind: "mine"}
	into := make([]driver.Leased, 1, 10)
	into[0] = mine
	got, err := s.b.Take(ctx, into, driver.TakeRequest{Queue: s.queue, Max: 10, Lease: long, Wait: t.store.Patience})
	if err != nil || len(got) < 2 || got[0].Kind != "mine" {
		t.Fatalf("Take that is to append to one job returned %d, the first of kind %q, and %v", len(got), got[0].Kind, err)
	}
	got = append(got[1:], s.all(3-len(got[1:]))...)
	for i, l := range got {
		s.is("the last three of five", l, jobs[2+i], 1)
	}
	s.empty("all have been handed out")
}

func checkTakeWaits(t *trial) {
	s := t.open()
	s.put(s.job("so that the queue exists"))
	s.next(long)
	ctx, cancel := t.Patient()
	defer cancel()
	into := []driver.Leased{{Kind: "mine"}}
	from := time.Now()
	got, err := s.b.Take(ctx, into, driver.TakeRequest{Queue: s.queue, Max: 1, Lease: long, Wait: t.tick})
	if err != nil || len(got) != 1 || got[0].Kind != "mine" {
		t.Errorf("nothing came within Wait, and Take returned %d jobs and %v; want into as it was", len(got), err)
	}
	t.notBefore("Take with a Wait returned", from, t.tick)
	t.Soon("Take with a Wait returned", from.Add(t.tick))
}

// A taking is a Take under way.
type taking struct {
	jobs []driver.Leased
	err  error
	at   time.Time
	done chan struct{}
}

// taker begins a Take that waits.
func (s *side) taker(ctx context.Context, n int, lease time.Duration) *taking {
	k := &taking{done: make(chan struct{})}
	go func() {
		defer close(k.done)
		k.jobs, k.err = s.b.Take(ctx, nil, driver.TakeRequest{Queue: s.queue, Max: n, Lease: lease})
		k.at = time.Now()
	}()
	return k
}

// got waits for a Take that is to return a job.
func (s *side) got(what string, k *taking) driver.Leased {
	s.Helper()
	s.Within(what+", and a Take that waits did not return", k.done)
	if k.err != nil || len(k.jobs) != 1 {
		s.Fatalf("%s, and a Take that waits returned %d jobs and %v", what, len(k.jobs), k.err)
	}
	return k.jobs[0]
}

func checkTakeWakes(t *trial) {
	s := t.open()
	for range 8 {
		k := s.taker(t.Context(), 1, long)
		t.Pause(t.tick / 8)
		e := s.job("wakes")
		from := time.Now()
		s.put(e)
		s.is("put while a Take waits", s.got("a job was put", k), e, 1)
		t.Soon("a Take that waits got the job that was put", from)
	}
}

// wakesAfter sees that a Take that waits gets the job of e when its time has come.
func (s *side) wakesAfter(what string, k *taking, e driver.Envelope, attempt int, from, returned time.Time, d time.Duration) driver.Leased {
	s.Helper()
	l := s.got(what, k)
	s.is(what, l, e, attempt)
	if early := k.at.Sub(from); early < d-s.store.Precision {
		s.Errorf("%s: handed out after %v, before %v had passed", what, early, d)
	}
	if late := k.at.Sub(returned) - d; late > s.store.Slack {
		s.Errorf("%s: handed out %v late; the slack is %v", what, late, s.store.Slack)
	}
	return l
}

func checkAllWake(t *trial) {
	s := t.open()
	for _, once := range []bool{true, false} {
		const n = 5
		var ks []*taking
		for range n {
			ks = append(ks, s.taker(t.Context(), 1, long))
		}
		t.Pause(t.tick / 4)
		var jobs []driver.Envelope
		for range n {
			jobs = append(jobs, s.job("for each"))
		}
		from := time.Now()
		if once {
			s.put(jobs...)
		} else {
			for _, e := range jobs {
				s.put(e)
			}
		}
		seen := map[string]bool{}
		for _, k := range ks {
			seen[s.got("five jobs were put, and five wait", k).ID] = true
		}
		t.Soon("five who waited got a job each", from)
		if len(seen) != n {
			t.Errorf("five who waited got %d different jobs", len(seen))
		}
	}
}

// A taker who was chosen and goes away must not take the wake along.
func checkWakeIsPassedOn(t *trial) {
	s := t.open()
	for i := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		leaves := s.taker(ctx, 1, long)
		stays := s.taker(t.Context(), 1, long)
		t.Pause(t.tick / 100)
		e := s.job("for who stays")
		if i%2 == 0 { // who is woken finds that it is to leave
			s.put(e)
			cancel()
		} else {
			put := make(chan struct{})
			go func() {
				defer close(put)
				s.put(e)
			}()
			for range i % 8 {
				runtime.Gosched()
			}
			cancel()
			t.Within("Put did not return", put)
		}
		t.Within("the context of a Take has ended, and it did not return", leaves.done)
		if len(leaves.jobs) == 0 {
			s.is("another taker left", s.got("a job was put, and another taker left", stays), e, 1)
			continue
		}
		last := s.job("for who stayed")
		s.put(last)
		s.is("another taker got the one before", s.got("a job was put", stays), last, 1)
	}
}

func checkTakeEnds(t *trial) {
	s := t.open()
	ctx, cancel := context.WithCancel(t.Context())
	k := s.taker(ctx, 1, long)
	t.Pause(t.tick / 4)
	from := time.Now()
	cancel()
	t.Within("the context of a Take has ended, and it did not return", k.done)
	t.Soon("a Take whose context has ended returned", from)
	if !errors.Is(k.err, context.Canceled) {
		t.Errorf("the context of a Take was canceled, and it returned %d jobs and %v", len(k.jobs), k.err)
	}
	e := s.job("for others")
	s.put(e)
	k = s.taker(ctx, 1, long)
	t.Within("Take with a context that had ended did not return", k.done)
	if len(k.jobs) > 0 || !errors.Is(k.err, context.Canceled) {
		t.Errorf("Take with a context that had ended returned %d jobs and %v", len(k.jobs), k.err)
	}
	s.is("others gave up", s.next(long), e, 1)
}

// Whatever is put while takers give up is either returned by one of them, or ready.
func checkTakeLeaksNothing(t *trial) {
	s := t.open()
	const n = 100
	had := map[string]int{}
	for i := range n {
		ctx, cancel := context.WithCancel(t.Context())
		k := s.taker(ctx, 4, long)
		put := make(chan struct{})
		e := s.job("for somebody")
		had[e.ID] = 0
		go func() {
			defer close(put)
			s.put(e)
		}()
		for range i % 16 {
			runtime.Gosched()
		}
		cancel()
		t.Within("Put did not return", put)
		t.Within("the context of a Take has ended, and it did not return", k.done)
		for _, l := range k.jobs {
			had[l.ID]++
		}
	}
	for {
		got, err := s.tryTake(n, long, t.tick/4)
		if err != nil {
			t.Fatalf("Take: %v", err)
		}
		if len(got) == 0 {
			break
		}
		for _, l := range got {
			had[l.ID]++
		}
	}
	for id, times := range had {
		if times != 1 {
			t.Errorf("takers gave up, and %s was handed out %d times, want once", id, times)
		}
	}
}

// eachOnce has sixteen takers, of the sides in turn, take n jobs that are put
// meanwhile.
func (t *trial) eachOnce(sides ...*side) {
	t.Helper()
	const n, most = 320, 3
	var mu sync.Mutex
	had := map[string]int{}
	total := 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		t.sixteen(func(i int) {
			s := sides[i%len(sides)]
			for {
				got, err := s.b.Take(ctx, nil, driver.TakeRequest{Queue: s.queue, Max: 1 + i%most, Lease: long})
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("Take: %v", err)
					}
					return
				}
				var all []driver.Settlement
				mu.Lock()
				for _, l := range got {
					had[l.ID]++
					all = append(all, done(l))
				}
				total += len(got)
				if total >= n {
					stop()
				}
				mu.Unlock()
				if errs := s.b.Settle(t.Context(), s.queue, all); errs != nil {
					t.Errorf("Settle: %v", errs)
				}
			}
		})
	}()
	for i := 0; i < n; i += 4 {
		s := sides[i/4%len(sides)]
		s.put(s.job("1"), s.job("2"), s.job("3"), s.job("4"))
	}
	t.Within("not all jobs were handed out and settled", over)
	if len(had) != n {
		t.Errorf("%d jobs were put, and %d handed out", n, len(had))
	}
	for id, times := range had {
		if times != 1 {
			t.Errorf("%s was handed out %d times", id, times)
		}
	}
	sides[0].empty("each has been handed out, and settled")
}

func checkEachOnce(t *trial) { t.eachOnce(t.open()) }

func checkAge(t *trial) {
	s := t.open()
	e := s.job("old")
	e.TTL = time.Hour
	before := time.Now()
	s.put(e)
	after := time.Now()
	age := func(l driver.Leased) {
		t.Helper()
		if least := time.Since(after); l.Age > time.Since(before)+t.store.Precision || l.Age < least-t.store.Precision-t.store.Slack {
			t.Errorf("put about %v ago, and of age %v", least, l.Age)
		}
		if sum := l.Age + l.Left; sum > e.TTL+t.store.Precision || sum < e.TTL-t.store.Precision-t.store.Slack {
			t.Errorf("of age %v, with %v left, and to live %v", l.Age, l.Left, e.TTL)
		}
	}
	t.Pause(t.tick)
	l := s.next(long)
	age(l)
	s.settled(retry(l, 0))
	t.Pause(t.tick)
	age(s.next(long))
}
