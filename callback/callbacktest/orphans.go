package callbacktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// An actor is a peer at A, and at B a transport that the suite uses itself, to
// answer as no peer would.
type actor struct {
	*Ends
	t     *trial
	a     *callback.Peer
	name  string
	atB   callback.Inbox
	heard journal // of A
}

func (t *trial) actor(setUp func(a *callback.Peer)) *actor {
	t.Helper()
	x := &actor{Ends: t.open(), t: t, name: t.name("actor")}
	x.atB = t.serving(x.B, x.name)
	x.a = t.run(x.A, &callback.PeerOptions{Observer: x.heard.observe}, setUp)
	return x
}

// request returns the next request.
func (x *actor) request() *callback.Message {
	x.t.Helper()
	for {
		if m := x.t.receive(x.atB); m.Kind == callback.Request {
			return m
		}
	}
}

// reply answers m with a body of JSON.
func (x *actor) reply(m *callback.Message, body string) {
	x.t.Helper()
	x.t.send(x.B, &callback.Message{Kind: callback.Reply, ID: m.ID, To: m.ReplyTo, Body: []byte(body)})
}

// told waits until event has been observed n times, and no more.
func (x *actor) told(event string, n int) {
	x.t.Helper()
	x.t.Eventually(fmt.Sprintf("%s was not observed %d times", event, n), func() bool { return x.heard.of(event) >= n })
	if got := x.heard.of(event); got > n {
		x.t.Errorf("%s was observed %d times, want %d", event, got, n)
	}
}

func checkFirstAnswerWins(t *trial) {
	x := t.actor(nil)
	ask := callback.Dial[int, int](x.a, x.name, nil)
	for i := range 5 {
		f := ask(t.Context(), i)
		m := x.request()
		for k := range 3 {
			x.reply(m, fmt.Sprint(10*i+k))
		}
		if got := answered(t, f); got != 10*i {
			t.Errorf("three answers came, and the ask settled with that number %d", got-10*i+1)
		}
		x.told("callback.duplicate", 2*(i+1))
	}
	t.nonePending(x.a)
}

func checkOrphans(t *trial) {
	x := t.actor(nil)
	ask := callback.Dial[int, int](x.a, x.name, nil)
	for i := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		f := ask(ctx, i)
		m := x.request()
		cancel()
		if err := outcome(t, f).Err; !errors.Is(err, context.Canceled) {
			t.Errorf("the asker gave up, and the ask ended with %v", err)
		}
		next := ask(t.Context(), 100+i)
		x.reply(m, "1") // late
		x.reply(&callback.Message{ID: newID(), ReplyTo: m.ReplyTo}, "2")
		x.reply(x.request(), fmt.Sprint(100+i))
		if got := answered(t, next); got != 100+i {
			t.Errorf("asked %d, answered %d", 100+i, got)
		}
		x.told("callback.late", i+1)
		x.told("callback.unknown", i+1)
	}
	t.nonePending(x.a)
}

func checkForged(t *trial) {
	x := t.actor(nil)
	ask := callback.Dial[int, int](x.a, x.name, nil)
	f := ask(t.Context(), 1)
	m := x.request()
	for i := range len(m.ID) {
		forged := &callback.Message{ID: m.ID, ReplyTo: m.ReplyTo}
		forged.ID[i] ^= 1 << (i % 8)
		x.reply(forged, "666")
	}
	t.Eventually("answers with ids that nobody gave out were not observed", func() bool {
		return x.heard.of("callback.unknown")+x.heard.of("callback.late")+x.heard.of("callback.duplicate") >= len(m.ID)
	})
	if _, settled := f.Peek(); settled {
		t.Errorf("an ask was settled by an answer with another id")
	}
	x.reply(m, "1")
	if got := answered(t, f); got != 1 {
		t.Errorf("asked 1, answered %d", got)
	}
}

func checkAnswerElsewhere(t *trial) {
	served := t.name("served")
	x := t.actor(func(a *callback.Peer) { callback.Serve(a, served, echoInt, nil) })
	f := callback.Dial[int, int](x.a, x.name, nil)(t.Context(), 1)
	m := x.request()
	x.reply(&callback.Message{ID: m.ID, ReplyTo: served}, "666")
	t.Pause(t.While())
	if r, settled := f.Peek(); settled {
		t.Errorf("an ask was settled by what came to another inbox: %v, %v", r.Value, r.Err)
	}
	x.reply(m, "1")
	if got := answered(t, f); got != 1 {
		t.Errorf("asked 1, answered %d", got)
	}
}

func checkRepeatedRequest(t *trial) {
	e := t.open()
	work, up, calls := t.name("count"), t.name("ready"), make(chan struct{}, 100)
	t.answering(e.B, nil, up, func(b *callback.Peer) {
		callback.Serve(b, work, func(_ context.Context, n int) (int, error) {
			calls <- struct{}{}
			return 7 * n, nil
		}, nil)
	})
	l := &line{Ends: e, t: t, name: up, atA: t.listen(e.A, "")}
	l.through("from A to B and back", e.A, callback.Request, l.atA, true)
	m := callback.Message{Kind: callback.Request, ID: newID(), To: work, ReplyTo: l.atA.Addr(), Deadline: time.Now().Add(time.Hour)}
	for i := range 4 {
		again := m
		again.Body = []byte("6")
		t.send(e.A, &again)
		got := t.receive(l.atA)
		if got.Kind != callback.Reply || got.ID != m.ID || string(got.Body) != "42" {
			t.Errorf("sent for time %d, the request got the answer %q, %v", i+1, got.Body, got.Err)
		}
	}
	if n := len(calls); n != 1 {
		t.Errorf("a request was sent four times under one id, and done %d times", n)
	}
}

func checkAsksAgain(t *trial) {
	x := t.actor(nil)
	ask := callback.Dial[int, int](x.a, x.name, &callback.DialOptions{
		Attempts: 5,
		Backoff:  func(int) time.Duration { return t.While() / 10 },
	})
	f := ask(t.Context(), 1)
	first := x.request() // which is lost
	second := x.request()
	if first.ID != second.ID {
		t.Errorf("a request was repeated under another id, so the work is done twice")
	}
	x.reply(second, "1")
	if got := answered(t, f); got != 1 {
		t.Errorf("asked 1, answered %d", got)
	}
	t.nonePending(x.a)
}
