package natscallback_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

// What is no subject is refused before it travels: NATS would take it for something else.
func TestAddresses(t *testing.T) {
	nc := connect(t, run(t))
	defer nc.Close()
	tr := over(t, nc, nil)
	defer tr.Close()
	refused := func(what, addr string, err error) {
		t.Helper()
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !antiphon.IsPermanent(err) {
			t.Errorf("%s %q: %v", what, addr, err)
		}
	}
	for _, addr := range []string{"a b", "a\r\nPUB x 1", "a..b", ".a", "\x7f", "a\tb", "\xff", strings.Repeat("x", callback.MaxAddress+1)} {
		refused("Send to", addr, tr.Send(none, event(addr)))
		refused("Send with ReplyTo", addr, tr.Send(none, &callback.Message{Kind: callback.Request, To: "a", ReplyTo: addr}))
		taken, err := tr.TrySend(event(addr))
		if !taken {
			t.Errorf("TrySend to %q did not take it", addr)
		}
		refused("TrySend to", addr, err)
		_, err = tr.Listen(none, addr)
		refused("Listen at", addr, err)
	}
	for _, addr := range []string{"", "*", "a.*", "a.>", "a.*.b"} {
		refused("Send to", addr, tr.Send(none, event(addr)))
	}
	for _, addr := range []string{"a.", "a.b.", "a.>.b", ">.a"} {
		_, err := tr.Listen(none, addr)
		refused("Listen at", addr, err)
	}
	for _, group := range []string{"", "a b", "a\n", strings.Repeat("x", 4096)} {
		_, err := tr.ListenGroup(none, "a", group)
		refused("ListenGroup of", group, err)
	}
	if err := nc.Flush(); err != nil || nc.Stats().Reconnects > 0 {
		t.Error("the connection has not outlived it:", err)
	}
	refused("Send of a kind", "99", tr.Send(none, &callback.Message{Kind: 99, To: "a"}))
	in, err := tr.Listen(none, t.Name()+".*.応答")
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Send(none, event(t.Name()+".a.応答")); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, in); m.To != t.Name()+".a.応答" {
		t.Errorf("%+v", m)
	}
}

