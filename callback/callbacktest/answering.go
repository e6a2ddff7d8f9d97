package callbacktest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

func checkNobodyThere(t *trial) {
	e := t.open()
	a, _ := t.peers(e, nil, nil, nil)
	caps := e.A.Caps()
	short := max(t.While(), min(t.wire.Patience/4, 2*time.Second))
	ask := callback.Dial[int, int](a, t.name("nobody"), &callback.DialOptions{Timeout: short})
	err := outcome(t, ask(t.Context(), 1)).Err
	class := antiphon.ClassOf(err)
	switch {
	case caps.PointToPoint || caps.Bounces:
		if !errors.Is(err, callback.ErrUndeliverable) || class != antiphon.ClassNotAccepted {
			t.Errorf("nobody serves the name, and the ask ended with %v of class %s; want callback.ErrUndeliverable, not accepted", err, class)
		}
	case !errors.Is(err, callback.ErrExpired):
		t.Errorf("nobody serves the name, and the ask ended with %v; want callback.ErrExpired", err)
	case class != antiphon.ClassUnknown:
		t.Errorf("the request was sent, and after its time the ask ended with %v of class %s; want unknown", err, class)
	}
	t.nonePending(a)
}

func checkDeadlineTravels(t *trial) {
	work := t.name("deadline")
	got := make(chan time.Time, 1)
	a, _ := t.pair(nil, nil, func(b *callback.Peer) {
		callback.Serve(b, work, func(ctx context.Context, n int) (int, error) {
			at, _ := ctx.Deadline()
			got <- at
			return n, nil
		}, nil)
	})
	for _, d := range []time.Duration{time.Hour, 24 * time.Hour} {
		want := time.Now().Add(d)
		answered(t, callback.Dial[int, int](a, work, &callback.DialOptions{Timeout: d})(t.Context(), 1))
		off := (<-got).Sub(want)
		if off < -2*time.Millisecond-t.wire.Slack || off > t.wire.Slack {
			t.Errorf("the asker's deadline is in %v, and the work's is off by %v", d, off)
		}
	}
}

func checkCancelInGroup(t *trial) {
	e := t.open()
	work, group := t.name("block"), t.name("group")
	begun := make(chan struct{}, 64)
	ended := make(chan struct{}, 64)
	up := t.name("ready")
	serve := func(b *callback.Peer) {
		callback.Serve(b, work, func(ctx context.Context, n int) (int, error) {
			begun <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return 0, ctx.Err()
		}, &callback.ServeOptions{Group: group})
	}
	a := t.run(e.A, nil, nil)
	for i, tr := range []callback.Transport{e.B, e.Another(), e.Another()} {
		name := up + string(rune('0'+i))
		t.answering(tr, nil, name, serve)
		t.ready(a, name)
	}
	ask := callback.Dial[int, int](a, work, nil)
	const n = 12
	for range n {
		ctx, cancel := context.WithCancel(t.Context())
		f := ask(ctx, 1)
		t.all("nobody of the group began to work", 1, begun)
		t.Pause(t.While() / 10) // until the asker has heard who it is
		cancel()
		if err := outcome(t, f).Err; !errors.Is(err, context.Canceled) {
			t.Errorf("the asker gave up, and the ask ended with %v", err)
		}
		t.all("the asker gave up, and the one of the group that is at work did not learn of it", 1, ended)
	}
}

