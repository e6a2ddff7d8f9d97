package queuetest

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A thousand lives of each kind.
func TestQ1_Q2_Q3_Q4_Q5_Q6_Soak(t *testing.T) {
	t.Run("one process", func(t *testing.T) {
		Soak(t, Store{Bubble: true, Open: func(testing.TB) driver.Backend { return queue.Memory(nil) }}, 1000, 1000)
	})
	t.Run("two processes", func(t *testing.T) { Soak(t, views(nil), 1000, 1000) })
}

// soakMistakes are what the model has to see, without a rule that looks for it.
var soakMistakes = []mistake{
	{"settles whatever lease", "fence", unfencedSettle},
	{"extends whatever lease", "fence", unfencedExtend},
	{"says nothing of what is late", "fence", acceptsLate},
	{"is early", "time", earlyDelay},
	{"is early by a nanosecond", "time", jobs(func(e *driver.Envelope) {
		if e.Delay > 0 {
			e.Delay--
		}
	})},
	{"retries early", "time", earlyRetry},
	{"ends a lease early", "time", takes(func(r *driver.TakeRequest) { r.Lease -= r.Lease / 8 }, nil)},
	{"ends a lease late", "time", takes(func(r *driver.TakeRequest) { r.Lease += r.Lease / 2 }, nil)},
	{"never ends a lease", "time", takes(func(r *driver.TakeRequest) { r.Lease = 1000 * time.Hour }, nil)},
	{"hands out twice", "once", twice},
	{"leases to who has gone", "once", func(b *bent) {
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			got, err := b.everything.Take(ctx, into, r)
			if ctx.Err() != nil {
				r.Wait = time.Second
				_, _ = b.everything.Take(context.WithoutCancel(ctx), nil, r)
			}
			return got, err
		}
	}},
	{"loses retries", "lost", losesRetries},
	{"loses a job that it accepted", "lost", func(b *bent) {
		var n atomic.Int64
		b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
			if n.Add(1)%8 == 0 && r.Claim == 0 {
				return nil, nil
			}
			return b.everything.Put(ctx, r)
		}
	}},
	{"stores twice what was put twice", "lost", storesTwice},
	{"finishes what is to be tried again", "lost", settles(func(s *driver.Settlement) {
		if s.Outcome == driver.Retry {
			s.Outcome, s.State = driver.Done, antiphon.StateFailed
		}
	})},
	{"tries again what is buried", "lost", settles(func(s *driver.Settlement) {
		if s.Outcome == driver.Bury {
			s.Outcome = driver.Retry
		}
	})},
	{"counts what was released", "attempts", countsReleases},
	{"does not count a retry", "attempts", settles(func(s *driver.Settlement) {
		if s.Outcome == driver.Retry {
			s.Outcome = driver.Release
		}
	})},
	{"keeps the attempts of what is redriven", "attempts", keepsAttempts},
	{"uses a lease again", "attempts", takes(nil, func(l *driver.Leased) { l.Fence = int64(l.Attempt) })},
	{"refuses what is said again", "again", refusesRepeats},
	{"extends nothing", "extend", extendsNothing},
	{"extends for longer", "extend", extends(func(x *driver.Extension) { x.For += x.For / 2 })},
	{"forgets checkpoints", "extend", extends(func(x *driver.Extension) { x.Checkpoint = nil })},
	{"does not cancel what waits", "cancel", ignoresCancel},
	{"does not tell who is to end", "cancel", func(b *bent) {
		b.extend = func(ctx context.Context, q string, x []driver.Extension) []error {
			return answers(b.everything.Extend(ctx, q, x), func(_ int, err error) error {
				if antiphon.CodeOf(err) == antiphon.CodeCanceled {
					return nil
				}
				return err
			})
		}
	}},
	{"never expires", "expire", jobs(func(e *driver.Envelope) { e.TTL = 0 })},
	{"expires early", "expire", jobs(func(e *driver.Envelope) { e.TTL -= e.TTL / 4 })},
	{"has no groups", "order", ungrouped},
	{"has one priority", "order", jobs(func(e *driver.Envelope) { e.Priority = 0 })},
	{"hands out in no order", "order", func(b *bent) {
		var n atomic.Int64
		jobs(func(e *driver.Envelope) { e.Priority = 2*e.Priority + int(n.Add(1)%2) })(b)
	}},
	{"now and then finds nothing", "wake", func(b *bent) {
		var n atomic.Int64
		b.take = func(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
			if n.Add(1)%4 == 0 {
				time.Sleep(r.Wait)
				return into, nil
			}
			return b.everything.Take(ctx, into, r)
		}
	}},
	{"shows what is leased as waiting", "look", func(b *bent) {
		b.record = func(r driver.Record) driver.Record {
			if r.State == antiphon.StateRunning {
				r.State = antiphon.StateQueued
			}
			return r
		}
	}},
}

func TestSoakFindsMistakes(t *testing.T) {
	for _, m := range soakMistakes {
		t.Run(m.name, func(t *testing.T) {
			w := Store{Open: bentBy(m.bend), Bubble: true}.withDefaults()
			defer w.world().Watchdog(m.name).Stop()
			rec := &suite.Recorder{TB: t}
			seeds := 0
			synctest.Test(t, func(*testing.T) {
				for ; seeds < 100 && !rec.Failed(); seeds++ {
					one := newTrial(rec, w)
					done := make(chan struct{})
					go func() {
						defer close(done)
						one.live(uint64(seeds), one.sides())
					}()
					<-done
					one.End()
				}
			})
			if !rec.Failed() {
				t.Fatalf("nothing was found wrong in %d lives", seeds)
			}
			t.Logf("found out in life %d: %.400s", seeds, rec.Failures()[0])
		})
	}
}
