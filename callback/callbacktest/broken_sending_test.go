package callbacktest

import (
	"context"
	"errors"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// bentSending are mistakes about pressure and closing.
var bentSending = []mistake{
	{name: "blocks in Send past its context", rule: "SendEnds", open: sends(func(next sender, ctx context.Context, m *callback.Message) error {
		return next(context.WithoutCancel(ctx), m)
	})},
	{name: "keeps to itself what ended Send", rule: "SendEnds", open: sends(func(next sender, ctx context.Context, m *callback.Message) error {
		if err := next(ctx, m); err == nil || ctx.Err() == nil {
			return err
		}
		return antiphon.Errorf(antiphon.CodeCanceled, "timeout")
	})},
	{name: "sends what it says it gave up", rule: "SendEnds", open: bentPipe(func(_ testing.TB, b *bent) {
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			sent := make(chan error, 1)
			go func() { sent <- next(context.WithoutCancel(ctx), m) }()
			select {
			case err := <-sent:
				return err
			case <-ctx.Done():
				return gaveUp(ctx)
			}
		}
	})},
	{name: "accepts what it gave up", rule: "SendEnds", open: sends(func(next sender, ctx context.Context, m *callback.Message) error {
		if err := next(ctx, m); ctx.Err() == nil {
			return err
		}
		return nil
	})},
	{name: "holds whatever comes", rule: "SendEnds", open: bentPipe(unbounded)},
	{name: "loses what it accepted while it was stuck", rule: "SendEnds", open: receives(func(n *int, next receiver, ctx context.Context) (callback.Delivery, error) {
		for {
			d, err := next(ctx)
			if *n++; err != nil || *n != 50 {
				return d, err
			}
		}
	})},
	{name: "holds an answer behind events", rule: "Lanes", open: bentPipe(func(_ testing.TB, b *bent) {
		turn := make(chan struct{}, 1)
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			select {
			case turn <- struct{}{}:
			case <-ctx.Done():
				return gaveUp(ctx)
			}
			defer func() { <-turn }()
			return next(ctx, m)
		}
	})},
	{name: "takes a cancel for a request", rule: "Lanes", open: bentPipe(func(_ testing.TB, b *bent) {
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if m.Kind == callback.Cancel {
				m.Kind = callback.Request
			}
			return next(ctx, m)
		}
	})},
	{name: "loses a credit in a flood", rule: "Lanes", open: loses(isKind(callback.Credit))},
	{name: "waits in TrySend", rule: "TrySend", open: tries(func(t callback.TrySender, m *callback.Message) (bool, error) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { hang(); cancel() }()
		return true, t.(callback.Transport).Send(ctx, m)
	})},
	{name: "keeps what TrySend did not take", rule: "TrySend", open: func(testing.TB) *Ends {
		x, y := callback.Pipe(nil)
		u := &bent{Transport: x}
		try := func(t callback.TrySender, m *callback.Message) (bool, error) {
			ok, err := t.TrySend(clone(m))
			if !ok {
				go func() { _ = x.Send(context.Background(), clone(m)) }()
			}
			return ok, err
		}
		return &Ends{A: bentTry{u, try}, B: y}
	}},
	{name: "changes what TrySend did not take", rule: "TrySend", open: tries(func(t callback.TrySender, m *callback.Message) (bool, error) {
		ok, err := t.TrySend(m)
		if !ok {
			m.ID = callback.ID{}
		}
		return ok, err
	})},
	{name: "loses what TrySend took", rule: "TrySend", open: func(testing.TB) *Ends {
		x, y := callback.Pipe(nil)
		var n count
		return &Ends{B: y, A: bentTry{&bent{Transport: x}, func(t callback.TrySender, m *callback.Message) (bool, error) {
			if n.next() == 10 {
				return true, nil
			}
			return t.TrySend(m)
		}}}
	}},
	{name: "says that all is written when nothing is", rule: "Flush", open: hasty},
	{name: "feeds a message twice", rule: "Feed", open: fed(func(take func(callback.Delivery, error), d callback.Delivery, err error) {
		take(d, err)
		if err == nil && string(d.Body) == "100" {
			take(d, err)
		}
	}, false)},
	{name: "feeds on past its context", rule: "Feed", open: fed(func(take func(callback.Delivery, error), d callback.Delivery, err error) { take(d, err) }, true)},
	{name: "hands out what has expired", rule: "Expiry", open: brokers("hands out what has expired", callback.Caps{NativeExpiry: true})},

	{name: "hangs in the second Close", rule: "CloseTwice", open: bentPipe(func(_ testing.TB, b *bent) {
		var n count
		b.close = func() error {
			if n.next() > 1 {
				hang()
			}
			return b.Transport.Close()
		}
	})},
	{name: "forgets that it was closed", rule: "ClosedRefuses", open: bentPipe(func(_ testing.TB, b *bent) { b.close = func() error { return nil } })},
	{name: "calls closed by another name", rule: "ClosedRefuses", open: sends(func(next sender, ctx context.Context, m *callback.Message) error {
		if err := next(ctx, m); err != nil {
			return errors.New("use of closed network connection")
		}
		return nil
	})},
	{name: "says of what it refuses that it is unknown", rule: "ClosedRefuses", open: sends(func(next sender, ctx context.Context, m *callback.Message) error {
		err := next(ctx, m)
		if errors.Is(err, callback.ErrClosed) {
			e := *antiphon.FromError(err)
			e.Class = antiphon.ClassUnknown
			return &e
		}
		return err
	})},
	{name: "waits in Close for a Send that is stuck", rule: "CloseEndsCalls", open: bentPipe(func(_ testing.TB, b *bent) {
		turn := make(chan struct{}, 1)
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			turn <- struct{}{}
			defer func() { <-turn }()
			return next(ctx, m)
		}
		b.close = func() error {
			turn <- struct{}{}
			defer func() { <-turn }()
			return b.Transport.Close()
		}
	})},
	{name: "leaves a Send hanging when it is closed", rule: "CloseEndsCalls", open: bentPipe(func(_ testing.TB, b *bent) {
		b.close = func() error { return nil }
	})},
	{name: "hands out messages after its inbox is closed", rule: "InboxClose", open: bentPipe(func(_ testing.TB, b *bent) { b.leave = func() error { return nil } })},
	{name: "does not notice that its inbox is closed", rule: "InboxCloseEndsReceive", open: bentPipe(func(_ testing.TB, b *bent) { b.leave = func() error { return nil } })},
	{name: "leaks a goroutine", rule: "NoLeak", open: bentPipe(func(testing.TB, *bent) { leak() })},
	{name: "leaks a goroutine with each Receive that is given up", rule: "NoLeak", open: receives(func(_ *int, next receiver, ctx context.Context) (callback.Delivery, error) {
		d, err := next(ctx)
		if ctx.Err() != nil {
			leak()
		}
		return d, err
	})},
	{name: "leaks a goroutine for each peer", rule: "PeersLeakNothing", open: bentPipe(func(testing.TB, *bent) { leak() })},
}

