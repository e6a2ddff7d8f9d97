package natscluster_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

// An answerer counts its calls. Odd ones wait for release.
type answerer struct {
	begun   chan int
	release chan struct{}

	mu    sync.Mutex
	calls map[int]int
}

func (a *answerer) answer(ctx context.Context, n int) (int, error) {
	a.mu.Lock()
	a.calls[n]++
	release := a.release
	a.mu.Unlock()
	if n%2 == 0 {
		return n * n, nil
	}
	a.begun <- n
	select {
	case <-release:
		return n * n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (a *answerer) called(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[n]
}

// peer runs a peer that is connected to the first of some servers, and goes to the others
// after it.
func peer(t *testing.T, setUp func(*callback.Peer), all ...*natsd.Server) *callback.Peer {
	t.Helper()
	var urls []string
	for _, s := range all {
		urls = append(urls, s.URL())
	}
	tr, err := natscallback.New(dial(t, strings.Join(urls, ","), nats.DontRandomize()), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := callback.NewPeer(tr, nil)
	if setUp != nil {
		setUp(p)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(context.Background()) })
	t.Cleanup(func() {
		_ = p.Close()
		within(t, "Run did not return", &running)
	})
	return p
}

func outcome(t *testing.T, f *future.Future[int]) (int, error) {
	t.Helper()
	select {
	case <-f.Done():
	case <-time.After(patience):
		t.Fatal("an ask did not settle")
	}
	r, _ := f.Peek()
	return r.Value, r.Err
}

// Who asks and who answers are connected to different servers. The server of each ends:
// both go to another by themselves. What was being worked on when the answerer's ended is
// answered all the same; what was asked when the asker's ended fails at once, as unknown;
// and whatever is asked meanwhile, no work is done twice.
func TestC6_FailOver(t *testing.T) {
	t.Parallel()
	for name, process := range map[string]bool{"shut down": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natsd.RunCluster(t, &natsd.Options{Process: process})
			a := &answerer{begun: make(chan int, 100), release: make(chan struct{}), calls: map[int]int{}}
			peer(t, func(p *callback.Peer) {
				callback.Serve(p, "square", a.answer, &callback.ServeOptions{Concurrency: 100})
			}, c.Servers[1], c.Servers[2], c.Servers[0])
			p := peer(t, nil, c.Servers[0], c.Servers[2])
			again := callback.Dial[int, int](p, "square", &callback.DialOptions{Timeout: patience, Attempts: 1 << 20, Backoff: antiphon.Constant(20 * time.Millisecond)})
			once := callback.Dial[int, int](p, "square", &callback.DialOptions{Timeout: time.Second})
			next := 0
			asks := func(ask future.Asker[int, int], odd int) (int, *future.Future[int]) {
				next += 2
				return next + odd, ask(context.Background(), next+odd)
			}
			answered := func(n int, f *future.Future[int]) {
				t.Helper()
				if v, err := outcome(t, f); v != n*n || err != nil {
					t.Errorf("asked %d, answered %d, %v", n, v, err)
				}
			}
			found := func() {
				t.Helper()
				eventually(t, "the answerer is not found again", func() bool {
					n, f := asks(once, 0)
					v, err := outcome(t, f)
					switch class := antiphon.ClassOf(err); {
					case err == nil:
						return v == n*n
					case class == antiphon.ClassNotAccepted && a.called(n) > 0:
						t.Errorf("%d was not accepted, and was worked on: %v", n, err)
					case class == antiphon.ClassFailed:
						t.Errorf("%d failed: %v", n, err)
					}
					return false
				})
			}
			begin := func(ask future.Asker[int, int]) (ns []int, fs []*future.Future[int]) {
				t.Helper()
				for range 20 {
					n, f := asks(ask, 1)
					ns, fs = append(ns, n), append(fs, f)
				}
				for range fs {
					select {
					case <-a.begun:
					case <-time.After(patience):
						t.Fatal("an ask does not reach the answerer")
					}
				}
				return ns, fs
			}
			answered(asks(again, 0))

			ns, fs := begin(again)
			c.Servers[1].Stop()
			found()
			close(a.release)
			for i := range fs {
				answered(ns[i], fs[i])
			}

			a.mu.Lock()
			a.release = make(chan struct{})
			a.mu.Unlock()
			c.Servers[1].Start()
			lost := callback.Dial[int, int](p, "square", &callback.DialOptions{Timeout: time.Hour})
			_, fs = begin(lost)
			c.Servers[0].Stop()
			for _, f := range fs {
				if _, err := outcome(t, f); antiphon.ClassOf(err) != antiphon.ClassUnknown || !errors.Is(err, callback.ErrDisconnected) {
					t.Errorf("%v, of class %s", err, antiphon.ClassOf(err))
				}
			}
			found()
			answered(asks(again, 0))
			close(a.release)
			a.mu.Lock()
			defer a.mu.Unlock()
			for n, times := range a.calls {
				if times > 1 {
					t.Errorf("%d was worked on %d times", n, times)
				}
			}
		})
	}
}
