package queuetest

import (
	"context"
	"errors"
	"net"
	"net/rpc"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/queue/driver"
)

func TestMain(m *testing.M) {
	remote(sober).Main()
	os.Exit(m.Run())
}

// remote is a store in the memory of this process, for others too. bend changes it.
func remote(bend func(*bent)) Processes {
	return Processes{
		New: func(tb testing.TB) string {
			b := bentBy(bend)(tb)
			server := rpc.NewServer()
			if err := server.RegisterName("Store", &served{b}); err != nil {
				tb.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				tb.Fatal(err)
			}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go server.ServeConn(c)
				}
			}()
			tb.Cleanup(func() {
				_ = b.Close()
				_ = l.Close()
			})
			return l.Addr().String()
		},
		Open: func(tb testing.TB, at string) driver.Backend {
			c, err := rpc.Dial("tcp", at)
			if err != nil {
				tb.Fatal(err)
			}
			return distant{c}
		},
		Kills: 40,
	}
}

func sober(*bent) {}

// served is a backend for others. Nobody hears when they are gone: what they asked for
// goes on.
type served struct{ b driver.Backend }

// Leases are what a call is about. They are exported, as package rpc wants them to be.
type Leases struct {
	Queue  string
	Extend []driver.Extension
	Settle []driver.Settlement
	IDs    []string
}

func (s *served) Put(r driver.PutRequest, placed *[]driver.Placed) (err error) {
	*placed, err = s.b.Put(context.Background(), r)
	return err
}

func (s *served) Take(r driver.TakeRequest, got *[]driver.Leased) (err error) {
	*got, err = s.b.Take(context.Background(), nil, r)
	return err
}

func (s *served) Extend(l Leases, lost *[]bool) error {
	*lost = which(s.b.Extend(context.Background(), l.Queue, l.Extend))
	return nil
}

func (s *served) Settle(l Leases, lost *[]bool) error {
	*lost = which(s.b.Settle(context.Background(), l.Queue, l.Settle))
	return nil
}

func (s *served) Stats(queue string, st *driver.Stats) (err error) {
	*st, err = s.b.Stats(context.Background(), queue)
	return err
}

func (s *served) Lookup(l Leases, found *[]driver.Record) (err error) {
	*found, err = s.b.(driver.Results).Lookup(context.Background(), l.Queue, l.IDs, false)
	return err
}

// which tells whose lease is over.
func which(errs []error) (lost []bool) {
	for _, err := range errs {
		lost = append(lost, err != nil)
	}
	return lost
}

// A distant backend is that of another process.
type distant struct{ rpc *rpc.Client }

func (c distant) call(ctx context.Context, what string, args, reply any) error {
	select {
	case call := <-c.rpc.Go("Store."+what, args, reply, nil).Done:
		return call.Error
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c distant) leases(ctx context.Context, what string, l Leases) (errs []error) {
	var lost []bool
	err := c.call(ctx, what, l, &lost)
	for i := range len(l.Extend) + len(l.Settle) {
		if err == nil && i < len(lost) && lost[i] {
			errs = append(errs, driver.ErrLeaseLost)
		} else {
			errs = append(errs, err)
		}
	}
	return errs
}

func (c distant) Capabilities() driver.Capabilities {
	return driver.Capabilities{Name: "remote", Durability: driver.ProcessKill, Delays: true}
}

func (c distant) Put(ctx context.Context, r driver.PutRequest) (placed []driver.Placed, err error) {
	r.Claim = 0 // which is the server's own affair
	return placed, c.call(ctx, "Put", r, &placed)
}

func (c distant) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	var got []driver.Leased
	err := c.call(ctx, "Take", r, &got)
	return append(into, got...), err
}

func (c distant) Extend(ctx context.Context, queue string, x []driver.Extension) []error {
	return c.leases(ctx, "Extend", Leases{Queue: queue, Extend: x})
}

func (c distant) Settle(ctx context.Context, queue string, s []driver.Settlement) []error {
	return c.leases(ctx, "Settle", Leases{Queue: queue, Settle: s})
}

func (c distant) Stats(ctx context.Context, queue string) (s driver.Stats, err error) {
	return s, c.call(ctx, "Stats", queue, &s)
}

func (c distant) Lookup(ctx context.Context, queue string, ids []string, _ bool) (found []driver.Record, err error) {
	err = c.call(ctx, "Lookup", Leases{Queue: queue, IDs: ids}, &found)
	return found, err
}

func (c distant) List(context.Context, string, driver.ListRequest) ([]driver.Record, error) {
	return nil, errors.ErrUnsupported
}

func (c distant) Forget(context.Context, string, []string) (int, error) {
	return 0, errors.ErrUnsupported
}

func (c distant) Close() error { return c.rpc.Close() }

// A store that loses nothing loses nothing when processes are killed.
func TestProcessesOfARemoteStore(t *testing.T) { TestProcesses(t, remote(sober)) }

var killMistakes = []mistake{
	{"loses a job that it accepted", "WorkersAreKilled", forgetful},
	{"loses a job that it accepted", "SubmittersAreKilled", forgetful},
	{"loses a job that it accepted", "OpenedByMany", forgetful},
	{"never ends a lease", "WorkersAreKilled", takes(func(r *driver.TakeRequest) { r.Lease = time.Hour }, nil)},
	{"hands out what was answered", "WorkersAreKilled", func(b *bent) {
		var mu sync.Mutex
		had, answered := map[string]driver.Leased{}, []driver.Leased{}
		takes(nil, func(l *driver.Leased) {
			mu.Lock()
			defer mu.Unlock()
			if had[l.ID] = *l; len(answered) > 0 && len(had)%3 == 0 {
				*l = answered[0]
			}
		})(b)
		b.record = func(r driver.Record) driver.Record {
			mu.Lock()
			defer mu.Unlock()
			if l, ok := had[r.ID]; ok && r.State == antiphon.StateSucceeded {
				answered = append(answered, l)
			}
			return r
		}
	}},
}

// forgetful stores not all that it accepts.
func forgetful(b *bent) {
	var n atomic.Int64
	b.put = func(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
		if n.Add(1)%5 == 0 {
			return nil, nil
		}
		return b.everything.Put(ctx, r)
	}
}

func TestKillsFindMistakes(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range killMistakes {
		seen[m.rule] = true
		t.Run(m.rule+"/"+m.name, func(t *testing.T) {
			t.Parallel()
			w := remote(m.bend)
			w.Patience = 3 * time.Second
			found := suite.Named(t, killRules, m.rule).Faults(t, func(tb testing.TB) *killing { return w.begin(tb) })
			if len(found) == 0 {
				t.Fatalf("rule %s found nothing wrong", m.rule)
			}
			t.Logf("found out: %.300s", found[0])
		})
	}
	suite.Sound(t, killRules, seen)
}
