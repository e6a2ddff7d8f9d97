package queuetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A mistake is a backend that breaks one rule.
type mistake struct {
	name string
	rule string
	bend func(*bent)
}

// A suite that finds nothing in a broken backend proves nothing. Each of these is
// broken in one respect, and must be found out by the rule it breaks.
func TestMistakesAreFoundOut(t *testing.T) {
	seen := map[string]bool{soak.Name: true} // has mistakes of its own
	for _, m := range slices.Concat(putMistakes, takeMistakes, leaseMistakes, settleMistakes, recordMistakes) {
		seen[m.rule] = true
		t.Run(m.rule+"/"+m.name, func(t *testing.T) {
			found := tryBubble(t, suite.Named(t, rules, m.rule), Store{Open: bentBy(m.bend), Bubble: true})
			if len(found) == 0 {
				t.Fatalf("rule %s found nothing wrong", m.rule)
			}
			t.Logf("found out: %.300s", found[0])
		})
	}
	for _, m := range processMistakes {
		seen[m.rule] = true
		t.Run(m.rule+"/"+m.name, func(t *testing.T) {
			found := tryBubble(t, suite.Named(t, rules, m.rule), views(m.bend))
			if len(found) == 0 {
				t.Fatalf("rule %s found nothing wrong", m.rule)
			}
			t.Logf("found out: %.300s", found[0])
		})
	}
	seen["NoLeak"] = true // see below
	suite.Sound(t, rules, seen)
}

// A goroutine that is left would end a bubble.
func TestLeakIsFoundOut(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	found := try(t, suite.Named(t, rules, "NoLeak"), Store{Patience: 200 * time.Millisecond, Open: bentBy(func(b *bent) { go func() { <-end }() })})
	if len(found) == 0 {
		t.Errorf("rule NoLeak found nothing wrong")
	}
}

func tryBubble(t *testing.T, r rule, w Store) (found []string) {
	defer w.world().Watchdog(r.Name).Stop()
	synctest.Test(t, func(t *testing.T) { found = try(t, r, w) })
	return found
}

// jobs changes each job that is put.
func jobs(f func(*driver.Envelope)) func(*bent) {
	return func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			for i := range r.Jobs {
				f(&r.Jobs[i])
			}
			return b.everything.Put(ctx, r)
		}
	}
}

// puts changes each Put.
func puts(f func(*driver.PutRequest)) func(*bent) {
	return func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			f(&r)
			return b.everything.Put(ctx, r)
		}
	}
}

// takes changes each Take, before and after.
func takes(before func(*driver.TakeRequest), after func(*driver.Leased)) func(*bent) {
	return func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			if before != nil {
				before(&r)
			}
			n := len(into)
			got, err := b.everything.Take(ctx, into, r)
			for i := range got[n:] {
				if after != nil {
					after(&got[n+i])
				}
			}
			return got, err
		}
	}
}

// extends changes each extension.
func extends(f func(*driver.Extension)) func(*bent) {
	return func(b *bent) {
		b.extend = func(ctx context.Context, q string, x []driver.Extension) []error {
			for i := range x {
				f(&x[i])
			}
			return b.everything.Extend(ctx, q, x)
		}
	}
}

// settles changes each settlement.
func settles(f func(*driver.Settlement)) func(*bent) {
	return func(b *bent) {
		b.settle = func(ctx context.Context, q string, s []driver.Settlement) []error {
			for i := range s {
				f(&s[i])
			}
			return b.everything.Settle(ctx, q, s)
		}
	}
}

// answers changes each error of an Extend or Settle.
func answers(errs []error, f func(i int, err error) error) []error {
	some := false
	for i, err := range errs {
		errs[i] = f(i, err)
		some = some || errs[i] != nil
	}
	if !some {
		return nil
	}
	return errs
}

// fences knows the last fence of each job.
type fences struct {
	mu   sync.Mutex
	last map[string]int64
}

func (f *fences) note(l *driver.Leased) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		f.last = map[string]int64{}
	}
	f.last[l.ID] = l.Fence
}

// fix puts the last fence in the place of an older.
func (f *fences) fix(l *driver.Lease) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last, ok := f.last[l.ID]; ok {
		l.Fence = last
	}
}

