package callback_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A slowEnd takes a second to open an inbox, as a wire with a server does, and fails to
// open one at the address bad.
type slowEnd struct {
	*busEnd
	bad string
}

var errAddress = &antiphon.Error{Code: antiphon.CodePermissionDenied, Reason: "test.address", Message: "not for you"}

func (e slowEnd) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	time.Sleep(time.Second)
	if addr == e.bad && addr != "" {
		return nil, errAddress
	}
	return e.busEnd.Listen(ctx, addr)
}

// Whoever asks once Listening has returned is early no more.
func TestListening(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{Bounces: true})
		asking, _ := b.peer(t, nil)
		p := callback.NewPeer(slowEnd{busEnd: &busEnd{bus: b}}, nil)
		for i := range 3 {
			callback.Serve(p, fmt.Sprint("f", i), echo, nil)
		}
		_, err := await(t, callback.Dial[int, int](asking, "f0", nil)(none, 1))
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
		start := time.Now()
		time.AfterFunc(time.Minute, func() { run(t, p) })
		if err := p.Listening(none); err != nil || time.Since(start) != time.Minute+4*time.Second {
			t.Fatal(err, time.Since(start))
		}
		for i := range 3 {
			if v, err := await(t, callback.Dial[int, int](asking, fmt.Sprint("f", i), nil)(none, i)); v != i || err != nil {
				t.Error(i, v, err)
			}
		}
		callback.Serve(p, "later", echo, nil)
		if err := p.Listening(none); err != nil {
			t.Error(err)
		}
		if v, err := await(t, callback.Dial[int, int](asking, "later", nil)(none, 7)); v != 7 || err != nil {
			t.Error(v, err)
		}
	})
}

// What is never heard says so, and why.
func TestListeningEnds(t *testing.T) {
	gone := errors.New("gone")
	for name, tt := range map[string]struct {
		bad  string
		then func(p *callback.Peer, leave context.CancelCauseFunc)
		code antiphon.Code
		is   error
	}{
		"its context ends": {then: func(_ *callback.Peer, leave context.CancelCauseFunc) { leave(gone) }, code: antiphon.CodeCanceled, is: gone},
		"Close":            {then: func(p *callback.Peer, _ context.CancelCauseFunc) { _ = p.Close() }, code: antiphon.CodeUnavailable, is: callback.ErrClosed},
		"Run fails": {bad: "f", then: func(p *callback.Peer, _ context.CancelCauseFunc) { _ = p.Run(none) },
			code: antiphon.CodeUnavailable, is: errAddress},
		"a mistake": {then: func(p *callback.Peer, _ context.CancelCauseFunc) {
			callback.Serve(p, "f", echo, nil)
			_ = p.Run(none)
		}, code: antiphon.CodeUnavailable, is: callback.ErrClosed},
		"Shutdown": {then: func(p *callback.Peer, _ context.CancelCauseFunc) {
			go p.Run(none)
			time.Sleep(time.Second) // one inbox is open
			_ = p.Shutdown(none)
		}, code: antiphon.CodeUnavailable, is: callback.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := callback.NewPeer(slowEnd{busEnd: &busEnd{bus: newBus(callback.Caps{})}, bad: tt.bad}, nil)
				callback.Serve(p, "f", echo, nil)
				ctx, leave := context.WithCancelCause(context.Background())
				time.AfterFunc(time.Minute, func() { tt.then(p, leave) })
				ended(t, p.Listening(ctx), tt.code, antiphon.ClassNotAccepted, tt.is)
				_ = p.Close()
				time.Sleep(time.Minute) // what opens an inbox is back
			})
		})
	}
}

// It heard, and is to hear no more.
func TestListeningNoMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{})
		p, _ := b.peer(t, nil)
		if err := p.Listening(none); err != nil {
			t.Fatal(err)
		}
		_ = p.Shutdown(none)
		ended(t, p.Listening(none), antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrClosed)
	})
}
