package callbacktest

import (
	"errors"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

func checkDeadReader(t *trial) {
	e := t.open()
	name := t.name("dead")
	t.serving(e.B, name) // and nobody receives
	e.stall()
	a := t.run(e.A, &callback.PeerOptions{Outbox: 64}, nil)
	t.Pause(t.While() / 10)
	limit := 300 * time.Millisecond
	ask := callback.Dial[string, int](a, name, &callback.DialOptions{Timeout: limit})
	q := strings.Repeat("x", chunkOf(e.A)-2)
	fs := make([]*answer, 600)
	for i := range fs {
		if fs[i] = ask(t.Context(), q); i%50 == 0 {
			t.Pause(time.Millisecond)
		}
	}
	last := time.Now().Add(limit)
	for _, f := range fs {
		err := outcome(t, f).Err
		if !errors.Is(err, callback.ErrExpired) && !errors.Is(err, callback.ErrFull) && !errors.Is(err, callback.ErrUndeliverable) {
			t.Fatalf("nobody reads, and an ask ended with %v", err)
		}
	}
	if late := time.Since(last); late > t.wire.Slack {
		t.Errorf("nobody reads, and asks settled %v after their time", late)
	}
	t.nonePending(a)
	t.close("Close of a peer whose wire is stuck", a)
	e.flow()
}

// A patient has two peers on a wire that is cut and heals.
type patient struct {
	*Ends
	t     *trial
	a     *callback.Peer
	up    string // what B answers to
	serve func(*callback.Peer)
	heard journal // of A
}

// patient runs peers on a wire that is to be cut; B, and what comes after it, serve
// what setUp says.
func (t *trial) patient(setUp func(*callback.Peer)) *patient {
	t.Helper()
	p := &patient{Ends: t.open(), t: t, up: t.name("ready"), serve: setUp}
	t.answering(p.B, nil, p.up, setUp)
	// A serves something as well: on a wire with addresses it has two inboxes, and
	// yet there is one break.
	p.a = t.answering(p.A, &callback.PeerOptions{Observer: p.heard.observe}, p.up+"-a", nil)
	t.ready(p.a, p.up)
	return p
}

// heal has the connection made again, and waits until A has been told of the break
// and is answered.
func (p *patient) heal(breaks int) {
	p.t.Helper()
	p.Heal()
	if p.Again != nil && !p.t.wire.Resumes {
		p.t.answering(p.Again(), nil, p.up, p.serve)
	}
	if !p.t.wire.Resumes {
		p.t.Eventually("the connection broke, and the peer was not told", func() bool {
			return p.heard.of("callback.disconnected") >= breaks
		})
	}
	p.t.ready(p.a, p.up)
}

func checkCutSettlesAsks(t *trial) {
	block := t.name("block")
	begun := make(chan struct{}, 100)
	p := t.patient(func(b *callback.Peer) {
		callback.Serve(b, block, t.beginning(begun), nil)
	})
	ask := callback.Dial[int, int](p.a, block, &callback.DialOptions{Timeout: max(t.wire.Patience, 10*time.Second)})
	const n = 50
	fs := make([]*answer, n)
	for i := range fs {
		fs[i] = ask(t.Context(), i)
	}
	t.all("work did not begin", n, begun)
	start := time.Now()
	p.Cut()
	for _, f := range fs {
		err := outcome(t, f).Err
		if !errors.Is(err, callback.ErrDisconnected) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Errorf("the work was under way when the connection broke, and the ask ended with %v of class %s; want callback.ErrDisconnected, unknown", err, antiphon.ClassOf(err))
		}
	}
	if took := time.Since(start); took > time.Second+t.wire.Slack {
		t.Errorf("the connection broke, and the asks over it took %v to fail", took)
	}
	t.nonePending(p.a)
}

func checkAsksSurvive(t *trial) {
	slow := t.name("slow")
	begun := make(chan struct{}, 1000)
	release := make(chan struct{})
	p := t.patient(func(b *callback.Peer) {
		callback.Serve(b, slow, t.waiting(begun, release), nil)
	})
	ask := callback.Dial[int, int](p.a, slow, &callback.DialOptions{Timeout: max(2*t.wire.Patience, 10*time.Second)})
	const n = 50
	fs := make([]*answer, n)
	for i := range fs {
		fs[i] = ask(t.Context(), i)
	}
	t.all("work did not begin", n, begun)
	p.Cut()
	close(release) // the answers are given while there is no connection
	t.Pause(t.While() / 10)
	p.Heal()
	for i, f := range fs {
		if got := answered(t, f); got != i {
			t.Errorf("ask %d got the answer to ask %d", i, got)
		}
	}
	t.nonePending(p.a)
}

func checkHeals(t *trial) {
	work := t.name("echo")
	p := t.patient(func(b *callback.Peer) { callback.Serve(b, work, echoInt, nil) })
	ask := callback.Dial[int, int](p.a, work, nil)
	for i := range 5 {
		p.Cut()
		t.Pause(time.Duration(i) * 5 * time.Millisecond)
		p.heal(i + 1)
		for n := range 20 {
			if got := answered(t, ask(t.Context(), n)); got != n {
				t.Errorf("asked %d, answered %d", n, got)
			}
		}
	}
	t.nonePending(p.a)
}

func checkStaleBreak(t *trial) {
	block := t.name("block")
	begun := make(chan struct{}, 100)
	release := make(chan struct{})
	p := t.patient(func(b *callback.Peer) {
		callback.Serve(b, block, t.waiting(begun, release), nil)
	})
	ask := callback.Dial[int, int](p.a, block, nil)
	const cuts = 3
	for i := range cuts {
		p.Cut()
		p.heal(i + 1)
	}
	fs := make([]*answer, 20) // asked after the breaks had been told
	for i := range fs {
		fs[i] = ask(t.Context(), i)
	}
	t.all("work did not begin", len(fs), begun)
	t.Pause(t.While())
	close(release)
	for i, f := range fs {
		if r := outcome(t, f); r.Err != nil || r.Value != i {
			t.Errorf("asked after the break, and the ask ended with %v, %v", r.Value, r.Err)
		}
	}
	if got := p.heard.of("callback.disconnected"); got != cuts {
		t.Errorf("the connection broke %d times, and the peer was told of it %d times", cuts, got)
	}
}

func checkAskWhileDown(t *trial) {
	work := t.name("echo")
	p := t.patient(func(b *callback.Peer) { callback.Serve(b, work, echoInt, nil) })
	p.Cut()
	if !t.wire.Resumes {
		t.Eventually("the connection broke, and the peer was not told", func() bool { return p.heard.of("callback.disconnected") > 0 })
	}
	brief := callback.Dial[int, int](p.a, work, &callback.DialOptions{Timeout: t.While()})
	start := time.Now()
	err := outcome(t, brief(t.Context(), 1)).Err
	if err == nil {
		t.Fatalf("there is no connection, and an ask was answered")
	}
	if late := time.Since(start) - t.While(); late > t.wire.Slack {
		t.Errorf("there is no connection, and an ask settled %v after its time", late)
	}
	p.heal(1)
	if got := answered(t, callback.Dial[int, int](p.a, work, nil)(t.Context(), 2)); got != 2 {
		t.Errorf("asked 2, answered %d", got)
	}
	t.nonePending(p.a)
}
