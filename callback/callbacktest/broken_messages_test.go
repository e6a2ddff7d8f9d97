package callbacktest

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// bentMessages are mistakes about what a message is.
var bentMessages = []mistake{
	{name: "loses the header", rule: "Carries", open: changes(func(m *callback.Message) { m.Header = nil })},
	{name: "writes headers in ASCII", rule: "Carries", open: changes(func(m *callback.Message) {
		h := maps.Clone(m.Header)
		for k, v := range h {
			h[k] = strings.Map(func(r rune) rune {
				if r > 127 {
					return '?'
				}
				return r
			}, v)
		}
		m.Header = h
	})},
	{name: "loses the id of an event's neighbour", rule: "Carries", open: changes(func(m *callback.Message) {
		if m.Kind == callback.Credit {
			m.ID = callback.ID{}
		}
	})},
	{name: "carries a number in 31 bits", rule: "Carries", open: changes(func(m *callback.Message) { m.Seq &= 1<<31 - 1 })},
	{name: "forgets the deadline", rule: "Carries", open: changes(func(m *callback.Message) { m.Deadline = time.Time{} })},
	{name: "gives more time than there is", rule: "Carries", open: changes(func(m *callback.Message) {
		if !m.Deadline.IsZero() {
			m.Deadline = m.Deadline.Add(time.Second)
		}
	})},
	{name: "invents a deadline", rule: "Carries", open: changes(func(m *callback.Message) {
		if m.Deadline.IsZero() {
			m.Deadline = time.Now().Add(time.Hour)
		}
	})},
	{name: "loses what an error says to machines", rule: "Carries", open: changes(func(m *callback.Message) {
		if m.Err != nil {
			m.Err = &antiphon.Error{Code: m.Err.Code, Message: m.Err.Message, Class: m.Err.Class}
		}
	})},
	{name: "sends a failure as a success", rule: "Carries", open: changes(func(m *callback.Message) { m.Err = nil })},
	{name: "takes a body for text", rule: "Carries", open: changes(func(m *callback.Message) {
		m.Body = []byte(strings.ToValidUTF8(string(m.Body), "?"))
	})},
	{name: "takes a progress for a part", rule: "Carries", open: changes(func(m *callback.Message) {
		if m.Kind == callback.Progress {
			m.Kind = callback.Part
		}
	})},
	{name: "forgets where answers go", rule: "Carries", open: func(tb testing.TB) *Ends {
		e := newBroker(callback.Caps{}).open(tb)
		e.A = &bent{Transport: e.A, send: func(next sender, ctx context.Context, m *callback.Message) error {
			m.ReplyTo = ""
			return next(ctx, m)
		}}
		return e
	}},

	{name: "cuts a large body", rule: "MaxBody", open: changes(func(m *callback.Message) { m.Body = m.Body[:min(len(m.Body), 64<<10)] })},
	{name: "accepts more than it can carry", rule: "MaxBody", open: bentPipe(func(_ testing.TB, b *bent) {
		b.caps = func(c callback.Caps) callback.Caps { c.MaxBody = 1000; return c }
	})},
	{name: "carries less than it says", rule: "MaxBody", open: limited(1000, func(n int) bool { return n < 1000 }, antiphon.CodeResourceExhausted)},
	{name: "calls what is too large by another name", rule: "MaxBody", open: limited(1000, func(n int) bool { return n <= 1000 }, antiphon.CodeInternal)},
	{name: "sends what exceeds a limit, shortened", rule: "Limits", open: changes(func(m *callback.Message) {
		if len(m.Header) > callback.MaxHeaders {
			m.Header = nil
		}
	})},
	{name: "drops what exceeds a limit without a word", rule: "Limits", open: sends(func(next sender, ctx context.Context, m *callback.Message) error {
		if err := next(ctx, m); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			return err
		}
		return nil
	})},

	{name: "lets a message be overtaken", rule: "Order", open: bentPipe(func(_ testing.TB, b *bent) {
		var n count
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if n.next()%100 == 0 {
				go func() {
					<-time.After(2 * time.Millisecond)
					_ = next(ctx, m)
				}()
				return nil
			}
			return next(ctx, m)
		}
	})},
	{name: "loses a message among many", rule: "EachOnce", open: loses(every(100, isKind(callback.Event)))},
	{name: "sends a message twice", rule: "EachOnce", open: bentPipe(func(_ testing.TB, b *bent) {
		again := every(100, isKind(callback.Request))
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if again(m) {
				_ = next(ctx, clone(m))
			}
			return next(ctx, m)
		}
	})},
	{name: "uses its buffer again", rule: "Ownership", open: receives(func(buf *[1 << 16]byte, next receiver, ctx context.Context) (callback.Delivery, error) {
		d, err := next(ctx)
		if err == nil && len(d.Body) < len(buf) {
			d.Body = buf[:copy(buf[:], d.Body)]
		}
		return d, err
	})},
	{name: "writes to a body that it has handed out", rule: "Ownership", open: receives(func(last *[]byte, next receiver, ctx context.Context) (callback.Delivery, error) {
		d, err := next(ctx)
		if err == nil {
			clear(*last)
			*last = d.Body
		}
		return d, err
	})},
	{name: "shares a buffer between messages", rule: "Ownership", open: receives(func(s *shared, next receiver, ctx context.Context) (callback.Delivery, error) {
		return s.receive(next, ctx)
	})},
	{name: "shares a header between messages", rule: "Ownership", open: receives(func(h *map[string]string, next receiver, ctx context.Context) (callback.Delivery, error) {
		d, err := next(ctx)
		if err == nil && d.Header != nil {
			if *h == nil {
				*h = map[string]string{}
			}
			maps.Copy(*h, d.Header)
			d.Header = *h
		}
		return d, err
	})},
	{name: "loses what comes when a Receive is given up", rule: "ReceiveLosesNothing", open: receives(func(_ *int, next receiver, ctx context.Context) (callback.Delivery, error) {
		came := make(chan callback.Delivery)
		failed := make(chan error, 1)
		go func() {
			d, err := next(context.Background())
			if err != nil {
				failed <- err
				return
			}
			select {
			case came <- d:
			case <-ctx.Done():
			}
		}()
		select {
		case d := <-came:
			return d, nil
		case err := <-failed:
			return callback.Delivery{}, err
		case <-ctx.Done():
			return callback.Delivery{}, gaveUp(ctx)
		}
	})},
	{name: "says nothing of what makes no sense, and ends", rule: "Garbage", open: brokers("ends on garbage", callback.Caps{})},
	{name: "promises to settle, and does not", rule: "Deliveries", open: bentPipe(func(_ testing.TB, b *bent) {
		b.caps = func(c callback.Caps) callback.Caps { c.SettledDelivery = true; return c }
	})},
	{name: "settles without a word", rule: "Deliveries", open: receives(func(_ *int, next receiver, ctx context.Context) (callback.Delivery, error) {
		d, err := next(ctx)
		d.Settle = func(context.Context, error) error { return nil }
		return d, err
	})},
	{name: "counts from two", rule: "Deliveries", open: receives(func(_ *int, next receiver, ctx context.Context) (callback.Delivery, error) {
		d, err := next(ctx)
		d.Attempt = 2
		return d, err
	})},
	{name: "listens at any name", rule: "OneAddress", open: bentPipe(func(_ testing.TB, b *bent) {
		b.listen = func(addr string) (callback.Inbox, error) {
			if addr != "" {
				return deafInbox{}, nil
			}
			return nil, nil
		}
	})},
	{name: "fails to listen at a name in a way of its own", rule: "OneAddress", open: bentPipe(func(_ testing.TB, b *bent) {
		b.listen = func(addr string) (callback.Inbox, error) {
			if addr != "" {
				return nil, errors.New("no such address")
			}
			return nil, nil
		}
	})},
	{name: "has groups of which it says that it has none", rule: "NoGroups", open: brokers("", callback.Caps{}), wire: func(w *Wire) { w.NoGroups = true }},
	{name: "does not say that it has no groups", rule: "Opens", open: func(tb testing.TB) *Ends {
		e := newBroker(callback.Caps{}).open(tb)
		e.A, e.B = &bent{Transport: e.A}, &bent{Transport: e.B}
		return e
	}},
	{name: "has ends that differ", rule: "Opens", open: func(testing.TB) *Ends {
		x, _ := callback.Pipe(nil)
		_, y := callback.Pipe(&callback.PipeOptions{MaxBody: 7})
		return &Ends{A: x, B: y}
	}},
	{name: "has one end", rule: "Opens", open: func(testing.TB) *Ends {
		x, _ := callback.Pipe(nil)
		return &Ends{A: x}
	}},
}

