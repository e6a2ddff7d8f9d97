package natscallback_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
)

// Whatever a request says where its answer is to go, that is no request to anybody: an
// answer asks for nothing. What cannot be answered is done, or malformed, and the next is
// answered.
func TestReplySubjectsOfTheHostile(t *testing.T) {
	url, name := run(t), t.Name()
	var others atomic.Int64
	p := peer(t, url, &callback.PeerOptions{Codec: callback.Bytes{}}, func(p *callback.Peer) {
		callback.Serve(p, name, func(_ context.Context, q []byte) ([]byte, error) { return q, nil }, &callback.ServeOptions{Concurrency: 1, Group: "g"})
		callback.Serve(p, name+".other", func(_ context.Context, q []byte) ([]byte, error) {
			if string(q) == "hostile" {
				others.Add(1)
			}
			return q, nil
		}, nil)
	})
	hostile := connect(t, url)
	defer hostile.Close()
	id, other := callback.ID{9}.String(), name+".other"
	for _, reply := range []string{
		name, other, "_ANTIPHON." + other, "_ANTIPHON." + name, other + "." + id + "~", other + "." + id + "!1000000", other + "._~",
		name + ".*", name + ".>", "*", ">", "_INBOX.*." + id + "~", "a..b." + id + "~", ".", "~", "!", ".~", "._~", "$SYS.REQ.SERVER.PING",
		"a." + strings.Repeat("~", 300), strings.Repeat("y", 600), "a." + id + "~99999999999999999999", "\xff." + id + "~",
	} {
		for _, h := range []nats.Header{
			nil,
			{"Antiphon-Reply-To": {other}},
			{"Antiphon-Kind": {"request"}, "Antiphon-Id": {id}, "Antiphon-Reply-To": {other}, "Antiphon-Timeout": {"60000000"}},
			{"Antiphon-Reply-To": {name + ".>"}, "Status": {"503"}},
		} {
			if err := hostile.PublishMsg(&nats.Msg{Subject: name, Reply: reply, Header: h, Data: []byte("hostile")}); err != nil && !errors.Is(err, nats.ErrBadSubject) {
				t.Fatal(reply, err)
			}
		}
	}
	for _, to := range []string{name, other} { // behind all of that
		if m, err := hostile.Request(to, []byte("q"), patience); err != nil || string(m.Data) != "q" {
			t.Error(to, m, err)
		}
	}
	if n := others.Load(); n != 0 {
		t.Errorf("%d answers were taken for requests", n)
	}
	if n := p.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}

// A flood of answers that nobody asked for, forged, malformed, or with headers without
// end, is observed or dropped one by one, and held within the limit. Asks go on.
func TestFloodOfAnswers(t *testing.T) {
	url, name := run(t), t.Name()
	var wire, o told
	nc := connect(t, url)
	defer nc.Close()
	p := peerOn(t, over(t, nc, &natscallback.Options{Observer: wire.observe, Inbox: 256 << 10}), &callback.PeerOptions{Observer: o.observe}, nil)
	hostile := connect(t, url)
	defer hostile.Close()
	subjects := make(chan string, 1)
	sub, err := hostile.Subscribe(name, func(m *nats.Msg) { subjects <- m.Reply })
	if err != nil {
		t.Fatal(err)
	}
	_ = hostile.Flush()
	asked := callback.Dial[int, int](p, name, &callback.DialOptions{Timeout: patience})(none, 7)
	reply := <-subjects
	_ = sub.Unsubscribe()
	inbox := reply[:strings.LastIndexByte(reply, '.')+1]
	endless := nats.Header{}
	for i := range 3000 {
		endless[callback.ID{byte(i), byte(i >> 8)}.String()] = []string{"v", "w"}
	}
	const n = 4_000
	for i := range n {
		m := nats.Msg{Subject: inbox + callback.ID{1, byte(i), byte(i >> 8)}.String(), Data: []byte("666")}
		switch {
		case i%500 == 0:
			m.Header = endless
		case i%3 == 0:
			m.Subject = inbox + "garbage"
		}
		if err := hostile.PublishMsg(&m); err != nil {
			t.Fatal(err)
		}
	}
	counted := func() int {
		unknown, _ := o.of("callback.unknown")
		malformed, _ := o.of("callback.malformed")
		dropped, _ := wire.of("nats.dropped")
		return unknown + malformed + dropped
	}
	eventually(t, "not all of it was observed, or the answer did not come after it", func() bool {
		_ = hostile.Publish(reply, []byte("7")) // may be dropped, too, and shows what nats.go has dropped
		_ = hostile.Flush()
		_, answered := asked.Peek()
		return answered && counted() >= n
	})
	if v, err := outcome(t, asked); v != 7 || err != nil {
		t.Error(v, err)
	}
	if _, err := outcome(t, callback.Dial[int, int](p, name, nil)(none, 1)); antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
		t.Error(err)
	}
}
