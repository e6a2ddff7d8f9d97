package queuetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

var leaseMistakes = []mistake{
	{"is early", "Delay", earlyDelay},
	{"is late", "Delay", jobs(func(e *driver.Envelope) { e.Delay *= 2 })},
	{"retries early", "Delay", earlyRetry},
	{"looks for what is due now and then", "Delay", polling},
	{"ends a lease early", "LeaseLasts", takes(func(r *driver.TakeRequest) { r.Lease /= 2 }, nil)},
	{"ends a lease late", "LeaseLasts", takes(func(r *driver.TakeRequest) { r.Lease *= 2 }, nil)},
	{"never ends a lease", "LeaseLasts", takes(func(r *driver.TakeRequest) { r.Lease = 24 * time.Hour }, nil)},
	{"counts what was released", "Attempts", countsReleases},
	{"counts nothing", "Attempts", takes(nil, func(l *driver.Leased) { l.Attempt = 1 })},
	{"fences by attempt", "Attempts", takes(nil, func(l *driver.Leased) { l.Fence = int64(l.Attempt) })},
	{"extends nothing", "Extend", extendsNothing},
	{"extends from when the lease was to end", "Extend", extends(func(x *driver.Extension) { x.For += time.Second })},
	{"never shortens a lease", "Extend", extends(func(x *driver.Extension) { x.For = max(x.For, 2*time.Second) })},
	{"extends whatever lease", "ExtendFenced", unfencedExtend},
	{"stores a late checkpoint", "ExtendFenced", func(b *bent) {
		late := map[string][]byte{}
		b.extend = func(ctx context.Context, q string, x []driver.Extension) []error {
			errs := b.everything.Extend(ctx, q, x)
			for i, err := range errs {
				if err != nil {
					late[x[i].ID] = x[i].Checkpoint
				}
			}
			return errs
		}
		takes(nil, func(l *driver.Leased) {
			if c := late[l.ID]; c != nil {
				l.Checkpoint = c
			}
		})(b)
	}},
	{"stops at the first that is lost", "ExtendEach", func(b *bent) {
		b.extend = func(ctx context.Context, q string, x []driver.Extension) []error {
			for i := range x {
				if errs := b.everything.Extend(ctx, q, x[i:i+1]); errs != nil {
					return slices.Repeat(errs, len(x))
				}
			}
			return nil
		}
	}},
	{"returns nil for each", "ExtendEach", func(b *bent) {
		b.extend = func(ctx context.Context, q string, x []driver.Extension) []error {
			if errs := b.everything.Extend(ctx, q, x); errs != nil {
				return errs
			}
			return make([]error, len(x))
		}
	}},
	{"has no checkpoints", "Checkpoint", extends(func(x *driver.Extension) { x.Checkpoint = nil })},
	{"forgets a checkpoint", "Checkpoint", extends(func(x *driver.Extension) {
		if x.Checkpoint == nil {
			x.Checkpoint = []byte{}
		}
	})},
	{"hands out a checkpoint to the next attempt only", "Checkpoint", takes(nil, func(l *driver.Leased) {
		if l.Attempt > 2 {
			l.Checkpoint = nil
		}
	})},
	{"drops progress", "Progress", extends(func(x *driver.Extension) { x.Progress = nil })},
	{"drops the data of progress", "Progress", extends(func(x *driver.Extension) {
		if x.Progress != nil {
			p := *x.Progress
			p.Data = nil
			x.Progress = &p
		}
	})},
	{"does not mark who is to end", "CancelLeased", func(b *bent) {
		b.extend = func(ctx context.Context, q string, x []driver.Extension) []error {
			return answers(b.everything.Extend(ctx, q, x), func(_ int, err error) error {
				if errors.Is(err, driver.ErrCanceled) {
					return nil
				}
				return err
			})
		}
	}},
	{"takes the lease of who is to end", "CancelLeased", func(b *bent) {
		b.extend = func(ctx context.Context, q string, x []driver.Extension) []error {
			return answers(b.everything.Extend(ctx, q, x), func(i int, err error) error {
				if errors.Is(err, driver.ErrCanceled) {
					x[i].For = 1
					b.everything.Extend(ctx, q, x[i:i+1])
				}
				return err
			})
		}
	}},
	{"does not cancel what waits", "CancelWaiting", ignoresCancel},
	{"cancels what is delayed when it is due", "CancelWaiting", func(b *bent) {
		b.cancel = func(ctx context.Context, q, id string) (driver.Record, error) {
			r, err := b.everything.Cancel(ctx, q, id)
			if string(r.Payload) == "" && r.Attempt == 0 {
				r.State = antiphon.StateQueued
			}
			return r, err
		}
	}},
	{"cancels what there is not", "CancelWaiting", func(b *bent) {
		b.cancel = func(ctx context.Context, q, id string) (driver.Record, error) {
			r, err := b.everything.Cancel(ctx, q, id)
			if errors.Is(err, driver.ErrUnknownJob) {
				err = nil
			}
			return r, err
		}
	}},
	{"does not pause", "Pause", func(b *bent) {
		b.pause = func(context.Context, string, bool) error { return nil }
	}},
	{"pauses all queues", "Pause", func(b *bent) {
		b.pause = func(ctx context.Context, q string, paused bool) error {
			return errors.Join(b.everything.Pause(ctx, q, paused), b.everything.Pause(ctx, q+"-other", paused))
		}
	}},
	{"wakes nobody when it is resumed", "Pause", func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			if n, _ := b.everything.Stats(ctx, r.Queue); n.Paused {
				return poll(ctx, b.everything, into, r)
			}
			return b.everything.Take(ctx, into, r)
		}
	}},
}

