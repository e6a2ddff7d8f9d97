package callbacktest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// disconnected takes the one ErrDisconnected of a break.
func (l *line) disconnected(in callback.Inbox) {
	t := l.t
	t.Helper()
	_, err := t.fails(in)
	if !errors.Is(err, callback.ErrDisconnected) {
		t.Fatalf("the connection broke, and Receive failed with %v, want callback.ErrDisconnected", err)
	}
	if class := antiphon.ClassOf(err); class != antiphon.ClassUnknown {
		t.Errorf("the connection broke, and Receive failed with %q of class %s: what became of messages is unknown", err, class)
	}
}

// cutAndHeal breaks the connection and has it made again.
func (l *line) cutAndHeal() {
	l.t.Helper()
	l.Cut()
	if !l.t.wire.Resumes {
		l.disconnected(l.atA)
		if l.Again == nil {
			l.disconnected(l.atB)
		}
	}
	l.Heal()
	l.restored(true)
}

// restored waits until messages get through again, either way. B knows of the break
// if told.
func (l *line) restored(told bool) {
	l.t.Helper()
	if l.Again != nil && !l.t.wire.Resumes {
		l.B = l.Again()
		l.atB = l.t.serving(l.B, l.name)
	}
	l.through("from A", l.A, callback.Request, l.atB, told)
	l.through("from B", l.B, callback.Reply, l.atA, true)
}

// through sends until something arrives: on a wire with addresses nobody knows when
// the inbox at the other side is back.
func (l *line) through(what string, from callback.Transport, kind callback.Kind, in callback.Inbox, told bool) {
	t := l.t
	t.Helper()
	sent := 0
	for limit := time.Now().Add(t.wire.Patience); ; {
		if time.Now().After(limit) {
			t.Fatalf("the wire has healed, and nothing %s arrives within %v", what, t.wire.Patience)
		}
		if err, _ := t.sendFor(from, l.message(kind, -1), t.wire.Patience/2); err != nil {
			if antiphon.ClassOf(err) == antiphon.ClassFailed {
				t.Fatalf("the wire has healed, and Send %s failed: %v", what, err)
			}
			t.Pause(t.While() / 10)
			continue
		}
		sent++
		ctx, cancel := context.WithTimeout(t.Context(), t.While())
		m, err := t.take(ctx, in)
		for err == nil && m.Err != nil && antiphon.ClassOf(m.Err) == antiphon.ClassNotAccepted {
			m, err = t.take(ctx, in) // what was sent before bounced
		}
		over := ended(ctx, err)
		cancel()
		switch {
		case err == nil && sent == 1:
			return
		case err == nil:
			t.drain(in) // the others may come as well
			return
		case !told && errors.Is(err, callback.ErrDisconnected):
			told = true
		case !over:
			t.Fatalf("the break has been told, the wire has healed, and Receive failed: %v", err)
		}
	}
}

func checkOneDisconnect(t *trial) {
	l := t.line()
	l.works(0)
	if l.Heal != nil {
		for i := range 3 {
			l.cutAndHeal()
			t.silent(l.atA, "the break has been told")
			t.silent(l.atB, "the break has been told")
			l.works(i)
		}
		return
	}
	l.Cut()
	l.disconnected(l.atA)
	for range 3 {
		if _, err := t.fails(l.atA); !errors.Is(err, callback.ErrClosed) {
			t.Errorf("the connection is broken for good, and after that was told Receive failed with %v, want callback.ErrClosed", err)
		}
	}
}

func checkCutEndsSend(t *trial) {
	l := t.line()
	l.works(0)
	told := make(chan struct{})
	go func() { // as a peer does
		defer close(told)
		for {
			if _, err := l.atA.Receive(t.Context()); err != nil && !errors.Is(err, callback.ErrDisconnected) {
				return
			}
		}
	}()
	defer func() { t.Stop(); t.Watch("Receive did not return when its context ended", told) }()
	l.stall()
	l.fill(callback.Request, 0)
	begun, returned := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(returned)
		m := l.heavy(callback.Request, -1)
		close(begun)
		_ = l.A.Send(t.Context(), m)
	}()
	<-begun
	t.Pause(t.While() / 2)
	l.Cut()
	t.Pause(t.While() / 10) // it is noticed before there is room
	l.flow()
	if l.Heal != nil {
		l.Heal()
		if l.Again != nil && !t.wire.Resumes {
			l.B = l.Again()
			l.atB = t.serving(l.B, l.name)
		}
		stop := l.collect(nil, l.atB)
		defer stop()
	}
	t.Within("Send was stuck when the connection broke, and did not return", returned)
}

