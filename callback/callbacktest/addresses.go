package callbacktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

func checkOneAddress(t *trial) {
	e := t.open()
	for _, tr := range []callback.Transport{e.A, e.B} {
		ctx, cancel := t.Patient()
		defer cancel()
		in, err := tr.Listen(ctx, t.name("nobody"))
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Listen at a name on a point-to-point wire returned %v, %v; want errors.ErrUnsupported", in, err)
		}
	}
}

func checkNoGroups(t *trial) {
	e := t.open()
	for _, tr := range []callback.Transport{e.A, e.B} {
		g, ok := tr.(callback.GroupListener)
		if !ok {
			continue
		}
		ctx, cancel := t.Patient()
		defer cancel()
		if in, err := g.ListenGroup(ctx, t.name("nobody"), "group"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("ListenGroup on a wire without groups returned %v, %v; want errors.ErrUnsupported", in, err)
		}
	}
}

func checkAddresses(t *trial) {
	l := t.line()
	inboxes := []callback.Inbox{l.atA, t.listen(l.A, ""), t.listen(l.B, "")}
	if l.Another != nil {
		inboxes = append(inboxes, t.listen(l.Another(), ""))
	}
	addrs := map[string]bool{}
	for _, in := range inboxes {
		switch addr := in.Addr(); {
		case addr == "":
			t.Fatalf("an inbox has no address, so nobody can answer to it")
		case len(addr) > callback.MaxAddress:
			t.Errorf("an inbox has an address of %d bytes, of at most %d", len(addr), callback.MaxAddress)
		case addrs[addr]:
			t.Fatalf("two inboxes have the address %q", addr)
		default:
			addrs[addr] = true
		}
	}
	for i, in := range inboxes {
		m := l.message(callback.Reply, i)
		m.To = in.Addr()
		t.send(l.B, m)
	}
	for i, in := range inboxes {
		if got := t.number(t.receive(in)); got != i {
			t.Errorf("inbox %d got the answer for inbox %d", i, got)
		}
		t.silent(in, fmt.Sprintf("inbox %d has all that was for it", i))
	}
}

func checkNames(t *trial) {
	l := t.line()
	second := l.A
	if l.Another != nil {
		second = l.Another()
	}
	inboxes := []callback.Inbox{l.atB, t.listen(second, l.name)}
	other := t.listen(l.B, t.name("other"))
	const n = 20
	for i := range n {
		m := l.message(callback.Event, i)
		m.Header = map[string]string{"of": "all"}
		t.send(l.A, m)
	}
	for k, in := range inboxes {
		for i := range n {
			m := t.receive(in)
			if got := t.number(m); got != i && !t.wire.NoOrder || len(m.Header) != 1 {
				t.Errorf("listener %d got message %d with %d headers when %d was next", k, got, len(m.Header), i)
			}
			m.Body[0], m.Header["mine"] = 'x', "yes" // it is ours
		}
		t.silent(in, "everybody at a name gets each message once")
	}
	t.silent(other, "nothing was sent to this name")
}

func checkGroups(t *trial) {
	l := t.line()
	ends := []callback.Transport{l.A, l.B, l.B}
	if l.Another != nil {
		ends[2] = l.Another()
	}
	group := t.name("group")
	var members []callback.Inbox
	for _, tr := range ends {
		members = append(members, t.listenGroup(tr, l.name, group))
	}
	alone := t.listenGroup(l.B, l.name, t.name("alone"))
	const n = 60
	share := func(from int, members []callback.Inbox) {
		t.Helper()
		for i := range n {
			t.send(l.A, l.message(callback.Request, from+i))
		}
		came := map[int]int{}
		for _, in := range members {
			for _, m := range t.drain(in) {
				came[t.number(m)]++
			}
		}
		for i := range n {
			if came[from+i] != 1 {
				t.Errorf("of %d that share an address, %d got message %d", len(members), came[from+i], from+i)
			}
		}
		for what, in := range map[string]callback.Inbox{"a group of its own": alone, "no group": l.atB} {
			if got := len(t.drain(in)); got != n {
				t.Errorf("%d messages were sent, and a listener in %s got %d", n, what, got)
			}
		}
	}
	share(0, members)
	t.close("Close of an inbox", members[0])
	share(n, members) // who has left may still hand out what was on its way to it
	ctx, cancel := t.Patient()
	defer cancel()
	if _, err := members[0].Receive(ctx); !errors.Is(err, callback.ErrClosed) {
		t.Errorf("who has left a group still receives: %v, want callback.ErrClosed", err)
	}
	share(2*n, members[1:]) // those who are left share everything
}