func earlyDelay(b *bent) { jobs(func(e *driver.Envelope) { e.Delay -= e.Delay / 4 })(b) }

func earlyRetry(b *bent) { settles(func(s *driver.Settlement) { s.Delay -= s.Delay / 4 })(b) }

func extendsNothing(b *bent) {
	b.extend = func(ctx context.Context, q string, x []driver.Extension) []error { return nil }
}

func countsReleases(b *bent) {
	takes(nil, func(l *driver.Leased) { l.Attempt = int(l.Fence) })(b)
}

func unfencedExtend(b *bent) {
	var f fences
	takes(nil, f.note)(b)
	extends(func(x *driver.Extension) { f.fix(&x.Lease) })(b)
}

func unfencedSettle(b *bent) {
	var f fences
	takes(nil, f.note)(b)
	settles(func(s *driver.Settlement) { f.fix(&s.Lease) })(b)
}

func ignoresCancel(b *bent) {
	b.cancel = func(ctx context.Context, q, id string) (driver.Record, error) {
		found, err := b.everything.Lookup(ctx, q, []string{id}, false)
		if len(found) == 0 || found[0].State != antiphon.StateQueued {
			return b.everything.Cancel(ctx, q, id)
		}
		found[0].State, found[0].CancelRequested, found[0].Err = antiphon.StateCanceled, true, antiphon.FromError(driver.ErrCanceled)
		return found[0], err
	}
}

// losesRetries says that a job will be tried again, and forgets it.
func losesRetries(b *bent) {
	settles(func(s *driver.Settlement) {
		if s.Outcome == driver.Retry && s.Delay > 0 {
			s.Delay = 1000 * time.Hour
		}
	})(b)
}

// refusesRepeats takes a settlement that is made again for a late one.
func refusesRepeats(b *bent) {
	var mu sync.Mutex
	seen := map[driver.Lease]bool{}
	b.settle = func(ctx context.Context, q string, all []driver.Settlement) []error {
		errs := b.everything.Settle(ctx, q, all)
		mu.Lock()
		defer mu.Unlock()
		for i, s := range all {
			if errs == nil && seen[s.Lease] {
				errs = make([]error, len(all))
			}
			if seen[s.Lease] {
				errs[i] = driver.ErrLeaseLost
			}
			if errs == nil || errs[i] == nil {
				seen[s.Lease] = true
			}
		}
		return errs
	}
}

// acceptsLate says nothing of a lease that is over.
func acceptsLate(b *bent) {
	b.settle = func(ctx context.Context, q string, all []driver.Settlement) []error {
		return answers(b.everything.Settle(ctx, q, all), func(int, error) error { return nil })
	}
}