// polling looks for jobs now and then, and hears of none.
func polling(b *bent) {
	b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
		return poll(ctx, b.everything, into, r)
	}
}

func poll(ctx context.Context, b driver.Backend, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	wait := r.Wait
	for from := time.Now(); ; {
		r.Wait = 1
		n := len(into)
		got, err := b.Take(ctx, into, r)
		if err != nil || len(got) > n || wait > 0 && time.Since(from) >= wait {
			return got, err
		}
		time.Sleep(70 * time.Millisecond)
	}
}

var putMistakes = []mistake{
	{"loses a header", "RoundTrip", takes(nil, func(l *driver.Leased) { l.Header = nil })},
	{"keeps text only", "RoundTrip", jobs(func(e *driver.Envelope) { e.Payload = []byte(string([]rune(string(e.Payload)))) })},
	{"loses the kind", "RoundTrip", jobs(func(e *driver.Envelope) { e.Kind = "" })},
	{"loses the content type", "RoundTrip", settles(func(s *driver.Settlement) { s.ContentType = "" })},
	{"takes more than it says", "MaxPayload", func(b *bent) {
		b.caps = func(c driver.Capabilities) driver.Capabilities { c.MaxPayload = 1000; return c }
	}},
	{"takes less than it says", "MaxPayload", func(b *bent) {
		b.caps = func(c driver.Capabilities) driver.Capabilities { c.MaxPayload *= 2; return c }
	}},
	{"puts one by one", "PutAllOrNone", func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			for _, e := range r.Jobs {
				r := r
				r.Jobs = []driver.Envelope{e}
				if _, err := b.everything.Put(ctx, r); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}
	}},
	{"has one queue", "QueuesApart", func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			r.Queue = "one"
			return b.everything.Put(ctx, r)
		}
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			r.Queue = "one"
			return b.everything.Take(ctx, into, r)
		}
	}},
	{"overflows", "LongTimes", jobs(func(e *driver.Envelope) {
		if time.Now().UnixNano()+int64(e.Delay) < 0 {
			e.Delay = 0
		}
	})},
	{"leases that overflow are over", "LongTimes", takes(func(r *driver.TakeRequest) {
		if time.Now().UnixNano()+int64(r.Lease) < 0 {
			r.Lease = 1
		}
	}, nil)},
	{"stores an ID twice", "SameID", storesTwice},
	{"places only what is new", "SomeDuplicates", func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			placed, err := b.everything.Put(ctx, r)
			return slices.DeleteFunc(placed, func(p driver.Placed) bool { return p.Duplicate }), err
		}
	}},
	{"has no keys", "Keys", jobs(func(e *driver.Envelope) { e.Key = "" })},
	{"does not compare payloads", "Keys", jobs(func(e *driver.Envelope) {
		if e.Unique == "" {
			e.Unique, e.UniqueFor, e.Key = e.Key, time.Hour, ""
		}
	})},
	{"keeps keys for ever", "KeyEnds", jobs(func(e *driver.Envelope) {
		if e.Key != "" {
			e.Keep = 24 * time.Hour
		}
	})},
	{"has no unique names", "Unique", jobs(func(e *driver.Envelope) { e.Unique = "" })},
	{"keeps unique names too long", "Unique", jobs(func(e *driver.Envelope) { e.UniqueFor = time.Hour })},
	{"frees a unique name with its job", "UniqueFor", jobs(func(e *driver.Envelope) { e.UniqueFor = 0 })},
	{"looks before it stores", "PlacedOnce", func(b *bent) {
		var mu sync.Mutex
		seen := map[string]bool{}
		jobs(func(e *driver.Envelope) {
			mu.Lock()
			known := seen[e.Unique]
			mu.Unlock()
			if known || e.Unique == "" {
				return
			}
			time.Sleep(time.Millisecond)
			mu.Lock()
			seen[e.Unique] = true
			mu.Unlock()
			e.Unique = ""
		})(b)
	}},
	{"has no limit", "Reject", puts(func(r *driver.PutRequest) { r.Capacity = 0 })},
	{"has room for one more", "Reject", puts(func(r *driver.PutRequest) {
		if r.Capacity > 0 {
			r.Capacity++
		}
	})},
	{"rejects instead of waiting", "Block", puts(func(r *driver.PutRequest) {
		if r.Overflow == driver.Block {
			r.Overflow = driver.Reject
		}
	})},
	{"looks for room now and then", "Block", func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			block := r.Overflow == driver.Block
			for {
				if block {
					r.Overflow = driver.Reject
				}
				placed, err := b.everything.Put(ctx, r)
				if !block || !errors.Is(err, driver.ErrFull) || ctx.Err() != nil {
					return placed, errors.Join(err, ctx.Err())
				}
				time.Sleep(70 * time.Millisecond)
			}
		}
	}},
	{"waits for room for ever", "Block", func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			return b.everything.Put(context.WithoutCancel(ctx), r)
		}
	}},
	{"drops the newest", "DropOldest", puts(func(r *driver.PutRequest) {
		if r.Overflow == driver.DropOldest && len(r.Jobs) == 1 && string(r.Jobs[0].Payload) == "c" {
			r.Jobs = nil
		}
	})},
	{"claims whatever there is", "Claim", func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			claim := r.Claim
			r.Claim = 0
			placed, err := b.everything.Put(ctx, r)
			if err == nil && claim > 0 {
				got, _ := b.everything.Take(ctx, nil, driver.TakeRequest{Queue: r.Queue, Max: 1, Lease: r.Lease, Wait: 1})
				if len(got) > 0 {
					return []driver.Placed{{ID: r.Jobs[0].ID, Leased: &got[0]}}, nil
				}
			}
			return placed, err
		}
	}},
}

