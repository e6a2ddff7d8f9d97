package queuetest

import (
	"bytes"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// octets is every byte there is, n bytes of them.
func octets(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + i>>8)
	}
	return b
}

func checkRoundTrip(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	header := map[string]string{"": "empty", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Ключ": "значение\x00\r\n\"'\\", "raw": "\xff\xfe\x80"}
	for _, size := range []int{0, 1, 255, 256, 4 << 10, 100 << 10} {
		if caps.MaxPayload > 0 && size > caps.MaxPayload {
			continue
		}
		e := s.job("")
		e.Kind, e.Payload, e.Header = "kind/ä\x00", octets(size), header
		if caps.Keys {
			e.Key = "key \xff" + strconv.Itoa(size)
		}
		if caps.Groups {
			e.Group = "group 'ö'\x00"
		}
		if caps.MaxPriority > 0 {
			e.Priority = caps.MaxPriority
		}
		s.put(e)
		l := s.next(long)
		s.is("a round trip", l, e, 1)
		if l.Kind != e.Kind || l.Key != e.Key || l.Group != e.Group || l.Priority != e.Priority {
			t.Errorf("put kind %q, key %q, group %q, priority %d; handed out %q, %q, %q, %d",
				e.Kind, e.Key, e.Group, e.Priority, l.Kind, l.Key, l.Group, l.Priority)
		}
		if !maps.Equal(l.Header, header) {
			t.Errorf("put the header %q, handed out %q", header, l.Header)
		}
		if l.Checkpoint != nil || l.CancelRequested || l.Left != 0 {
			t.Errorf("a job without a time to live was handed out for the first time with checkpoint %q, canceled %v, %v left", l.Checkpoint, l.CancelRequested, l.Left)
		}
		d := done(l)
		d.Result, d.ContentType = octets(size), "application/x; a=\"b\""
		s.settled(d)
		if _, ok := s.b.(driver.Results); ok {
			if r := s.record(e.ID); !bytes.Equal(r.Result, d.Result) || r.ContentType != d.ContentType {
				t.Errorf("settled with %d bytes of %s; kept are %d of %s", size, d.ContentType, len(r.Result), r.ContentType)
			}
		}
	}
	if caps.MinPriority < 0 {
		e := s.job("low")
		e.Priority = caps.MinPriority
		s.put(e)
		if l := s.next(long); l.Priority != e.Priority {
			t.Errorf("put with priority %d, handed out with %d", e.Priority, l.Priority)
		}
	}
}

// forget makes an ended job unknown.
func (s *side) forget(id string) {
	s.Helper()
	ctx, cancel := s.Patient()
	defer cancel()
	if n, err := s.b.(driver.Results).Forget(ctx, s.queue, []string{id}); n != 1 || err != nil {
		s.Errorf("Forget of a job that has ended: %d, %v", n, err)
	}
}

func checkMaxPayload(t *trial) {
	s := t.open()
	n := s.b.Capabilities().MaxPayload
	big := s.job("")
	big.Payload = octets(n)
	s.put(big)
	l := s.next(long)
	s.is("MaxPayload bytes", l, big, 1)
	over := s.job("")
	over.Payload = octets(n + 1)
	good := s.job("good")
	if _, err := s.tryPut(s.request(good, over)); !errors.Is(err, antiphon.ErrTooLarge) {
		t.Errorf("Put of %d bytes of at most %d: %v, want antiphon.ErrTooLarge", n+1, n, err)
	}
	s.empty("a Put failed because of one job")

	if err := s.extend(driver.Extension{Lease: l.Lease, For: long, Checkpoint: over.Payload}); !errors.Is(err, antiphon.ErrTooLarge) {
		t.Errorf("Extend with a checkpoint of %d bytes of at most %d: %v, want antiphon.ErrTooLarge", n+1, n, err)
	}
	d := done(l)
	d.Result = over.Payload
	if err := s.settle(d); !errors.Is(err, antiphon.ErrTooLarge) {
		t.Errorf("Settle with a result of %d bytes of at most %d: %v, want antiphon.ErrTooLarge", n+1, n, err)
	}
	d.Result = octets(n)
	if err := s.settle(d); err != nil {
		t.Errorf("Settle with a result of MaxPayload bytes, after one that was too large: %v", err)
	}
	s.state(big.ID, antiphon.StateSucceeded)
}

func checkPutAllOrNone(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	refused := func(what string, want error, r driver.PutRequest) {
		t.Helper()
		placed, err := s.tryPut(r)
		if !errors.Is(err, want) {
			t.Errorf("%s: Put returned %v, %v; want %v", what, placed, err, want)
		}
		if class := antiphon.ClassOf(err); err != nil && class != antiphon.ClassNotAccepted {
			t.Errorf("%s: the error's class is %s, want not accepted: nothing was stored", what, class)
		}
		s.empty(what)
	}
	if caps.Keys {
		first := s.job("one")
		first.Key = "taken"
		s.put(first)
		s.settled(done(s.next(long)))
		other := s.job("another")
		other.Key = "taken"
		refused("one of three jobs reused a key", driver.ErrKeyReused, s.request(s.job("a"), other, s.job("b")))
	}
	if caps.Capacity {
		r := s.request(s.job("a"), s.job("b"), s.job("c"))
		r.Capacity = 2
		refused("there was room for two of three jobs", driver.ErrFull, r)
	}
	jobs := []driver.Envelope{s.job("1"), s.job("2"), s.job("3")}
	s.put(jobs...)
	for i, l := range s.all(3) {
		s.is("three jobs of one Put", l, jobs[i], 1)
	}
}

func checkQueuesApart(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	other := &side{trial: t, b: s.b, queue: s.queue + "-other"}
	e := s.job("here")
	if caps.Keys {
		e.Key = "key"
	}
	if caps.Uniques {
		e.Unique = "unique"
	}
	s.put(e)
	other.empty("the job is in another queue")
	if n := other.stats(); n.Ready > 0 {
		t.Errorf("a job in one queue, and another counts %d as ready", n.Ready)
	}
	here := e
	here.ID, here.Payload = s.id(), []byte("there")
	other.fresh("the key and the unique name are another queue's", here)
	l := other.next(long)
	other.is("of two queues", l, here, 1)
	if err := s.settle(done(l)); !errors.Is(err, driver.ErrLeaseLost) {
		t.Errorf("a lease was settled in a queue that is not its own: %v", err)
	}
	other.settled(done(l))
	s.is("of two queues", s.next(long), e, 1)
}

// Numbers so large that adding them to the time of day overflows.
func checkLongTimes(t *trial) {
	s := t.open()
	const ever = time.Duration(1<<63 - 1)
	e := s.job("")
	e.TTL, e.Keep = ever, ever
	s.put(e)
	l := s.next(ever)
	s.is("a job that never expires", l, e, 1)
	s.empty("its lease lasts for ever")
	if err := s.extend(driver.Extension{Lease: l.Lease, For: ever}); err != nil {
		t.Errorf("Extend for ever: %v", err)
	}
	s.empty("its lease was extended for ever")
	if s.b.Capabilities().Delays {
		later := s.job("")
		later.Delay = ever
		s.put(later)
		s.settled(retry(l, ever))
		s.empty("both jobs are delayed for ever")
	} else {
		s.settled(done(l))
	}
	if s.b.Capabilities().Uniques {
		u := s.job("")
		u.Unique, u.UniqueFor, u.Keep = "ever", ever, ever
		s.put(u)
		s.settled(done(s.next(long)))
		again := u
		again.ID = s.id()
		s.duplicate("unique for ever", again, u.ID)
	}
}