var settleMistakes = []mistake{
	{"tries again what is buried", "Outcomes", settles(func(s *driver.Settlement) {
		if s.Outcome == driver.Bury {
			s.Outcome = driver.Retry
		}
	})},
	{"keeps no state", "Outcomes", settles(func(s *driver.Settlement) {
		if s.State == antiphon.StateCanceled {
			s.State = antiphon.StateFailed
		}
	})},
	{"counts a release", "Outcomes", settles(func(s *driver.Settlement) {
		if s.Outcome == driver.Release {
			s.Outcome = driver.Retry
		}
	})},
	{"refuses what is said again", "SettleAgain", refusesRepeats},
	{"does again what is said again", "SettleAgain", func(b *bent) {
		b.settle = func(ctx context.Context, q string, all []driver.Settlement) []error {
			errs := b.everything.Settle(ctx, q, all)
			got, _ := b.everything.Take(ctx, nil, driver.TakeRequest{Queue: q, Max: 1, Lease: time.Second, Wait: 1})
			for _, l := range got {
				b.everything.Settle(ctx, q, []driver.Settlement{{Lease: l.Lease, Outcome: driver.Retry}})
			}
			return errs
		}
	}},
	{"settles whatever lease", "SettleFenced", unfencedSettle},
	{"says nothing of what is late", "SettleFenced", acceptsLate},
	{"lets a lease go on until another has the job", "SettleFenced", takes(func(r *driver.TakeRequest) {
		if r.Lease < time.Second/2 {
			r.Lease *= 3
		}
	}, nil)},
	{"stops at the first that is lost", "SettleEach", func(b *bent) {
		b.settle = func(ctx context.Context, q string, s []driver.Settlement) []error {
			for i := range s {
				if errs := b.everything.Settle(ctx, q, s[i:i+1]); errs != nil {
					return slices.Repeat(errs, len(s))
				}
			}
			return nil
		}
	}},
	{"forgets why an attempt failed", "RetryErr", settles(func(s *driver.Settlement) {
		if s.Outcome == driver.Retry {
			s.Err = nil
		}
	})},
	{"keeps why an earlier attempt failed", "RetryErr", func(b *bent) {
		b.record = func(r driver.Record) driver.Record {
			if r.Attempt > 1 {
				r.Err = boom
			}
			return r
		}
	}},
	{"keeps the text of an error", "ErrorKept", settles(func(s *driver.Settlement) {
		if s.Err != nil {
			s.Err = &antiphon.Error{Code: s.Err.Code, Class: s.Err.Class, Message: s.Err.Message}
		}
	})},
	{"drops the marks of an error", "ErrorKept", settles(func(s *driver.Settlement) {
		if s.Err != nil {
			e := *s.Err
			e.Marks = nil
			s.Err = &e
		}
	})},
}

var recordMistakes = []mistake{
	{"has one version", "Lookup", func(b *bent) {
		b.record = func(r driver.Record) driver.Record { r.Version = 1; return r }
	}},
	{"forgets the header", "Lookup", func(b *bent) {
		b.record = func(r driver.Record) driver.Record { r.Header = nil; return r }
	}},
	{"has ended before it has", "Lookup", func(b *bent) {
		b.record = func(r driver.Record) driver.Record { r.Ended = r.Updated; return r }
	}},
	{"keeps longer", "Keep", jobs(func(e *driver.Envelope) { e.Keep = time.Hour })},
	{"keeps shorter", "Keep", jobs(func(e *driver.Envelope) { e.Keep /= 2; e.UniqueFor = 0 })},
	{"forgets nothing", "Forget", func(b *bent) {
		b.forget = func(_ context.Context, _ string, ids []string) (int, error) { return 2, nil }
	}},
	{"counts what it did not forget", "Forget", func(b *bent) {
		b.forget = func(ctx context.Context, q string, ids []string) (int, error) {
			_, err := b.everything.Forget(ctx, q, ids)
			return len(ids), err
		}
	}},
	{"forgets what waits", "Forget", func(b *bent) {
		b.forget = func(ctx context.Context, q string, ids []string) (int, error) {
			n, err := b.everything.Forget(ctx, q, ids)
			_, _ = b.everything.Cancel(ctx, q, ids[0])
			_, _ = b.everything.Forget(ctx, q, ids)
			return n, err
		}
	}},
	{"lists the first put first", "List", func(b *bent) {
		b.list = func(found []driver.Record) []driver.Record { slices.Reverse(found); return found }
	}},
	{"loses the payload of a dead letter", "Dead", func(b *bent) {
		b.dead = func(found []driver.Record) []driver.Record {
			for i := range found {
				found[i].Payload = nil
			}
			return found
		}
	}},
	{"lists the last dead first", "Dead", func(b *bent) {
		b.dead = func(found []driver.Record) []driver.Record { slices.Reverse(found); return found }
	}},
	{"purges all where it is to purge none", "Dead", func(b *bent) {
		b.purge = func(ctx context.Context, q string, ids []string) (int, error) {
			if len(ids) == 0 {
				ids = nil
			}
			return b.everything.Purge(ctx, q, ids)
		}
	}},
	{"keeps the attempts of what is redriven", "Redrive", keepsAttempts},
	{"redrives all where it is to redrive none", "Redrive", func(b *bent) {
		b.redrive = func(ctx context.Context, q string, ids []string) (int, error) {
			if len(ids) == 0 {
				ids = nil
			}
			return b.everything.Redrive(ctx, q, ids)
		}
	}},
	{"wakes nobody for what is redriven", "Redrive", polling},
	{"drops progress from a watch", "Watch", func(b *bent) {
		b.watch = func(w driver.Watch) driver.Watch {
			return bentWatch{w, func(c driver.Change) bool { return !c.Progress }, false}
		}
	}},
	{"does not tell of the end", "Watch", func(b *bent) {
		b.watch = func(w driver.Watch) driver.Watch {
			return bentWatch{w, func(c driver.Change) bool { return !c.State.Terminal() }, false}
		}
	}},
	{"forgets what nobody waited for", "WatchEnds", func(b *bent) {
		b.watch = func(w driver.Watch) driver.Watch { return bentWatch{w, nil, true} }
	}},
	{"does not say that it has missed something", "WatchMisses", func(b *bent) {
		b.watch = func(w driver.Watch) driver.Watch {
			return bentWatch{w, func(c driver.Change) bool { return c != driver.Change{} }, false}
		}
	}},
	{"counts what is delayed as ready", "Stats", func(b *bent) {
		b.stats = func(n driver.Stats) driver.Stats { n.Ready += n.Delayed; n.Delayed = 0; return n }
	}},
	{"counts no hand-outs", "Stats", func(b *bent) {
		b.stats = func(n driver.Stats) driver.Stats { n.Taken = 0; return n }
	}},
	{"is never old", "Stats", func(b *bent) {
		b.stats = func(n driver.Stats) driver.Stats { n.Oldest = 0; return n }
	}},
	{"does not end what waits", "CloseEndsCalls", func(b *bent) {
		times := 0
		b.close = func() error {
			if times++; times == 1 {
				return nil
			}
			return b.everything.Close()
		}
	}},
	{"accepts after it is closed", "ClosedRefuses", func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			placed, err := b.everything.Put(ctx, r)
			if errors.Is(err, driver.ErrClosed) {
				return nil, nil
			}
			return placed, err
		}
	}},
	{"cannot be closed twice", "ClosedRefuses", func(b *bent) {
		var mu sync.Mutex
		closed := false
		b.close = func() error {
			mu.Lock()
			defer mu.Unlock()
			if closed {
				return driver.ErrClosed
			}
			closed = true
			return b.everything.Close()
		}
	}},
}

