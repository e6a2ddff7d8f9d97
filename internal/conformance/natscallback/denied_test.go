package natscallback_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

// limited runs a server on which the user limited may not do all, and anybody else may.
func limited(t *testing.T, may server.Permissions) string {
	t.Helper()
	return natsd.Run(t, &natsd.Options{Set: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "limited", Password: "limited", Permissions: &may},
			{Username: "any", Password: "any"},
		}
		o.NoAuthUser = "any"
	}}).URL()
}

var asLimited = nats.UserInfo("limited", "limited")

// What the server does not allow to be asked fails at once, each ask of a flood, and
// takes nothing with it.
func TestAskDenied(t *testing.T) {
	url := limited(t, server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"secret.>", "_ANTIPHON.open"}}})
	nc := connect(t, url, asLimited)
	defer nc.Close()
	var o told
	p := peerOn(t, over(t, nc, &natscallback.Options{Observer: o.observe}), nil, nil)
	peer(t, url, nil, func(p *callback.Peer) {
		callback.Serve(p, "open", echo, nil)
		callback.Serve(p, "secret.name", echo, nil)
	})
	open := callback.Dial[int, int](p, "open", nil)
	secret := callback.Dial[int, int](p, "secret.name", &callback.DialOptions{Timeout: 24 * time.Hour, Attempts: 3})
	var denied, allowed []*future.Future[int]
	for i := range 500 {
		denied, allowed = append(denied, secret(none, i)), append(allowed, open(none, i))
	}
	for i := range denied {
		_, err := outcome(t, denied[i])
		is(t, err, antiphon.ClassNotAccepted, nats.ErrPermissionViolation)
		if antiphon.CodeOf(err) != antiphon.CodePermissionDenied || !antiphon.IsPermanent(err) {
			t.Error(err)
		}
		if v, err := outcome(t, allowed[i]); v != i || err != nil {
			t.Error(v, err)
		}
	}
	if n, err := o.of("nats.denied"); n < 500 || !errors.Is(err, nats.ErrPermissionViolation) {
		t.Error(n, err)
	}
	if n := p.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}

// Where it is not allowed to listen, Listen says so, and so does Run: whoever serves
// would wait for ever. The connection and what else is on it go on.
func TestListenDenied(t *testing.T) {
	url := limited(t, server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{"secret", "_ANTIPHON.half", "shared g"}}})
	nc := connect(t, url, asLimited)
	defer nc.Close()
	tr := over(t, nc, nil)
	peerOn(t, tr, nil, nil)
	refused := func(name, group string, err error) {
		t.Helper()
		is(t, err, antiphon.ClassNotAccepted, nats.ErrPermissionViolation)
		if antiphon.CodeOf(err) != antiphon.CodePermissionDenied {
			t.Error(name, group, err)
		}
	}
	for range 3 {
		for _, name := range []string{"secret", "half"} {
			_, err := tr.Listen(none, name)
			refused(name, "", err)
			_, err = tr.ListenGroup(none, name, "g")
			refused(name, "g", err)
		}
		_, err := tr.ListenGroup(none, "shared", "g")
		refused("shared", "g", err)
		for _, group := range []string{"h", "i"} {
			in, err := tr.ListenGroup(none, "shared", group)
			if err != nil {
				t.Fatal(err)
			}
			_ = in.Close()
		}
	}
	for _, prefix := range []string{"_INBOX", "secret"} {
		nc := connect(t, url, asLimited, nats.CustomInboxPrefix(prefix))
		defer nc.Close()
		p := callback.NewPeer(over(t, nc, nil), nil)
		callback.Serve(p, "secret", echo, nil)
		asked := callback.Dial[int, int](p, "other", nil)(none, 1)
		refused(prefix, "", p.Run(none))
		_, err := outcome(t, asked)
		if antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error(err)
		}
	}
}

// What is not allowed any more when the connection comes back ends the inbox.
func TestListenDeniedLater(t *testing.T) {
	var deny atomic.Bool
	s := natsd.Run(t, &natsd.Options{Set: func(o *server.Options) {
		may := &server.Permissions{Subscribe: &server.SubjectPermission{}}
		if deny.Load() {
			may.Subscribe.Deny = []string{"secret"}
		}
		o.Users = []*server.User{{Username: "limited", Password: "limited", Permissions: may}}
	}})
	nc := connect(t, s.URL(), asLimited)
	defer nc.Close()
	tr := over(t, nc, nil)
	defer tr.Close()
	in, err := tr.Listen(none, "secret")
	if err != nil {
		t.Fatal(err)
	}
	deny.Store(true)
	s.Stop()
	s.Start()
	for errors.Is(err, callback.ErrDisconnected) || err == nil {
		_, err = in.Receive(none)
	}
	is(t, err, antiphon.ClassNotAccepted, nats.ErrPermissionViolation)
}

// Where there are as many subscriptions as the server allows, Listen says so.
func TestListenTooMany(t *testing.T) {
	nc := connect(t, natsd.Run(t, &natsd.Options{Set: func(o *server.Options) { o.MaxSubs = 3 }}).URL())
	defer nc.Close()
	tr := over(t, nc, nil)
	defer tr.Close()
	if _, err := tr.Listen(none, "a"); err != nil {
		t.Fatal(err)
	}
	_, err := tr.Listen(none, "b") // which takes two
	is(t, err, antiphon.ClassNotAccepted, nats.ErrMaxSubscriptionsExceeded)
	if antiphon.CodeOf(err) != antiphon.CodeResourceExhausted {
		t.Error(err)
	}
}

// The handler for errors is called as ever, by whatever Transports there are, and is
// what it was when they are closed.
func TestErrorHandlerStays(t *testing.T) {
	url := limited(t, server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"secret"}}})
	heard := make(chan error, 10)
	nc := connect(t, url, asLimited, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { heard <- err }))
	defer nc.Close()
	once := func() {
		t.Helper()
		_ = nc.Publish("secret", nil)
		_ = nc.Publish("secret", nil)
		_ = nc.Flush()
		for range 2 {
			if err := <-heard; !errors.Is(err, nats.ErrPermissionViolation) {
				t.Error(err)
			}
		}
		if len(heard) > 0 {
			t.Error("the handler was called twice for one error")
		}
	}
	for range 3 {
		a, b := over(t, nc, nil), over(t, nc, nil)
		once()
		_ = a.Close()
		once()
		c := over(t, nc, nil)
		_ = b.Close()
		once()
		_ = c.Close()
		_ = c.Close()
		once()
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				_ = over(t, nc, nil).Close()
			}
		})
	}
	all.Wait()
	once()
	a := over(t, nc, nil)
	mine := make(chan struct{}, 10)
	nc.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) { mine <- struct{}{} })
	_ = a.Close()
	_ = nc.Publish("secret", nil)
	within(t, "the handler that was set last was not called", mine)
}
