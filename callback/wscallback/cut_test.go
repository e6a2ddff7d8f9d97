package wscallback_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

func echo(_ context.Context, n int) (int, error) { return n, nil }

func constantly(int) time.Duration { return 10 * time.Millisecond }

// C6: what was asked before the connection broke fails as unknown, at once; what is
// asked after it works, without anybody doing anything.
func TestC6_CutFailsWhatWasSentAndHealsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := inMemory(t, serving(func(p *callback.Peer) {
			callback.Serve(p, "echo", echo, nil)
			callback.Serve(p, "never", func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, nil)
		}, nil), nil)
		p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client(), Backoff: constantly}, nil)
		ask, never := callback.Dial[int, int](p, "echo", nil), callback.Dial[int, int](p, "never", nil)
		for i := range 100 {
			f := never(nil, 0) //nolint:staticcheck // nil is Background
			synctest.Wait()
			start := time.Now()
			n.cut()
			_, err := f.Await(t.Context())
			if !errors.Is(err, callback.ErrDisconnected) || antiphon.ClassOf(err) != antiphon.ClassUnknown || time.Since(start) > time.Second {
				t.Fatalf("cut %d: after %v: %v", i, time.Since(start), err)
			}
			if v, err := ask(t.Context(), i).Await(t.Context()); v != i || err != nil {
				t.Fatalf("after cut %d: %v, %v", i, v, err)
			}
		}
		if p.Pending() != 0 {
			t.Errorf("%d pending", p.Pending())
		}
	})
}

// What is asked while there is no connection waits for one, or for its own end; it
// has surely not been accepted then.
func TestAskWhileDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
		p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client(), Backoff: constantly}, nil)
		n.refuse(true)
		n.cut()
		synctest.Wait()
		ask := callback.Dial[int, int](p, "echo", nil)
		f := ask(t.Context(), 1)
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := ask(brief, 2).Await(t.Context()); antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Errorf("%v: %s", err, antiphon.ClassOf(err))
		}
		n.refuse(false)
		if v, err := f.Await(t.Context()); v != 1 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	})
}

// With a session, no ask notices that the connection broke: everything is answered,
// and every call is made once.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		o := wscallback.Options{Resume: time.Minute, Backoff: constantly}
		n, _ := inMemory(t, serving(func(p *callback.Peer) {
			callback.Serve(p, "slow", func(_ context.Context, n int) (int, error) {
				calls.Add(1)
				time.Sleep(time.Duration(n%50) * time.Millisecond)
				return n, nil
			}, &callback.ServeOptions{Concurrency: 1000})
		}, nil), &o)
		o.Client = n.client()
		p := peerOn(t, "ws://memory/", &o, nil)
		ask := callback.Dial[int, int](p, "slow", nil)
		type pending struct {
			n int
			f interface {
				Await(context.Context) (int, error)
			}
		}
		var all []pending
		for i := range 2000 {
			all = append(all, pending{i, ask(t.Context(), i)})
			if i%100 == 50 {
				time.Sleep(time.Duration(i%7) * time.Millisecond)
				n.cut()
			}
			time.Sleep(time.Millisecond)
		}
		for _, a := range all {
			if v, err := a.f.Await(t.Context()); v != a.n || err != nil {
				t.Fatalf("%d: %v, %v", a.n, v, err)
			}
		}
		if c := calls.Load(); c != 2000 {
			t.Errorf("%d calls", c)
		}
	})
}

// A session that nobody comes back to ends with its window: asks fail as unknown
// then, and the next connection begins another.
func TestResumeWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := wscallback.Options{Resume: time.Second, Backoff: constantly}
		ended := make(chan error, 10)
		n, _ := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
			err := serving(func(p *callback.Peer) {
				callback.Serve(p, "echo", echo, nil)
				callback.Serve(p, "never", func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, nil)
			}, nil)(ctx, c)
			ended <- err
			return err
		}, &o)
		mine := o
		mine.Client = n.client()
		p := peerOn(t, "ws://memory/", &mine, nil)
		f := callback.Dial[int, int](p, "never", nil)(t.Context(), 0)
		synctest.Wait()
		n.refuse(true)
		n.cut()
		start := time.Now()
		_, err := f.Await(t.Context())
		if !errors.Is(err, callback.ErrDisconnected) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := <-ended; !errors.Is(err, callback.ErrDisconnected) {
			t.Errorf("the server's end: %v", err)
		}
		n.refuse(false)
		if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), 3).Await(t.Context()); v != 3 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	})
}

func TestConnectionsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), &wscallback.Options{MaxConns: 20})
		for i := range 20 {
			p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client()}, nil)
			if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), i).Await(t.Context()); v != i || err != nil {
				t.Fatal(v, err)
			}
		}
		_, err := wscallback.Dial(t.Context(), "ws://memory/?token=hidden", &wscallback.Options{Client: n.client()})
		if !errors.Is(err, callback.ErrUndeliverable) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error(err)
		}
		if text := fmt.Sprint(err); len(text) == 0 || containsSecret(text) {
			t.Error(text)
		}
	})
}

func containsSecret(s string) bool {
	for i := range s {
		if len(s) >= i+6 && s[i:i+6] == "hidden" {
			return true
		}
	}
	return false
}