// A bentWatch tells only what it is to keep.
type bentWatch struct {
	driver.Watch
	keep  func(driver.Change) bool
	fresh bool // and only what comes while somebody waits
}

func (w bentWatch) Next(ctx context.Context, into []driver.Change) ([]driver.Change, error) {
	if w.fresh {
		now, cancel := context.WithTimeout(ctx, 1)
		_, _ = w.Watch.Next(now, nil)
		cancel()
	}
	for {
		got, err := w.Watch.Next(ctx, into)
		if w.keep != nil {
			got = slices.DeleteFunc(got, func(c driver.Change) bool { return !w.keep(c) })
		}
		if err != nil || len(got) > 0 {
			return got, err
		}
	}
}

// keepsAttempts counts on over a redrive.
func keepsAttempts(b *bent) {
	var mu sync.Mutex
	more := map[string]int{}
	takes(nil, func(l *driver.Leased) {
		mu.Lock()
		defer mu.Unlock()
		l.Attempt += more[l.ID]
	})(b)
	b.redrive = func(ctx context.Context, q string, ids []string) (int, error) {
		n, err := b.everything.Redrive(ctx, q, ids)
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			if n > 0 {
				more[id]++
			}
		}
		return n, err
	}
}

var processMistakes = []mistake{
	{"pauses for itself", "Another", func(b *bent) {
		b.pause = func(context.Context, string, bool) error { return nil }
	}},
	{"does not tell other processes of a cancel", "Another", func(b *bent) {
		b.cancel = func(ctx context.Context, q, id string) (driver.Record, error) {
			found, err := b.everything.Lookup(ctx, q, []string{id}, false)
			return found[0], err
		}
	}},
	{"does not hear of other processes", "AnotherWakes", polling},
	{"hands out twice", "AnotherEachOnce", twice},
	{"loses a checkpoint", "Restart", extends(func(x *driver.Extension) { x.Checkpoint = nil })},
	{"forgets its pauses", "Restart", func(b *bent) {
		pausedQueue := ""
		b.close = func() error {
			_ = b.everything.Pause(context.Background(), pausedQueue, false)
			return b.everything.Close()
		}
		b.pause = func(ctx context.Context, q string, paused bool) error {
			pausedQueue = q
			return b.everything.Pause(ctx, q, paused)
		}
	}},
	{"loses what it had accepted", "Killed", func(b *bent) {
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			if string(r.Jobs[0].Payload) == "waits" {
				return nil, nil
			}
			return b.everything.Put(ctx, r)
		}
	}},
	{"gives back the leases of who was killed", "Killed", takes(func(r *driver.TakeRequest) { r.Lease = min(r.Lease, 1) }, nil)},
}