var takeMistakes = []mistake{
	{"does not append", "TakeAppends", func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			return b.everything.Take(ctx, into[:0], r)
		}
	}},
	{"takes more than was asked for", "TakeAppends", takes(func(r *driver.TakeRequest) { r.Max++ }, nil)},
	{"does not wait", "TakeWaits", takes(func(r *driver.TakeRequest) { r.Wait = 1 }, nil)},
	{"waits longer", "TakeWaits", takes(func(r *driver.TakeRequest) { r.Wait *= 2 }, nil)},
	{"fails when nothing came", "TakeWaits", func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			ctx, cancel := context.WithTimeout(ctx, r.Wait)
			defer cancel()
			r.Wait = 0
			return b.everything.Take(ctx, into, r)
		}
	}},
	{"sleeps and looks", "TakeWakes", polling},
	{"wakes one", "AllWake", func(b *bent) {
		var mu sync.Mutex
		waits := 0
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			mu.Lock()
			waits++
			first := waits == 1
			mu.Unlock()
			defer func() { mu.Lock(); waits--; mu.Unlock() }()
			if first {
				return b.everything.Take(ctx, into, r)
			}
			return poll(ctx, b.everything, into, r)
		}
	}},
	{"loses a wake with who leaves", "WakeIsPassedOn", func(b *bent) {
		wake := make(chan struct{}, 1)
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			placed, err := b.everything.Put(ctx, r)
			select {
			case wake <- struct{}{}:
			default:
			}
			return placed, err
		}
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			for {
				n := len(into)
				if ctx.Err() != nil {
					return into, ctx.Err()
				}
				got, err := b.everything.Take(ctx, into, driver.TakeRequest{Queue: r.Queue, Max: r.Max, Lease: r.Lease, Wait: 1})
				if err != nil || len(got) > n {
					return got, err
				}
				select {
				case <-wake:
				case <-ctx.Done():
				}
			}
		}
	}},
	{"does not look at its context", "TakeEnds", func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			return b.everything.Take(context.WithoutCancel(ctx), into, r)
		}
	}},
	{"hands out to who has gone", "TakeEnds", func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			if ctx.Err() != nil {
				r.Wait = 1
				return b.everything.Take(context.WithoutCancel(ctx), into, r)
			}
			return b.everything.Take(ctx, into, r)
		}
	}},
	{"leaks what it leased", "TakeLeaksNothing", leaking},
	{"hands out twice", "EachOnce", twice},
	{"is always young", "Age", takes(nil, func(l *driver.Leased) { l.Age = 0 })},
	{"has always as long to live", "Age", takes(nil, func(l *driver.Leased) {
		if l.Left > 0 {
			l.Left = time.Hour
		}
	})},
	{"hands out the last first", "Order", func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			got, err := b.everything.Take(ctx, into, r)
			slices.Reverse(got)
			return got, err
		}
	}},
	{"puts what was delayed last", "ReadyOrder", jobs(func(e *driver.Envelope) { e.Delay *= 3 })},
	{"hands out in the order of put", "ReadyOrder", func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			got, err := b.everything.Take(ctx, into, r)
			slices.SortFunc(got, func(a, b driver.Leased) int { return len(b.Payload) - len(a.Payload) })
			return got, err
		}
	}},
	{"has one priority", "Priority", jobs(func(e *driver.Envelope) { e.Priority = 0 })},
	{"turns priorities round", "Priority", jobs(func(e *driver.Envelope) { e.Priority = -1 - e.Priority })},
	{"has no groups", "GroupOneAtATime", ungrouped},
	{"lets a group overtake a delay", "GroupOrder", jobs(func(e *driver.Envelope) {
		if e.Delay > 0 {
			e.Group = ""
		}
	})},
	{"puts a retry at the end of its group", "GroupOrder", func(b *bent) {
		b.settle = func(ctx context.Context, q string, all []driver.Settlement) []error {
			s := all[0]
			if s.Outcome != driver.Retry {
				return b.everything.Settle(ctx, q, all)
			}
			found, _ := b.everything.Lookup(ctx, q, []string{s.ID}, true)
			s.Outcome = driver.Done
			errs := b.everything.Settle(ctx, q, []driver.Settlement{s})
			if errs == nil && len(found) > 0 {
				r := found[0]
				_, _ = b.everything.Forget(ctx, q, []string{s.ID})
				_, _ = b.everything.Put(ctx, driver.PutRequest{Queue: q, Jobs: []driver.Envelope{{ID: r.ID, Kind: r.Kind, Payload: r.Payload, Group: r.Group}}})
			}
			return errs
		}
	}},
	{"a first that was canceled stays in the way", "GroupGoesOn", func(b *bent) {
		b.cancel = func(ctx context.Context, q, id string) (driver.Record, error) {
			found, err := b.everything.Lookup(ctx, q, []string{id}, false)
			found[0].State = antiphon.StateCanceled
			return found[0], err
		}
	}},
	{"never expires", "Expires", jobs(func(e *driver.Envelope) { e.TTL = 0 })},
	{"takes what expires from its holder", "Expires", func(b *bent) {
		takes(func(r *driver.TakeRequest) { r.Lease = time.Second }, nil)(b)
		extends(func(x *driver.Extension) { x.For = time.Second })(b)
	}},
	{"says only that it failed", "Expires", func(b *bent) {
		b.record = func(r driver.Record) driver.Record {
			if r.State == antiphon.StateExpired {
				r.State = antiphon.StateFailed
			}
			return r
		}
	}},
}

