package queuetest

import (
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

func checkDelay(t *trial) {
	s := t.open()
	for _, d := range []time.Duration{t.tick, t.tick / 10, t.tick*2 + time.Microsecond} {
		e := s.job("later")
		e.Delay = d
		k := s.taker(t.Context(), 1, long)
		from := time.Now()
		s.put(e)
		l := s.wakesAfter("a job was delayed", k, e, 1, from, time.Now(), d)
		from = time.Now()
		k = s.taker(t.Context(), 1, long)
		s.settled(retry(l, d))
		l = s.wakesAfter("a job is to be tried again later", k, e, 2, from, time.Now(), d)
		from = time.Now()
		k = s.taker(t.Context(), 1, long)
		s.settled(release(l, d))
		s.wakesAfter("a job was given back for later", k, e, 2, from, time.Now(), d)
	}
	// One that is due earlier is not held up by one that is due later.
	late, soon := s.job("late"), s.job("soon")
	late.Delay, soon.Delay = long, t.tick
	s.put(late)
	k := s.taker(t.Context(), 1, long)
	t.Pause(t.tick / 8)
	from := time.Now()
	s.put(soon)
	s.wakesAfter("a job was delayed, and another for longer", k, soon, 1, from, time.Now(), t.tick)
}

func checkLeaseLasts(t *trial) {
	s := t.open()
	e := s.job("leased")
	s.put(e)
	from := time.Now()
	first := s.next(t.tick)
	returned := time.Now()
	second := s.wakesAfter("a lease ran out", s.taker(t.Context(), 1, t.tick/2), e, 2, from, returned, t.tick)
	if second.Fence == first.Fence {
		t.Errorf("two leases of a job have the fence %d", second.Fence)
	}
	k := s.taker(t.Context(), 1, long)
	third := s.got("a lease ran out", k)
	s.is("a lease ran out again", third, e, 3)
	s.settled(done(third))
	s.empty("the job has ended")
}

func checkAttempts(t *trial) {
	s := t.open()
	e := s.job("counted")
	s.put(e)
	fences := map[int64]bool{}
	last := int64(0)
	hand := func(what string, lease time.Duration, attempt int) driver.Leased {
		t.Helper()
		l := s.next(lease)
		s.is(what, l, e, attempt)
		if fences[l.Fence] || l.Fence <= last {
			t.Errorf("%s: the fence is %d, and was %d before: it counts the hand-outs", what, l.Fence, last)
		}
		fences[l.Fence], last = true, l.Fence
		return l
	}
	s.settled(release(hand("the first hand-out", long, 1), 0))
	s.settled(release(hand("released", long, 1), 0))
	s.settled(retry(hand("released again", long, 1), 0))
	s.settled(release(hand("tried again", long, 2), 0))
	s.settled(retry(hand("tried again, and released", long, 2), 0))
	hand("tried again", t.tick/2, 3)
	l := hand("its lease ran out", long, 4)
	s.settled(release(l, 0))
	s.settled(done(hand("its lease ran out, and it was released", long, 4)))
}

// inTime repeats f, which is to be done while a lease lasts, on a machine that may
// be too slow.
func (t *trial) inTime(lease time.Duration, f func() (from time.Time, ok bool)) {
	t.Helper()
	for range 5 {
		from, ok := f()
		if ok {
			return
		}
		if time.Since(from) < lease {
			t.Fatalf("a lease of %v was over after %v", lease, time.Since(from))
		}
	}
	t.Fatalf("the machine is too slow: nothing was done within %v", lease)
}

// extended takes a job for a tick, extends that for d, and returns it with the time
// before it was extended and after.
func (s *side) extended(x driver.Extension, d time.Duration) (l driver.Leased, before, after time.Time) {
	s.Helper()
	s.inTime(s.tick, func() (time.Time, bool) {
		from := time.Now()
		l = s.next(s.tick)
		x.Lease, x.For = l.Lease, d
		before = time.Now()
		err := s.extend(x)
		after = time.Now()
		if err != nil && !errors.Is(err, driver.ErrLeaseLost) {
			s.Fatalf("Extend: %v", err)
		}
		return from, err == nil
	})
	return l, before, after
}

func checkExtend(t *trial) {
	s := t.open()
	e := s.job("extended")
	s.put(e)
	l, before, after := s.extended(driver.Extension{}, 3*t.tick)
	l = s.wakesAfter("a lease was extended", s.taker(t.Context(), 1, long), e, l.Attempt+1, before, after, 3*t.tick)
	before = time.Now()
	if err := s.extend(driver.Extension{Lease: l.Lease, For: t.tick}); err != nil {
		t.Fatalf("Extend: %v", err)
	}
	// It counts from now, and may be less than there was.
	l = s.wakesAfter("a long lease was changed to a short one", s.taker(t.Context(), 1, long), e, l.Attempt+1, before, time.Now(), t.tick)
	for range 3 {
		if err := s.extend(driver.Extension{Lease: l.Lease, For: long}); err != nil {
			t.Errorf("Extend: %v", err)
		}
	}
	s.settled(done(l))
	s.empty("the job has ended")
}

func checkExtendFenced(t *trial) {
	s := t.open()
	e := s.job("fenced")
	s.put(e)
	late := func(what string, l driver.Lease) {
		t.Helper()
		s.lost("Extend, and "+what, s.extend(driver.Extension{
			Lease: l, For: long, Checkpoint: []byte("late"), Progress: &antiphon.Progress{Percent: 99, Message: "late"},
		}))
	}
	first := s.next(t.tick / 2)
	second := s.next(long)
	late("another has the job", first.Lease)
	late("the fence was never given", driver.Lease{ID: e.ID, Fence: second.Fence + 1})
	late("the fence is 0", driver.Lease{ID: e.ID})
	late("there is no such job", driver.Lease{ID: s.id(), Fence: 1})
	s.settled(retry(second, 0))
	late("the lease was settled", second.Lease)
	third := s.next(t.tick / 2)
	if string(third.Checkpoint) != "" {
		t.Errorf("who had lost the lease stored the checkpoint %q", third.Checkpoint)
	}
	if _, ok := s.b.(driver.Results); ok {
		if r := s.record(e.ID); r.Percent != 0 || r.Message != "" {
			t.Errorf("who had lost the lease reported %v %%, %s", r.Percent, r.Message)
		}
	}
	t.Pause(t.late(t.tick / 2))
	late("the lease has run out, and nobody has the job", third.Lease)
	fourth := s.next(long)
	s.is("its lease ran out", fourth, e, 4)
	s.settled(done(fourth))
	late("the job has ended", fourth.Lease)
	s.state(e.ID, antiphon.StateSucceeded)
}

func checkCheckpoint(t *trial) {
	s := t.open()
	e := s.job("resumed")
	s.put(e)
	store := func(l driver.Leased, c []byte) {
		t.Helper()
		if err := s.extend(driver.Extension{Lease: l.Lease, For: long, Checkpoint: c}); err != nil {
			t.Fatalf("Extend with a checkpoint: %v", err)
		}
	}
	has := func(what string, l driver.Leased, want string) {
		t.Helper()
		if string(l.Checkpoint) != want {
			t.Errorf("%s: the checkpoint is %q, want %q", what, l.Checkpoint, want)
		}
	}
	l := s.next(long)
	has("the first attempt", l, "")
	store(l, []byte("one"))
	store(l, []byte("two\xff\x00"))
	store(l, nil)
	s.settled(retry(l, 0))
	l = s.next(long)
	has("tried again", l, "two\xff\x00")
	store(l, []byte("three"))
	s.settled(release(l, 0))
	l = s.next(long)
	has("released", l, "three")
	store(l, []byte("four"))
	if err := s.extend(driver.Extension{Lease: l.Lease, For: t.tick / 4}); err != nil {
		t.Errorf("Extend: %v", err)
	}
	l = s.next(long)
	has("its lease ran out", l, "four")
	s.settled(done(l))
}

func checkProgress(t *trial) {
	s := t.open()
	e := s.job("reports")
	s.put(e)
	l := s.next(long)
	before := s.record(e.ID)
	if err := s.extend(driver.Extension{Lease: l.Lease, For: long, Progress: &antiphon.Progress{Percent: 12.5, Message: "an eighth", Data: []byte("\x00\xff")}}); err != nil {
		t.Fatalf("Extend with progress: %v", err)
	}
	r := s.record(e.ID)
	if r.Percent != 12.5 || r.Message != "an eighth" || string(r.Data) != "\x00\xff" || r.State != antiphon.StateRunning {
		t.Errorf("reported 12.5 %%, an eighth; the record is of %v %%, %s, %q, %s", r.Percent, r.Message, r.Data, r.State)
	}
	if r.Version <= before.Version {
		t.Errorf("the work has reported, and the record is still of version %d", r.Version)
	}
	if err := s.extend(driver.Extension{Lease: l.Lease, For: long}); err != nil {
		t.Errorf("Extend: %v", err)
	}
	if r := s.record(e.ID); r.Percent != 12.5 {
		t.Errorf("Extend without progress changed it to %v %%", r.Percent)
	}
}

// Errors are by item, and those of some are no harm to others.
func checkExtendEach(t *trial) {
	s := t.open()
	s.put(s.job("1"), s.job("2"), s.job("3"))
	ls := s.all(3)
	s.settled(retry(ls[1], 0))
	ctx, cancel := t.Patient()
	defer cancel()
	var xs []driver.Extension
	for i, l := range ls {
		xs = append(xs, driver.Extension{Lease: l.Lease, For: long, Checkpoint: []byte{byte('1' + i)}})
	}
	for i, err := range s.each("Extend", s.b.Extend(ctx, s.queue, xs), 3) {
		if i == 1 {
			s.lost("the second of three extensions, whose lease is over", err)
		} else if err != nil {
			t.Errorf("extension %d of three, of which the second's lease is over: %v", i+1, err)
		}
	}
	s.each("Extend", s.b.Extend(ctx, s.queue, []driver.Extension{xs[0], xs[2]}), 2)
	s.settled(retry(ls[0], 0))
	s.settled(retry(ls[2], 0))
	for i, l := range s.all(3) {
		if want := []string{"", "1", "3"}[i]; string(l.Checkpoint) != want {
			t.Errorf("after three extensions, of which the second's lease was over, %s has the checkpoint %q, want %q", l.Payload, l.Checkpoint, want)
		}
	}
}