// unbounded has b hold what the transport in it does not take.
func unbounded(tb testing.TB, b *bent) {
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	b.send = func(next sender, _ context.Context, m *callback.Message) error {
		go func() { _ = next(ctx, m) }()
		return nil
	}
}

// hasty is a pipe that holds what it has accepted until nobody waits any more, and
// does not know it.
func hasty(tb testing.TB) *Ends {
	x, y := callback.Pipe(nil)
	b := &bent{Transport: x}
	var n count
	b.send = func(next sender, ctx context.Context, m *callback.Message) error {
		if n.next() > 50 {
			return nil // still in the buffer when it is closed
		}
		return next(ctx, m)
	}
	return &Ends{A: flushes{b}, B: y}
}

type flushes struct{ *bent }

func (flushes) Flush(context.Context) error { return nil }

// fed is a pipe whose inboxes feed.
func fed(feed func(take func(callback.Delivery, error), d callback.Delivery, err error), deaf bool) func(testing.TB) *Ends {
	return func(testing.TB) *Ends {
		x, y := callback.Pipe(nil)
		e := &Ends{A: x}
		e.B = &bent{Transport: y, listen: func(addr string) (callback.Inbox, error) {
			in, err := y.Listen(context.Background(), addr)
			return feeds{in, feed, deaf}, err
		}}
		return e
	}
}

type feeds struct {
	callback.Inbox
	feed func(take func(callback.Delivery, error), d callback.Delivery, err error)
	deaf bool
}

func (f feeds) Feed(ctx context.Context, take func(callback.Delivery, error)) error {
	if f.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	for {
		d, err := f.Receive(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, callback.ErrClosed) {
			return err
		}
		f.feed(take, d, err)
	}
}