// storesTwice takes a job that is put again for another.
func storesTwice(b *bent) {
	var seen sync.Map
	jobs(func(e *driver.Envelope) {
		if _, known := seen.LoadOrStore(e.ID, true); known {
			e.ID += "'"
		}
	})(b)
}

func ungrouped(b *bent) { jobs(func(e *driver.Envelope) { e.Group = "" })(b) }

// twice hands out every eighth job twice.
func twice(b *bent) {
	var mu sync.Mutex
	n := 0
	var spare *driver.Leased
	b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
		mu.Lock()
		again := spare
		spare = nil
		mu.Unlock()
		if again != nil {
			return append(into, *again), nil
		}
		got, err := b.everything.Take(ctx, into, r)
		mu.Lock()
		defer mu.Unlock()
		if n += len(got); len(got) > 0 && n%8 == 0 {
			l := got[len(got)-1]
			spare = &l
		}
		return got, err
	}
}

// leaking leases jobs to nobody when the context of a Take has ended.
func leaking(b *bent) {
	b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
		got, err := b.everything.Take(ctx, into, r)
		if ctx.Err() != nil {
			r.Wait = 1
			_, _ = b.everything.Take(context.WithoutCancel(ctx), nil, r)
			return into, ctx.Err()
		}
		return got, err
	}
}