func checkConcurrency(t *trial) {
	one, ten := t.name("one"), t.name("ten")
	var now, most atomic.Int64
	all := make(chan struct{})
	a, _ := t.pair(nil, nil, func(b *callback.Peer) {
		callback.Serve(b, one, func(_ context.Context, n int) (int, error) {
			most.Store(max(most.Load(), now.Add(1)))
			t.Pause(time.Millisecond)
			now.Add(-1)
			return n, nil
		}, &callback.ServeOptions{Concurrency: 1})
		var here atomic.Int64
		callback.Serve(b, ten, func(ctx context.Context, n int) (int, error) {
			if here.Add(1) == 10 {
				close(all)
			}
			select {
			case <-all:
				return n, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, &callback.ServeOptions{Concurrency: 10})
	})
	for _, name := range []string{one, ten} {
		ask := callback.Dial[int, int](a, name, nil)
		fs := make([]*answer, 10)
		for i := range fs {
			fs[i] = ask(t.Context(), i)
		}
		for i, f := range fs {
			if r := outcome(t, f); r.Err != nil || r.Value != i {
				t.Errorf("asked %d, answered %d, %v", i, r.Value, r.Err)
			}
		}
	}
	if n := most.Load(); n != 1 {
		t.Errorf("%d were at work at once where one may be", n)
	}
}

func checkOverload(t *trial) {
	narrow, back := t.name("narrow"), t.name("back")
	release := make(chan struct{})
	begun := make(chan struct{}, 100)
	e := t.open()
	up := t.name("ready")
	b := t.answering(e.B, nil, up, func(b *callback.Peer) {
		callback.Serve(b, narrow, t.waiting(begun, release), &callback.ServeOptions{Concurrency: 1, Queue: 4})
	})
	a := t.answering(e.A, nil, up+"-a", func(a *callback.Peer) { callback.Serve(a, back, echoInt, nil) })
	t.ready(a, up)
	t.ready(b, up+"-a")
	ask := callback.Dial[int, int](a, narrow, nil)
	const n = 60
	fs := make([]*answer, n)
	for i := range fs {
		fs[i] = ask(t.Context(), i)
	}
	t.all("work did not begin", 1, begun)
	for i := range 20 { // meanwhile, both ways
		if got := answered(t, callback.Dial[int, int](b, back, nil)(t.Context(), i)); got != i {
			t.Errorf("asked %d, answered %d", i, got)
		}
		if got := answered(t, callback.Dial[int, int](a, up, nil)(t.Context(), i)); got != i {
			t.Errorf("asked %d, answered %d", i, got)
		}
	}
	t.Eventually("what exceeds the queue was not refused", func() bool {
		refused := 0
		for _, f := range fs {
			if _, settled := f.Peek(); settled {
				refused++
			}
		}
		return refused >= n-5
	})
	close(release)
	done := 0
	for i, f := range fs {
		switch r := outcome(t, f); {
		case r.Err == nil && r.Value == i:
			done++
		case !errors.Is(r.Err, callback.ErrFull) || antiphon.ClassOf(r.Err) != antiphon.ClassNotAccepted:
			t.Errorf("asked %d beyond what is accepted, and the ask ended with %d, %v of class %s", i, r.Value, r.Err, antiphon.ClassOf(r.Err))
		}
	}
	if done != 5 {
		t.Errorf("one works and four wait, and %d of %d were accepted", done, n)
	}
	t.nonePending(a)
}

func checkAskBack(t *trial) {
	e := t.open()
	up, down := t.name("ready"), t.name("down")
	var a, b atomic.Pointer[callback.Peer]
	deeper := func(mine *atomic.Pointer[callback.Peer], other string) func(*callback.Peer) {
		return func(p *callback.Peer) {
			callback.Serve(p, down+other, func(ctx context.Context, n int) (int, error) {
				if n == 0 {
					return 0, nil
				}
				to := map[string]string{"-a": "-b", "-b": "-a"}[other]
				m, err := callback.Dial[int, int](mine.Load(), down+to, nil)(ctx, n-1).Await(ctx)
				return m + 1, err
			}, &callback.ServeOptions{Concurrency: 16})
		}
	}
	b.Store(t.answering(e.B, nil, up+"-b", deeper(&b, "-b")))
	a.Store(t.answering(e.A, nil, up+"-a", deeper(&a, "-a")))
	t.ready(a.Load(), up+"-b")
	t.ready(b.Load(), up+"-a")
	if got := answered(t, callback.Dial[int, int](a.Load(), down+"-b", nil)(t.Context(), 20)); got != 20 {
		t.Errorf("asked back and forth 20 times, and %d came back", got)
	}
}

func checkShutdown(t *trial) {
	work := t.name("slow")
	release := make(chan struct{})
	begun := make(chan struct{}, 10)
	a, b := t.pair(nil, nil, func(b *callback.Peer) { callback.Serve(b, work, t.waiting(begun, release), nil) })
	ask := callback.Dial[int, int](a, work, &callback.DialOptions{Timeout: t.wire.Patience})
	fs := make([]*answer, 10)
	for i := range fs {
		fs[i] = ask(t.Context(), i)
	}
	t.all("work did not begin", len(fs), begun)
	down := make(chan struct{})
	var failure error
	go func() {
		defer close(down)
		ctx, cancel := t.Patient()
		defer cancel()
		failure = b.Shutdown(ctx)
	}()
	t.Pause(t.While() / 10)
	select {
	case <-down:
		t.Fatalf("Shutdown returned while work was under way: %v", failure)
	default:
	}
	close(release)
	for i, f := range fs {
		if r := outcome(t, f); r.Err != nil || r.Value != i {
			t.Errorf("the work was under way at Shutdown, and ask %d ended with %d, %v", i, r.Value, r.Err)
		}
	}
	t.Within("Shutdown did not return", down)
	if failure != nil {
		t.Errorf("Shutdown failed: %v", failure)
	}
}

func checkHeader(t *trial) {
	work := t.name("header")
	got := make(chan map[string]string, 1)
	a, _ := t.pair(nil, nil, func(b *callback.Peer) {
		callback.Serve(b, work, func(ctx context.Context, n int) (int, error) {
			got <- antiphon.InfoFrom(ctx).Header
			return n, nil
		}, nil)
	})
	want := map[string]string{
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"name":        "ἀντίφωνος · 応答",
		"long":        strings.Repeat("8 KiB ", 8<<10/6),
	}
	answered(t, callback.Dial[int, int](a, work, nil)(callback.WithHeader(t.Context(), want), 1))
	header := <-got
	for k, v := range want {
		if header[k] != v {
			t.Errorf("the header %s was sent as %.40q and came as %.40q", k, v, header[k])
		}
	}
	large := map[string]string{"large": strings.Repeat("x", callback.MaxHeaderSize)}
	err := outcome(t, callback.Dial[int, int](a, work, nil)(callback.WithHeader(t.Context(), large), 1)).Err
	if antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
		t.Errorf("the header was too large, and the ask ended with %v of class %s", err, antiphon.ClassOf(err))
	}
	t.nonePending(a)
}

func checkEvents(t *trial) {
	e := t.open()
	up, feed := t.name("ready"), t.name("feed")
	var mu sync.Mutex
	var came []int
	a, _ := t.peers(e, nil, nil, func(b *callback.Peer) {
		callback.Serve(b, feed, func(_ context.Context, n int) (struct{}, error) {
			mu.Lock()
			defer mu.Unlock()
			came = append(came, n)
			return struct{}{}, nil
		}, &callback.ServeOptions{Concurrency: 1})
	})
	const n = 500
	for i := range n {
		ctx, cancel := t.Patient()
		if err := callback.Notify(ctx, a, feed, i, nil); err != nil {
			t.Fatalf("Notify failed: %v", err)
		}
		cancel()
		if i%50 == 0 { // a command among telemetry
			if got := answered(t, callback.Dial[int, int](a, up, nil)(t.Context(), i)); got != i {
				t.Errorf("asked %d, answered %d", i, got)
			}
		}
	}
	t.Eventually("events that were accepted did not arrive", func() bool { mu.Lock(); defer mu.Unlock(); return len(came) >= n })
	mu.Lock()
	defer mu.Unlock()
	for i, got := range came {
		if got != i && !t.wire.NoOrder {
			t.Fatalf("event %d came when %d was next", got, i)
		}
	}
}

func checkTwoAskers(t *trial) {
	e := t.open()
	work, up := t.name("echo"), t.name("ready")
	t.answering(e.B, nil, up, func(b *callback.Peer) { callback.Serve(b, work, echoInt, nil) })
	var askers []asker
	var heard [2]journal
	for i, tr := range []callback.Transport{e.A, e.Another()} {
		a := t.run(tr, &callback.PeerOptions{Observer: heard[i].observe}, nil)
		t.ready(a, up)
		askers = append(askers, callback.Dial[int, int](a, work, nil))
	}
	for i := range 200 {
		if got := answered(t, askers[i%2](t.Context(), i)); got != i {
			t.Errorf("asked %d, answered %d", i, got)
		}
	}
	for i := range heard {
		if n := heard[i].of("callback.unknown"); n > 0 {
			t.Errorf("asker %d saw %d answers to the asks of another", i, n)
		}
	}
}

func checkPeersLeakNothing(t *trial) {
	t.LeavesNothing(24, func(i int) {
		u := newTrial(t.TB, t.wire)
		defer u.End()
		work := u.name("block")
		a, b := u.pair(nil, nil, func(b *callback.Peer) { callback.Serve(b, work, u.block, nil) })
		ask := callback.Dial[int, int](a, work, nil)
		for range 5 {
			ask(u.Context(), i)
		}
		if i%2 == 0 {
			u.close("Close of a peer", b)
		}
	})
}

func checkCrashBeforeAnswer(t *trial) {
	e := t.open()
	work, group, up := t.name("work"), t.name("group"), t.name("ready")
	crashing := e.Another()
	first := t.listenGroup(crashing, work, group)
	a := t.run(e.A, nil, nil)
	f := callback.Dial[int, int](a, work, &callback.DialOptions{Timeout: 2 * t.wire.Patience})(t.Context(), 7)
	t.delivery(first)
	t.answering(e.B, nil, up, func(b *callback.Peer) {
		callback.Serve(b, work, echoInt, &callback.ServeOptions{Group: group})
	})
	t.ready(a, up)
	t.close("Close", crashing) // it has taken the request, and neither answered nor settled it
	if got := answered(t, f); got != 7 {
		t.Errorf("asked 7, answered %d", got)
	}
}