// limited is a pipe that says it carries n bytes, and refuses what it does not like.
func limited(n int, ok func(int) bool, code antiphon.Code) func(testing.TB) *Ends {
	return bentPipe(func(_ testing.TB, b *bent) {
		b.caps = func(c callback.Caps) callback.Caps { c.MaxBody = n; return c }
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if !ok(len(m.Body)) {
				return antiphon.Errorf(code, "too large")
			}
			return next(ctx, m)
		}
	})
}

// shared takes all that has come into one buffer, and hands out pieces of it, each
// with what comes after it.
type shared struct{ ahead []callback.Delivery }

func (s *shared) receive(next receiver, ctx context.Context) (callback.Delivery, error) {
	if len(s.ahead) == 0 {
		d, err := next(ctx)
		if err != nil {
			return d, err
		}
		s.ahead = append(s.ahead, d)
		for len(s.ahead) < 16 {
			moment, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			d, err := next(moment)
			cancel()
			if err != nil {
				break
			}
			s.ahead = append(s.ahead, d)
		}
		buf := make([]byte, 0, 1<<20)
		for i := range s.ahead {
			n := len(buf)
			buf = append(buf, s.ahead[i].Body...)
			s.ahead[i].Body = buf[n:]
		}
	}
	d := s.ahead[0]
	s.ahead = s.ahead[1:]
	return d, nil
}

// A deafInbox receives nothing.
type deafInbox struct{}

func (deafInbox) Addr() string { return "" }
func (deafInbox) Close() error { return nil }
func (deafInbox) Receive(ctx context.Context) (callback.Delivery, error) {
	<-ctx.Done()
	return callback.Delivery{}, gaveUp(ctx)
}