func receive(tb testing.TB, in callback.Inbox) *callback.Message {
	tb.Helper()
	ctx, cancel := context.WithTimeout(none, patience)
	defer cancel()
	d, err := in.Receive(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return d.Message
}

// An address of ours has the connection's prefix, and an id is the last token of a reply
// subject: what is on the wire is what the package comment says.
func TestWhatIsOnTheWire(t *testing.T) {
	url := run(t)
	nc, native := connect(t, url, nats.CustomInboxPrefix("_MINE")), connect(t, url)
	defer nc.Close()
	defer native.Close()
	tr := over(t, nc, nil)
	defer tr.Close()
	in, err := tr.Listen(none, "")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(in.Addr(), "_MINE.") || nc.NumSubscriptions() != 1 {
		t.Errorf("%q, %d subscriptions", in.Addr(), nc.NumSubscriptions())
	}
	name, id := t.Name(), callback.ID{1, 2, 3}
	plain, _ := native.SubscribeSync(name)
	ours, _ := native.SubscribeSync("_ANTIPHON." + name)
	_ = native.Flush()
	send := func(m callback.Message, on *nats.Subscription) *nats.Msg {
		t.Helper()
		m.ID, m.To, m.ReplyTo = id, name, in.Addr()
		if err := tr.Send(none, &m); err != nil {
			t.Fatal(err)
		}
		got, err := on.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	hour := time.Now().Add(time.Hour)
	m := send(callback.Message{Kind: callback.Request, Deadline: hour, Body: []byte("q")}, plain)
	if !strings.HasPrefix(m.Reply, in.Addr()+id.String()+"~359999") || len(m.Reply) != len(in.Addr())+22+1+len("3599999999") || string(m.Data) != "q" || len(m.Header) > 0 {
		t.Errorf("%q %q %v", m.Reply, m.Data, m.Header)
	}
	m = send(callback.Message{Kind: callback.Request, Header: map[string]string{"tracestate": "a=b", "odd name": "\n"}}, plain)
	if m.Reply != in.Addr()+id.String()+"~" || m.Header.Get("tracestate") != "a=b" || m.Header.Get("Antiphon-Header") != "odd+name=%0A" || len(m.Header) != 2 {
		t.Errorf("%q %v", m.Reply, m.Header)
	}
	m = send(callback.Message{Kind: callback.Cancel}, ours)
	if m.Reply != "" || m.Header.Get("Antiphon-Kind") != "cancel" || m.Header.Get("Antiphon-Id") != id.String() || m.Header.Get("Antiphon-Reply-To") != in.Addr() {
		t.Errorf("%q %v", m.Reply, m.Header)
	}
	m = send(callback.Message{Kind: callback.Credit, Seq: 7}, ours)
	if m.Header.Get("Antiphon-Kind") != "credit" || m.Header.Get("Antiphon-Seq") != "7" {
		t.Errorf("%v", m.Header)
	}
	// What a plain responder sends back, what its server says in its stead, and one of us.
	for _, end := range []string{"", "~", "~3600000000"} {
		_ = native.Publish(in.Addr()+id.String()+end, []byte("r"))
		if r := receive(t, in); r.Kind != callback.Reply || r.ID != id || string(r.Body) != "r" || r.Err != nil || !r.Deadline.IsZero() {
			t.Errorf("%q: %+v", end, r)
		}
	}
	if err := tr.Send(none, &callback.Message{Kind: callback.Request, ID: id, To: "nobody." + name, ReplyTo: in.Addr(), Deadline: hour}); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, in); r.Kind != callback.Reply || r.ID != id || error(r.Err) != callback.ErrUndeliverable {
		t.Errorf("%+v", r)
	}
	raw, _ := native.SubscribeSync(in.Addr() + "*")
	_ = native.Flush()
	if err := tr.Send(none, &callback.Message{Kind: callback.Reply, ID: id, To: in.Addr(), Deadline: hour, Body: []byte("r")}); err != nil {
		t.Fatal(err)
	}
	if m, err := raw.NextMsg(patience); err != nil || !strings.HasPrefix(m.Subject, in.Addr()+id.String()+"!359999") || len(m.Header) > 0 {
		t.Error(m, err)
	}
	if r := receive(t, in); r.ID != id || time.Until(r.Deadline) < 50*time.Minute {
		t.Errorf("%+v", r)
	}
}

// The largest body goes with the largest header, also where a server allows little.
func TestMaxPayload(t *testing.T) {
	for _, limit := range []int32{4 << 10, 256 << 10} {
		s := natsd.Run(t, &natsd.Options{Set: func(o *server.Options) { o.MaxPayload = limit }})
		nc := connect(t, s.URL())
		tr := over(t, nc, nil)
		in, err := tr.Listen(none, "a")
		if err != nil {
			t.Fatal(err)
		}
		most := tr.Caps().MaxBody
		m := event("a")
		m.Body, m.Header = make([]byte, most), map[string]string{}
		if limit > 64<<10 { // all of it escaped, which takes three times as much
			for i := range callback.MaxHeaders {
				m.Header[string(rune('a'+i%26))+string(rune('a'+i/26))] = strings.Repeat("\n", callback.MaxHeaderSize/callback.MaxHeaders-2)
			}
		}
		if err := tr.Send(none, m); err != nil {
			t.Error(limit, err)
		} else if got := receive(t, in); len(got.Body) != most || len(got.Header) != len(m.Header) {
			t.Errorf("%d bytes and %d headers came", len(got.Body), len(got.Header))
		}
		m = event("a")
		m.Body, m.Header = make([]byte, most), map[string]string{"a": strings.Repeat("x", 8<<10)}
		if err := tr.Send(none, m); limit < 64<<10 && (antiphon.CodeOf(err) != antiphon.CodeResourceExhausted || !errors.Is(err, antiphon.ErrTooLarge)) {
			t.Error(limit, err)
		}
		_ = tr.Close()
		nc.Close()
	}
}

func TestNewRefuses(t *testing.T) {
	nc := connect(t, run(t))
	for _, o := range []natscallback.Options{{Buffer: -1}, {Inbox: -1}} {
		if _, err := natscallback.New(nc, &o); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := natscallback.New(nil, nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Error(err)
	}
	nc.Close()
	_, err := natscallback.New(nc, nil)
	is(t, err, antiphon.ClassNotAccepted, callback.ErrClosed)

	old := connect(t, natsd.Run(t, &natsd.Options{Set: func(o *server.Options) { o.NoHeaderSupport = true }}).URL())
	defer old.Close()
	if _, err := natscallback.New(old, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// Close leaves the connection, its handlers and the other transports on it alone, and
// nothing of its own.
func TestCloseLeavesTheConnection(t *testing.T) {
	closed := make(chan struct{})
	nc := connect(t, run(t), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	one, other := over(t, nc, nil), over(t, nc, nil)
	defer other.Close()
	in, err := other.Listen(none, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"", t.Name() + ".a", t.Name() + ".b"} {
		if _, err := one.Listen(none, addr); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Close(); err != nil {
		t.Error(err)
	}
	if n := nc.NumSubscriptions(); n != 2 || !nc.IsConnected() {
		t.Errorf("%d subscriptions, %v", n, nc.Status())
	}
	if err := other.Send(none, event(t.Name())); err != nil {
		t.Error(err)
	}
	if m := receive(t, in); m.Kind != callback.Event {
		t.Errorf("%+v", m)
	}
	nc.Close()
	within(t, "the handler of the user was not called", closed)
}
