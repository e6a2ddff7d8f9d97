package queuetest

import (
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// counts sees that the numbers are as wanted, where they are known.
func (s *side) counts(when string, want driver.Stats) {
	s.Helper()
	got := s.stats()
	for _, n := range []struct {
		name      string
		got, want int64
	}{
		{"Ready", int64(got.Ready), int64(want.Ready)},
		{"Delayed", int64(got.Delayed), int64(want.Delayed)},
		{"Running", int64(got.Running), int64(want.Running)},
		{"Dead", int64(got.Dead), int64(want.Dead)},
		{"Kept", int64(got.Kept), int64(want.Kept)},
		{"Succeeded", got.Succeeded, want.Succeeded},
		{"Failed", got.Failed, want.Failed},
		{"Canceled", got.Canceled, want.Canceled},
		{"Expired", got.Expired, want.Expired},
		{"Taken", got.Taken, want.Taken},
	} {
		if n.got != n.want && n.got != -1 {
			s.Errorf("%s: %s is %d, want %d", when, n.name, n.got, n.want)
		}
	}
}

func checkStats(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	want := driver.Stats{}
	s.counts("nothing was put", want)
	from := time.Now()
	s.put(s.job("1"), s.job("2"), s.job("3"), s.job("4"), s.job("5"))
	want.Ready = 5
	s.counts("five were put", want)
	t.Pause(t.tick)
	if n := s.stats(); n.Oldest != -1 && (n.Oldest < t.tick-t.store.Precision || n.Oldest > time.Since(from)+t.store.Precision) {
		t.Errorf("the oldest that is ready was put %v ago, and Oldest is %v", time.Since(from), n.Oldest)
	}
	if caps.Delays {
		e := s.job("delayed")
		e.Delay = long
		s.put(e)
		want.Delayed++
		s.counts("one is delayed", want)
	}
	ls := s.all(5)
	want.Ready, want.Running, want.Taken = 0, 5, 5
	s.counts("five are leased", want)
	s.settled(done(ls[0]))
	want.Running, want.Succeeded, want.Kept = 4, 1, 1
	s.counts("one has succeeded", want)
	s.settled(failed(ls[1]))
	want.Running, want.Failed, want.Kept = 3, 1, 2
	s.counts("one has failed", want)
	s.settled(bury(ls[2]))
	want.Running, want.Failed, want.Kept, want.Dead = 2, 2, 3, 1
	s.counts("one is buried", want)
	s.settled(driver.Settlement{Lease: ls[3].Lease, State: antiphon.StateCanceled, Err: boom})
	want.Running, want.Canceled, want.Kept = 1, 1, 4
	s.counts("one is canceled", want)
	s.settled(retry(ls[4], 0))
	want.Running, want.Ready = 0, 1
	s.counts("one is to be tried again", want)
	l := s.next(long)
	want.Running, want.Ready, want.Taken = 1, 0, 6
	s.counts("one is tried again", want)
	s.settled(done(l))
	s.lost("settled otherwise", s.settle(failed(ls[4])))
	_ = s.settle(done(l)) // again, without an effect
	want.Running, want.Succeeded, want.Kept = 0, 2, 5
	s.counts("one is settled twice", want)
	e := s.job("expires")
	e.TTL, e.Keep = t.tick, 0
	s.put(e)
	t.Pause(t.late(t.tick))
	s.empty("it has expired")
	want.Expired++
	s.counts("one has expired", want)
	if caps.Groups {
		s.put(s.group("group", 3)...)
		want.Ready++
		want.Delayed += 2
		s.counts("three of a group wait, two behind the first", want)
		s.next(long)
		want.Ready--
		want.Running++
		want.Taken++
		s.counts("three of a group, one of them leased", want)
	}
}
