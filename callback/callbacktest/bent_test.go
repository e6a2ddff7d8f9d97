package callbacktest

import (
	"context"
	"sync"
	"testing"

	"github.com/antiphon-go/antiphon/callback"
)

// A bent transport does some things in another way than the one in it.
type bent struct {
	callback.Transport
	send    func(next sender, ctx context.Context, m *callback.Message) error
	receive func(next receiver, ctx context.Context) (callback.Delivery, error)
	listen  func(addr string) (callback.Inbox, error) // nil, nil: as the one in it
	leave   func() error                              // Close of an inbox
	addr    func(string) string
	close   func() error
	caps    func(callback.Caps) callback.Caps
}

type (
	sender   func(context.Context, *callback.Message) error
	receiver func(context.Context) (callback.Delivery, error)
)

func (b *bent) Caps() callback.Caps {
	if b.caps != nil {
		return b.caps(b.Transport.Caps())
	}
	return b.Transport.Caps()
}

func (b *bent) Send(ctx context.Context, m *callback.Message) error {
	if b.send != nil {
		return b.send(b.Transport.Send, ctx, m)
	}
	return b.Transport.Send(ctx, m)
}

func (b *bent) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Transport.Close()
}

func (b *bent) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	if b.listen != nil {
		if in, err := b.listen(addr); in != nil || err != nil {
			return in, err
		}
	}
	in, err := b.Transport.Listen(ctx, addr)
	return bentInbox{in, b}, err
}

type bentInbox struct {
	callback.Inbox
	b *bent
}

func (in bentInbox) Receive(ctx context.Context) (callback.Delivery, error) {
	if in.b.receive != nil {
		return in.b.receive(in.Inbox.Receive, ctx)
	}
	return in.Inbox.Receive(ctx)
}

func (in bentInbox) Addr() string {
	if in.b.addr != nil {
		return in.b.addr(in.Inbox.Addr())
	}
	return in.Inbox.Addr()
}

func (in bentInbox) Close() error {
	if in.b.leave != nil {
		return in.b.leave()
	}
	return in.Inbox.Close()
}

// A bentTry is a bent transport that can try.
type bentTry struct {
	*bent
	try func(callback.TrySender, *callback.Message) (bool, error)
}

func (b bentTry) TrySend(m *callback.Message) (bool, error) {
	return b.try(b.Transport.(callback.TrySender), m)
}

// A bentReconnect is one that can be told that its connection is dead.
type bentReconnect struct {
	*bent
	reconnect func(cause error)
}

func (b bentReconnect) Reconnect(cause error) { b.reconnect(cause) }

// bentPipe is a pipe that can be cut and heals, and is bent at both ends.
func bentPipe(bend func(tb testing.TB, b *bent)) func(testing.TB) *Ends {
	return func(tb testing.TB) *Ends {
		x, y := callback.Pipe(nil)
		a, b := Faulty(x, nil), Faulty(y, nil)
		e := &Ends{
			Cut:  func() { a.Cut(); b.Cut() },
			Heal: func() { a.Heal(); b.Heal() },
		}
		p, q := &bent{Transport: a}, &bent{Transport: b}
		bend(tb, p)
		bend(tb, q)
		e.A, e.B = p, q
		return e
	}
}

// sends bends what is sent.
func sends(send func(next sender, ctx context.Context, m *callback.Message) error) func(testing.TB) *Ends {
	return bentPipe(func(_ testing.TB, b *bent) { b.send = send })
}

// changes bends each message that is sent.
func changes(change func(m *callback.Message)) func(testing.TB) *Ends {
	return sends(func(next sender, ctx context.Context, m *callback.Message) error {
		change(m)
		return next(ctx, m)
	})
}

// loses drops the messages that it is told to.
func loses(drop func(m *callback.Message) bool) func(testing.TB) *Ends {
	return sends(func(next sender, ctx context.Context, m *callback.Message) error {
		if drop(m) {
			return nil
		}
		return next(ctx, m)
	})
}

// receives bends what is received; each end has a state of its own.
func receives[S any](receive func(s *S, next receiver, ctx context.Context) (callback.Delivery, error)) func(testing.TB) *Ends {
	return bentPipe(func(_ testing.TB, b *bent) {
		var s S
		b.receive = func(next receiver, ctx context.Context) (callback.Delivery, error) { return receive(&s, next, ctx) }
	})
}

// tries bends TrySend.
func tries(try func(callback.TrySender, *callback.Message) (bool, error)) func(testing.TB) *Ends {
	return func(testing.TB) *Ends {
		x, y := callback.Pipe(nil)
		return &Ends{A: bentTry{&bent{Transport: x}, try}, B: bentTry{&bent{Transport: y}, try}}
	}
}

// reconnects bends Reconnect.
func reconnects(reconnect func(cause error)) func(testing.TB) *Ends {
	return func(tb testing.TB) *Ends {
		e := bentPipe(func(testing.TB, *bent) {})(tb)
		e.A = bentReconnect{e.A.(*bent), reconnect}
		return e
	}
}

// brokers opens a broker with a flaw.
func brokers(flaw string, caps callback.Caps) func(testing.TB) *Ends {
	return func(tb testing.TB) *Ends {
		b := newBroker(caps)
		b.flaw = flaw
		return b.open(tb)
	}
}

// A count is shared by the ends of a wire.
type count struct {
	mu sync.Mutex
	n  int
}

func (c *count) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

// every is true at each n-th call.
func every(n int, of func(*callback.Message) bool) func(*callback.Message) bool {
	var c count
	return func(m *callback.Message) bool { return of(m) && c.next()%n == 0 }
}

func isKind(kinds ...callback.Kind) func(*callback.Message) bool {
	return func(m *callback.Message) bool {
		for _, k := range kinds {
			if m.Kind == k {
				return true
			}
		}
		return false
	}
}

// leaked is closed when all mistakes have been found out.
var leaked chan struct{}

// leak starts a goroutine that nobody ends.
func leak() {
	c := leaked
	go func() { <-c }()
}

// hang waits as one does who looks at nothing.
func hang() { <-leaked }