func (t *trial) listenGroup(tr callback.Transport, addr, group string) callback.Inbox {
	t.Helper()
	g, ok := tr.(callback.GroupListener)
	if !ok {
		t.Fatalf("one end of the wire is a callback.GroupListener, and another is none")
	}
	ctx, cancel := t.Patient()
	defer cancel()
	in, err := g.ListenGroup(ctx, addr, group)
	if err != nil {
		t.Fatalf("ListenGroup failed: %v", err)
	}
	return in
}

func checkDeliveries(t *trial) {
	l := t.line()
	ctx, cancel := t.Patient()
	defer cancel()
	t.send(l.A, l.message(callback.Request, 1))
	d := t.delivery(l.atB)
	if d.Attempt < 0 || d.Attempt > 1 {
		t.Errorf("a message that was handed out for the first time has attempt %d", d.Attempt)
	}
	switch {
	case d.Settle == nil && l.B.Caps().SettledDelivery:
		t.Errorf("Caps promise SettledDelivery, but the delivery has no Settle")
	case d.Settle != nil && !l.B.Caps().SettledDelivery:
		t.Errorf("Caps do not promise SettledDelivery, but the delivery has a Settle: who goes by Caps never calls it")
	case d.Settle != nil:
		if err := d.Settle(ctx, nil); err != nil {
			t.Errorf("Settle failed: %v", err)
		}
	}
}

// redelivered waits until message n is handed out, and settles it.
func (t *trial) redelivered(in callback.Inbox, n int, why string) {
	t.Helper()
	ctx, cancel := t.Patient()
	defer cancel()
	d, err := t.deliver(ctx, in)
	if err != nil {
		t.Fatalf("%s, and it did not come again: %v", why, err)
	}
	if got := t.number(d.Message); got != n {
		t.Errorf("%s, and message %d came, want message %d", why, got, n)
	}
	if d.Attempt == 1 {
		t.Errorf("%s, and came again with attempt 1", why)
	}
	if err := d.Settle(ctx, nil); err != nil {
		t.Errorf("Settle failed: %v", err)
	}
}

func checkSettles(t *trial) {
	l := t.line()
	ctx, cancel := context.WithTimeout(t.Context(), t.wire.Patience)
	defer cancel()
	t.send(l.A, l.message(callback.Request, 1))
	d := t.delivery(l.atB)
	if err := d.Settle(ctx, errors.New("callbacktest: not done")); err != nil {
		t.Errorf("Settle failed: %v", err)
	}
	t.redelivered(l.atB, 1, "the message was settled with an error")
	t.silent(l.atB, "the message was settled")
}

func checkRedelivers(t *trial) {
	l := t.line()
	crashing, group := l.Another(), t.name("group")
	first := t.listenGroup(crashing, l.name, group)
	t.close("Close of an inbox", l.atB)
	ctx, cancel := context.WithTimeout(t.Context(), t.wire.Patience)
	defer cancel()
	t.send(l.A, l.message(callback.Request, 1))
	t.send(l.A, l.message(callback.Request, 2))
	for n := 1; n <= 2; n++ {
		d := t.delivery(first)
		if got := t.number(d.Message); got == 1 {
			if err := d.Settle(ctx, nil); err != nil {
				t.Errorf("Settle failed: %v", err)
			}
		}
	}
	second := t.listenGroup(l.B, l.name, group)
	t.Pause(10 * time.Millisecond)
	t.close("Close", crashing)
	t.redelivered(second, 2, "the receiver ended before it had settled the message")
	t.silent(second, "the other message was settled")
}
