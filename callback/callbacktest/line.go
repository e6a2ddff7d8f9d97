package callbacktest

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// A line is a wire whose ends the suite uses itself, without peers: A has an inbox
// for answers, B one for what is asked as name.
type line struct {
	*Ends
	t    *trial
	name string
	atA  callback.Inbox
	atB  callback.Inbox
}

func (t *trial) line() *line {
	t.Helper()
	l := &line{Ends: t.open(), t: t, name: t.name("line")}
	l.atA = t.listen(l.A, "")
	l.atB = t.serving(l.B, l.name)
	return l
}

// listen opens an inbox.
func (t *trial) listen(tr callback.Transport, addr string) callback.Inbox {
	t.Helper()
	ctx, cancel := t.Patient()
	defer cancel()
	in, err := tr.Listen(ctx, addr)
	if err != nil {
		t.Fatalf("Listen(%q) failed: %v", addr, err)
	}
	return in
}

// serving opens the inbox where what is sent to name arrives.
func (t *trial) serving(tr callback.Transport, name string) callback.Inbox {
	t.Helper()
	if tr.Caps().PointToPoint {
		name = ""
	}
	return t.listen(tr, name)
}

// newID makes an id as a peer would.
func newID() (id callback.ID) {
	_, _ = rand.Read(id[:])
	return id
}

// message makes the n-th message of a kind, from A to B unless it is an answer.
func (l *line) message(kind callback.Kind, n int) *callback.Message {
	m := &callback.Message{Kind: kind, To: l.name, Body: []byte(strconv.Itoa(n))}
	switch kind {
	case callback.Event:
		return m
	case callback.Reply, callback.Part, callback.Progress, callback.Pong:
		m.To = l.atA.Addr()
	default:
		m.ReplyTo = l.atA.Addr()
	}
	if kind <= callback.Credit {
		m.ID = newID()
	}
	if kind == callback.Part || kind == callback.Progress || kind == callback.Credit {
		m.Seq = 1
	}
	return m
}

// number returns n of the n-th message.
func (t *trial) number(m *callback.Message) int {
	t.Helper()
	n, err := strconv.Atoi(string(m.Body))
	if err != nil {
		t.Fatalf("a message came that nobody sent so: %v with the body %.40q", m.Kind, m.Body)
	}
	return n
}

// heeds has do run, which is a call of what with ctx, and fails the test if it does
// not return when that ends: the suite must not hang with what it tests.
func (t *trial) heeds(ctx context.Context, what string, do func() error) error {
	t.Helper()
	returned := make(chan error, 1)
	go func() { returned <- do() }()
	select {
	case err := <-returned:
		return err
	case <-ctx.Done():
	}
	limit := time.NewTimer(t.wire.Patience)
	defer limit.Stop()
	select {
	case err := <-returned:
		return err
	case <-limit.C:
		t.Errorf("the context of %s ended, and it did not return within %v", what, t.wire.Patience)
		return context.Cause(ctx)
	}
}

// send sends m, which must succeed.
func (t *trial) send(tr callback.Transport, m *callback.Message) {
	t.Helper()
	if err, _ := t.sendFor(tr, m, t.wire.Patience); err != nil {
		t.Fatalf("Send failed: %v", err)
	}
}

// sendFor is Send for at most d, and reports whether that was over.
func (t *trial) sendFor(tr callback.Transport, m *callback.Message, d time.Duration) (err error, stuck bool) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, errEnough)
	defer cancel()
	err = t.heeds(ctx, "Send", func() error { return tr.Send(ctx, m) })
	return err, ctx.Err() != nil
}

var errEnough = errors.New("callbacktest: waited long enough")

// receive returns the next message, which must come, and settles it.
func (t *trial) receive(in callback.Inbox) *callback.Message {
	t.Helper()
	ctx, cancel := t.Patient()
	defer cancel()
	m, err := t.take(ctx, in)
	if err != nil {
		t.Fatalf("a message was sent, but Receive failed: %v", err)
	}
	return m
}

// deliver is Receive.
func (t *trial) deliver(ctx context.Context, in callback.Inbox) (callback.Delivery, error) {
	t.Helper()
	var d callback.Delivery
	err := t.heeds(ctx, "Receive", func() error {
		got, err := in.Receive(ctx)
		if err == nil {
			d = got
		}
		return err
	})
	if err != nil {
		return callback.Delivery{}, err
	}
	if d.Message == nil {
		t.Fatalf("Receive returned neither a message nor an error")
	}
	return d, nil
}

// delivery returns the next delivery, which must come, unsettled.
func (t *trial) delivery(in callback.Inbox) callback.Delivery {
	t.Helper()
	ctx, cancel := t.Patient()
	defer cancel()
	d, err := t.deliver(ctx, in)
	if err != nil {
		t.Fatalf("a message was sent, but Receive failed: %v", err)
	}
	return d
}

// take is Receive, and settles what it returns.
func (t *trial) take(ctx context.Context, in callback.Inbox) (*callback.Message, error) {
	t.Helper()
	d, err := t.deliver(ctx, in)
	if err == nil && d.Settle != nil {
		if err := d.Settle(ctx, nil); err != nil {
			t.Errorf("Settle failed: %v", err)
		}
	}
	return d.Message, err
}

// silent finds out that nothing more comes to in.
func (t *trial) silent(in callback.Inbox, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), t.While())
	defer cancel()
	m, err := t.take(ctx, in)
	switch {
	case err == nil:
		t.Errorf("%s: %v %.40q came", what, m.Kind, m.Body)
	case !ended(ctx, err):
		t.Errorf("%s: Receive failed: %v", what, err)
	}
}

// drain takes what there is until nothing comes any more, or in has ended.
func (t *trial) drain(in callback.Inbox) (all []*callback.Message) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 3*t.While())
		m, err := t.take(ctx, in)
		over := ended(ctx, err)
		cancel()
		switch {
		case over, errors.Is(err, callback.ErrClosed):
			return all
		case err != nil:
			t.Fatalf("Receive failed: %v", err)
		}
		all = append(all, m)
	}
}

// once finds out that of n messages each came once.
func (t *trial) once(n int, came map[int]int) {
	t.Helper()
	wrong := 0
	for i := range n {
		if came[i] == 1 {
			continue
		}
		if wrong++; wrong == 1 {
			t.Errorf("message %d of %d was accepted, and came %d times", i, n, came[i])
		}
	}
	if wrong > 1 {
		t.Errorf("so it was with %d messages", wrong)
	}
}

// fails waits until Receive fails in another way than for ctx, past all messages.
func (t *trial) fails(in callback.Inbox) (before int, err error) {
	t.Helper()
	ctx, cancel := t.Patient()
	defer cancel()
	for {
		_, err := t.take(ctx, in)
		if ended(ctx, err) {
			t.Fatalf("Receive did not fail within %v", t.wire.Patience)
		}
		if err != nil {
			return before, err
		}
		before++
	}
}

// works finds out that messages get through, either way.
func (l *line) works(n int) {
	l.t.Helper()
	l.t.send(l.A, l.message(callback.Request, n))
	if got := l.t.number(l.t.receive(l.atB)); got != n {
		l.t.Errorf("message %d came, want message %d", got, n)
	}
	l.t.send(l.B, l.message(callback.Reply, n))
	if got := l.t.number(l.t.receive(l.atA)); got != n {
		l.t.Errorf("answer %d came, want answer %d", got, n)
	}
}
