package natscallback_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/future"
)

// Where nobody listens, the server says so and the ask has not been accepted, whatever
// time it had. Nothing is left of it, and nothing comes later.
func TestNobodyListens(t *testing.T) {
	var o told
	p := peer(t, run(t), &callback.PeerOptions{Observer: o.observe}, nil)
	ask := callback.Dial[int, int](p, "nobody."+nats.NewInbox(), &callback.DialOptions{Timeout: 24 * time.Hour})
	fs := make([]*future.Future[int], 100)
	for i := range fs {
		fs[i] = ask(none, i)
	}
	for _, f := range fs {
		_, err := outcome(t, f)
		is(t, err, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
	}
	if n := p.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	for i := range 20 { // cancels find nobody either, and nobody hears of that
		ctx, cancel := context.WithCancel(none)
		f := ask(ctx, i)
		cancel()
		if _, err := outcome(t, f); err == nil {
			t.Error("answered")
		}
	}
	_, err := outcome(t, ask(none, 1))
	is(t, err, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
	if n, err := o.of("callback.malformed"); n > 0 {
		t.Error(err)
	}
}

// Answerers in a group share the asks; each is done once.
func TestGroupsShareAsks(t *testing.T) {
	url, name := run(t), t.Name()
	var mu sync.Mutex
	done := map[int]int{}
	var by [3]atomic.Int64
	for i := range by {
		peer(t, url, nil, func(p *callback.Peer) {
			callback.Serve(p, name, func(_ context.Context, n int) (int, error) {
				by[i].Add(1)
				mu.Lock()
				defer mu.Unlock()
				done[n]++
				return n, nil
			}, &callback.ServeOptions{Group: "g"})
		})
	}
	p := peer(t, url, nil, nil)
	fs := make([]*future.Future[int], 300)
	for i := range fs {
		fs[i] = callback.Dial[int, int](p, name, nil)(none, i)
	}
	for i, f := range fs {
		if v, err := outcome(t, f); v != i || err != nil {
			t.Error(v, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for i := range fs {
		if done[i] != 1 {
			t.Errorf("ask %d was done %d times", i, done[i])
		}
	}
	for i := range by {
		if by[i].Load() == 0 {
			t.Errorf("answerer %d of the group got nothing", i)
		}
	}
}

// An answerer that shuts down loses nothing that was asked: each ask is answered, or was
// not accepted and may be asked elsewhere.
func TestShutdownLosesNothing(t *testing.T) {
	url := run(t)
	for range 5 {
		name := "drain." + nats.NewInbox()
		nc := connect(t, url)
		defer nc.Close()
		leaving := peerOn(t, over(t, nc, nil), nil, func(p *callback.Peer) {
			callback.Serve(p, name, echo, &callback.ServeOptions{Queue: 10_000})
		})
		p := peer(t, url, nil, nil)
		ask := callback.Dial[int, int](p, name, &callback.DialOptions{Timeout: patience})
		var fs []*future.Future[int]
		down, half := make(chan error, 1), make(chan struct{})
		go func() {
			<-half
			ctx, cancel := context.WithTimeout(none, patience)
			defer cancel()
			down <- leaving.Shutdown(ctx)
		}()
		for i := range 2000 {
			if i == 300 {
				close(half)
			}
			fs = append(fs, ask(none, i))
		}
		refused := 0
		for i, f := range fs {
			v, err := outcome(t, f)
			switch {
			case err == nil && v == i:
			case antiphon.ClassOf(err) == antiphon.ClassNotAccepted:
				refused++
			default:
				t.Errorf("ask %d ended with %d, %v of class %s", i, v, err, antiphon.ClassOf(err))
			}
		}
		if err := <-down; err != nil {
			t.Error("Shutdown failed:", err)
		}
		if n := leaving.Pending() + p.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		if n := nc.NumSubscriptions(); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
		if !nc.IsConnected() {
			t.Error("the connection of the user was closed")
		}
		t.Logf("%d of %d were refused", refused, len(fs))
	}
}

// A native client needs no more than the fields of NATS, and the conventions of its
// services for errors. It never gets what is for us alone.
func TestOthers(t *testing.T) {
	url, name := run(t), t.Name()
	native := connect(t, url)
	defer native.Close()
	failure := antiphon.Errorf(antiphon.CodeNotFound, "no\nsuch thing")
	p := peer(t, url, &callback.PeerOptions{Codec: callback.Bytes{}}, func(p *callback.Peer) {
		callback.Serve(p, name+".echo", func(ctx context.Context, q string) (string, error) {
			return q + antiphon.InfoFrom(ctx).Header["traceparent"], nil
		}, nil)
		callback.Serve(p, name+".fails", func(context.Context, string) (string, error) { return "", failure }, nil)
		callback.Serve(p, name+".any.>", func(context.Context, string) (string, error) { return "any", nil }, nil)
	})

	ask := &nats.Msg{Subject: name + ".echo", Data: []byte("a"), Header: nats.Header{"traceparent": {"00-b"}, "Several": {"1", "2"}}}
	if m, err := native.RequestMsg(ask, patience); err != nil || string(m.Data) != "a00-b" {
		t.Error(m, err)
	}
	m, err := native.Request(name+".fails", nil, patience)
	if err != nil || m.Header.Get("Nats-Service-Error") != "no such thing" || m.Header.Get("Nats-Service-Error-Code") != "not_found" {
		t.Error(m, err)
	}
	if m, err := native.Request(name+".any.thing", nil, patience); err != nil || string(m.Data) != "any" {
		t.Error(m, err)
	}
	// The end of a reply subject that looks like an id is none of ours: it may come twice.
	reply := nats.NewInbox() + "." + callback.ID{1, 2}.String()
	sub, err := native.SubscribeSync(reply)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"1", "2"} {
		_ = native.PublishRequest(name+".echo", reply, []byte(q))
		if m, err := sub.NextMsg(patience); err != nil || string(m.Data) != q {
			t.Error(m, err)
		}
	}

	came := make(chan *nats.Msg, 100)
	if _, err := native.Subscribe(name+".native", func(m *nats.Msg) {
		came <- m
		switch string(m.Data) {
		case "fails":
			_ = m.RespondMsg(&nats.Msg{Header: nats.Header{"Nats-Service-Error": {"sold out"}, "Nats-Service-Error-Code": {"410"}}})
		case "answers":
			_ = m.Respond([]byte(m.Header.Get("traceparent")))
		}
	}); err != nil {
		t.Fatal(err)
	}
	_ = native.Flush()
	to := callback.Dial[string, string](p, name+".native", &callback.DialOptions{Timeout: patience})
	ctx := callback.WithHeader(none, map[string]string{"traceparent": "00-c"})
	if v, err := outcome(t, to(ctx, "answers")); v != "00-c" || err != nil {
		t.Error(v, err)
	}
	if _, err := outcome(t, to(none, "fails")); antiphon.CodeOf(err) != antiphon.CodeUnknown || antiphon.ClassOf(err) == antiphon.ClassNotAccepted || !strings.Contains(err.Error(), "sold out (410)") {
		t.Error(err)
	}
	limited, cancel := context.WithCancel(none)
	f := to(limited, "is silent")
	for range 3 {
		<-came
	}
	cancel()
	if _, err := outcome(t, f); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if v, err := outcome(t, to(ctx, "answers")); v != "00-c" || err != nil {
		t.Error(v, err)
	}
	if m := <-came; string(m.Data) != "answers" || len(came) > 0 {
		t.Errorf("a plain responder got %q, which is for us alone", m.Data)
	}
}

// What an inbox has no room for is dropped, told, and the asker of a request learns that
// it was not accepted. When there is room again, all goes on.
func TestSlowConsumer(t *testing.T) {
	url := run(t)
	slow, quick := connect(t, url), connect(t, url)
	defer slow.Close()
	defer quick.Close()
	var o told
	tr := over(t, slow, &natscallback.Options{Inbox: 8 << 10, Observer: o.observe})
	defer tr.Close()
	in, err := tr.Listen(none, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	p := peerOn(t, over(t, quick, nil), nil, nil)
	ask := callback.Dial[int, int](p, t.Name(), &callback.DialOptions{Timeout: patience})
	const n = 100
	fs := make([]*future.Future[int], n)
	for i := range fs {
		fs[i] = ask(none, i)
	}
	eventually(t, "too much came, and nothing was dropped", func() bool { k, _ := o.of("nats.dropped"); return k > 0 })
	go func() {
		for {
			d, err := in.Receive(none)
			if err != nil {
				return
			}
			_ = tr.Send(none, &callback.Message{Kind: callback.Reply, ID: d.ID, To: d.ReplyTo, Body: d.Body})
		}
	}()
	answered := 0
	for i, f := range fs {
		v, err := outcome(t, f)
		if err != nil {
			is(t, err, antiphon.ClassNotAccepted, callback.ErrFull)
			continue
		}
		if answered++; v != i {
			t.Errorf("asked %d, answered %d", i, v)
		}
	}
	dropped, why := o.of("nats.dropped")
	if answered == 0 || answered != n-dropped || !errors.Is(why, callback.ErrFull) {
		t.Errorf("%d dropped of %d, for %v, and %d answered", dropped, n, why, answered)
	}
	if v, err := outcome(t, ask(none, 7)); v != 7 || err != nil {
		t.Error(v, err)
	}
}

// What nats.go drops itself, because an inbox does not even take what comes, is told.
func TestSlowConsumerOfNATS(t *testing.T) {
	url := run(t)
	nc, native := connect(t, url), connect(t, url)
	defer nc.Close()
	defer native.Close()
	var o told
	stuck, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	tr := over(t, nc, &natscallback.Options{Inbox: 8 << 10, Observer: func(e antiphon.Event) {
		if errors.Is(e.Err, nats.ErrSlowConsumer) {
			e.Name = "slow"
		}
		o.observe(e)
		if e.Name == "nats.dropped" {
			once.Do(func() { close(stuck); <-release })
		}
	}})
	defer tr.Close()
	in, err := tr.Listen(none, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	send := func(n int) {
		for range n {
			_ = native.Publish(t.Name(), make([]byte, 500))
		}
		_ = native.Flush()
	}
	send(100)
	within(t, "nothing was dropped", stuck)
	send(100)
	eventually(t, "nats.go has dropped nothing", func() bool { return errors.Is(nc.LastError(), nats.ErrSlowConsumer) })
	close(release)
	ctx, cancel := context.WithTimeout(none, patience)
	defer cancel()
	for {
		if _, err := in.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		send(1)
		if n, _ := o.of("slow"); n > 0 {
			return
		}
	}
}
