package callbacktest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// bentBreaks are mistakes about connections that break.
var bentBreaks = []mistake{
	{name: "tells of a break twice", rule: "OneDisconnect", open: receives(func(again *error, next receiver, ctx context.Context) (callback.Delivery, error) {
		if err := *again; err != nil {
			*again = nil
			return callback.Delivery{}, err
		}
		d, err := next(ctx)
		if errors.Is(err, callback.ErrDisconnected) {
			*again = err
		}
		return d, err
	})},
	{name: "does not tell of a break", rule: "OneDisconnect", open: receives(quietly)},
	{name: "says of a break that nothing was accepted", rule: "OneDisconnect", open: receives(func(_ *int, next receiver, ctx context.Context) (callback.Delivery, error) {
		d, err := next(ctx)
		if errors.Is(err, callback.ErrDisconnected) {
			err = antiphon.Errorf(antiphon.CodeUnavailable, "%w", callback.ErrDisconnected)
			err.(*antiphon.Error).Class = antiphon.ClassNotAccepted
		}
		return d, err
	})},
	{name: "tells of a break for ever", rule: "OneDisconnect", open: func(testing.TB) *Ends {
		x, y := callback.Pipe(nil)
		b := &bent{Transport: x, receive: func(next receiver, ctx context.Context) (callback.Delivery, error) {
			d, err := next(ctx)
			if errors.Is(err, callback.ErrClosed) {
				err = callback.ErrDisconnected
			}
			return d, err
		}}
		return &Ends{A: b, B: y, Cut: func() { _ = y.Close() }}
	}},
	{name: "is deaf after a break", rule: "InboxesRestored", open: receives(deafAfter)},
	{name: "has another address after a break", rule: "InboxesRestored", open: func(tb testing.TB) *Ends {
		var cuts atomic.Int64
		e := newBroker(callback.Caps{}).open(tb)
		e.A = &bent{Transport: e.A, addr: func(s string) string {
			if cuts.Load() > 1 {
				return fmt.Sprint(s, cuts.Load())
			}
			return s
		}}
		cut := e.Cut
		e.Cut = func() { cuts.Add(1); cut() }
		return e
	}},
	{name: "hangs in a Send that the break found stuck", rule: "CutEndsSend", open: sends(func(next sender, ctx context.Context, m *callback.Message) error {
		moment, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := next(moment, clone(m)); err == nil || moment.Err() == nil {
			return err
		}
		<-ctx.Done() // nobody tells it of anything else
		return gaveUp(ctx)
	})},
	{name: "says that what it sent was not accepted", rule: "CutsAreTold", open: bentPipe(func(_ testing.TB, b *bent) {
		var n count
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			err := next(ctx, m)
			if err == nil && n.next()%5 == 0 {
				return callback.ErrUndeliverable
			}
			return err
		}
	})},
	{name: "says that a break is a failure of the work", rule: "CutsAreTold", open: bentPipe(func(_ testing.TB, b *bent) {
		var n count
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if n.next()%5 == 0 {
				return errors.New("broken pipe")
			}
			return next(ctx, m)
		}
	})},
	{name: "sends again what may have been sent", rule: "CutsAreTold", open: bentPipe(func(_ testing.TB, b *bent) {
		var n count
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if n.next()%5 == 0 {
				_ = next(ctx, clone(m))
			}
			return next(ctx, m)
		}
	})},
	{name: "loses what a cut must not lose", rule: "CutsAreTold", open: func(tb testing.TB) *Ends {
		e := newBroker(callback.Caps{RepliesSurvive: true}).open(tb)
		drop := every(5, isKind(callback.Request))
		e.A = &bent{Transport: e.A, send: func(next sender, ctx context.Context, m *callback.Message) error {
			if drop(m) {
				return nil
			}
			return next(ctx, m)
		}}
		return e
	}},
	{name: "does nothing in Reconnect", rule: "Reconnect", open: reconnects(func(error) {})},
	{name: "leaks a goroutine with each cut", rule: "CutsLeakNothing", open: receives(func(_ *int, next receiver, ctx context.Context) (callback.Delivery, error) {
		d, err := next(ctx)
		if errors.Is(err, callback.ErrDisconnected) {
			leak()
		}
		return d, err
	})},
	{name: "lets asks hang when the connection breaks", rule: "CutSettlesAsks", open: receives(quietly)},
	{name: "loses an answer over a cut that must lose nothing", rule: "AsksSurvive", open: func(tb testing.TB) *Ends {
		e := newBroker(callback.Caps{RepliesSurvive: true}).open(tb)
		drop := every(20, isKind(callback.Reply))
		e.B = &bent{Transport: e.B, send: func(next sender, ctx context.Context, m *callback.Message) error {
			if drop(m) {
				return nil
			}
			return next(ctx, m)
		}}
		return e
	}},
	{name: "is dead after a break", rule: "Heals", open: receives(deafAfter)},
	{name: "tells of a break late", rule: "StaleBreak", open: receives(func(s *struct {
		broke bool
		n     int
	}, next receiver, ctx context.Context) (callback.Delivery, error) {
		if s.broke {
			if s.n++; s.n == 3 {
				s.broke, s.n = false, 0
				return callback.Delivery{}, callback.ErrDisconnected
			}
		}
		d, err := next(ctx)
		if errors.Is(err, callback.ErrDisconnected) {
			s.broke, s.n = true, 0
		}
		return d, err
	})},
	{name: "does not come back for what was asked meanwhile", rule: "AskWhileDown", open: receives(deafAfter)},
	{name: "lets a stream hang when the connection breaks", rule: "StreamCut", open: receives(quietly)},
}

// quietly keeps breaks to itself.
func quietly(_ *int, next receiver, ctx context.Context) (callback.Delivery, error) {
	for {
		d, err := next(ctx)
		if !errors.Is(err, callback.ErrDisconnected) {
			return d, err
		}
	}
}

// deafAfter receives nothing after a break.
func deafAfter(broke *bool, next receiver, ctx context.Context) (callback.Delivery, error) {
	if *broke {
		<-ctx.Done()
		return callback.Delivery{}, gaveUp(ctx)
	}
	d, err := next(ctx)
	*broke = errors.Is(err, callback.ErrDisconnected)
	return d, err
}