// collect takes what comes to in, and counts it, until stop is called.
func (l *line) collect(count func(n int), in callback.Inbox) (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			d, err := in.Receive(ctx)
			switch {
			case err == nil:
				if d.Settle != nil {
					_ = d.Settle(ctx, nil)
				}
				if count != nil {
					count(l.t.plainNumber(d.Message))
				}
			case !errors.Is(err, callback.ErrDisconnected):
				return
			}
		}
	}()
	return func() { cancel(); l.t.Watch("Receive did not return when its context ended", done) }
}

// plainNumber is number for other goroutines: -1 is none.
func (t *trial) plainNumber(m *callback.Message) (n int) {
	for _, c := range m.Body {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func checkCutsAreTold(t *trial) {
	l := t.line()
	l.works(0)
	var mu sync.Mutex
	came := map[int]int{}
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		came[n]++
	}
	defer l.collect(nil, l.atA)()
	stops := []func(){l.collect(count, l.atB)}
	var sent atomic.Int64
	over := make(chan struct{})
	results := make(chan map[int]error, 1)
	go func() {
		errs := map[int]error{}
		for n := 1; ; n++ {
			select {
			case <-over:
				results <- errs
				return
			default:
			}
			errs[n], _ = t.sendFor(l.A, l.message(callback.Request, n), t.wire.Patience)
			sent.Store(int64(n))
			t.Pause(time.Millisecond)
		}
	}()
	for i := range 5 {
		enough := sent.Load() + 10
		t.Eventually("nothing more was sent", func() bool { return sent.Load() >= enough })
		l.Cut()
		t.Pause(time.Duration(i) * time.Millisecond)
		l.Heal()
		if l.Again != nil && !t.wire.Resumes {
			stops = append(stops, l.collect(count, t.serving(l.Again(), l.name)))
		}
		t.Pause(t.While() / 10)
	}
	close(over)
	errs := <-results
	t.Pause(t.While())
	for _, stop := range stops {
		stop()
	}
	for n, err := range errs {
		switch class := antiphon.ClassOf(err); {
		case class == antiphon.ClassNotAccepted && came[n] > 0:
			t.Errorf("Send said of message %d that it was not accepted (%v), and it came", n, err)
		case class == antiphon.ClassFailed:
			t.Errorf("the connection broke, and Send failed with %q of class failed: a wire tries nothing", err)
		case came[n] > 1 && !l.A.Caps().SettledDelivery:
			t.Errorf("message %d came %d times", n, came[n])
		case err == nil && came[n] == 0 && (t.wire.Resumes || l.A.Caps().RepliesSurvive):
			t.Errorf("message %d was accepted, and never came; this wire promises that a cut loses nothing", n)
		}
	}
}

func checkReconnect(t *trial) {
	l := t.line()
	l.works(0)
	cause := errors.New("callbacktest: it only looks alive")
	for i := range 3 {
		l.A.(callback.Reconnector).Reconnect(cause)
		if !t.wire.Resumes {
			l.disconnected(l.atA)
		}
		l.restored(l.Again != nil)
		t.silent(l.atA, "the break has been told")
		l.works(i)
	}
}

func checkInboxesRestored(t *trial) {
	l := t.line()
	l.works(0)
	addr := l.atA.Addr()
	for i := range 3 {
		l.cutAndHeal()
		if now := l.atA.Addr(); now != addr {
			t.Errorf("an inbox had the address %q, and after a break %q: whoever was given it cannot answer", addr, now)
		}
		l.works(i)
	}
}

func checkCutsLeakNothing(t *trial) {
	times := 100
	if !t.wire.Bubble {
		times = 25
	}
	l := t.line()
	t.LeavesNothing(times, func(i int) {
		old := l.B
		l.cutAndHeal()
		l.works(i)
		if l.B != old {
			t.close("Close of a transport whose connection has broken", old)
		}
	})
}
