package callback_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// texts are the bodies of what came.
func texts(all []*callback.Message) (s []string) {
	for _, m := range all {
		s = append(s, string(m.Body))
	}
	return s
}

// jam shuts the wire and has the writer of events busy with one.
func jam(t *testing.T, p *callback.Peer, wire *stuck) {
	t.Helper()
	wire.close()
	if err := callback.Notify(none, p, "e", -1, nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// Block waits for room until its context ends.
func TestNotifyBlock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 2})
		jam(t, p, wire)
		for i := range 2 {
			if err := callback.Notify(none, p, "e", i, nil); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		ended(t, callback.Notify(ctx, p, "e", 2, nil), antiphon.CodeDeadlineExceeded, antiphon.ClassNotAccepted, context.DeadlineExceeded)
		if d := time.Since(start); d != time.Second {
			t.Error(d)
		}
		ended(t, callback.Notify(ctx, p, "e", 3, nil), antiphon.CodeDeadlineExceeded, antiphon.ClassNotAccepted) // it is over
		waiting := make(chan error, 3)
		for range 3 {
			go func() { waiting <- callback.Notify(none, p, "e", 4, nil) }()
		}
		synctest.Wait()
		if len(waiting) != 0 {
			t.Error("it did not wait")
		}
		wire.open()
		for range 3 {
			if err := <-waiting; err != nil {
				t.Error(err)
			}
		}
		if got := fmt.Sprint(texts(f.all())); got != "[-1 0 1 4 4 4]" {
			t.Error(got)
		}
		jam(t, p, wire)
		for range 2 {
			_ = callback.Notify(none, p, "e", 1, nil)
		}
		go func() { waiting <- callback.Notify(none, p, "e", 5, nil) }()
		synctest.Wait()
		_ = p.Close()
		ended(t, <-waiting, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrClosed)
	})
}

// DropOldest drops as many as it takes, of any name, does not wait, and tells.
func TestNotifyDropOldest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 3, OutboxBytes: 4000, Observer: es.observe})
		jam(t, p, wire)
		o := &callback.NotifyOptions{Overflow: callback.DropOldest}
		for i := range 10 {
			if err := callback.Notify(none, p, fmt.Sprint("e", i%2), i, o); err != nil {
				t.Fatal(err)
			}
		}
		if n := es.count("callback.dropped"); n != 7 {
			t.Error(n, "dropped")
		}
		es.take()
		if err := callback.Notify(none, p, "large", strings.Repeat("x", 1500), o); err != nil { // of 2000 bytes
			t.Fatal(err)
		}
		if e := es.last(t, "callback.dropped"); e.Count != 2 || e.Kind != "large" || !errors.Is(e.Err, callback.ErrFull) {
			t.Errorf("%+v", e)
		}
		wire.open()
		if got := texts(f.all()); len(got) != 3 || got[0] != "-1" || got[1] != "9" || len(got[2]) != 1502 {
			t.Error(got)
		}
	})
}

// KeepLast replaces what waits of its name and key, in its place.
func TestNotifyKeepLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 3, OutboxBytes: 4000, Observer: es.observe})
		jam(t, p, wire)
		send := func(name, key string, v any) {
			t.Helper()
			if err := callback.Notify(none, p, name, v, &callback.NotifyOptions{Overflow: callback.KeepLast, Key: key}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 5 {
			send("e", "a", i)
			send("e", "b", 10+i)
			send("g", "a", 20+i)
		}
		if n := es.count("callback.dropped"); n != 0 {
			t.Error(n, "dropped")
		}
		send("e", "c", 30) // drops the oldest
		if n := es.count("callback.dropped"); n != 1 {
			t.Error(n, "dropped")
		}
		send("e", "a", 40) // which has to begin anew
		wire.open()
		if got := fmt.Sprint(texts(f.all())); got != "[-1 24 30 40]" {
			t.Error(got)
		}
		es.take()
		jam(t, p, wire)
		send("e", "a", 1)
		send("e", "b", 2)
		send("e", "c", 3)
		send("e", "c", strings.Repeat("x", 1500)) // there is no room for it where it is
		wire.open()
		if got := texts(f.all()); len(got) != 3 || got[1] != "2" || len(got[2]) != 1502 {
			t.Error(got)
		}
		if n := es.count("callback.dropped"); n != 1 {
			t.Error(n, "dropped")
		}
		send("e", "a", 1) // what is written is not replaced
		send("e", "a", 2)
		if got := fmt.Sprint(texts(f.all())); got != "[1 2]" {
			t.Error(got)
		}
	})
}

// If others fill the outbox, there is nothing to drop.
func TestNotifyWhereOthersFillTheOutbox(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, _ := stuckPair(t, &callback.PeerOptions{OutboxBytes: 4000})
		wire.close()
		ask := callback.Dial[string, int](p, "f", nil)
		ask(none, "") // with the writer
		synctest.Wait()
		ask(none, strings.Repeat("x", 1700))
		for _, policy := range []callback.Overflow{callback.DropOldest, callback.KeepLast} {
			err := callback.Notify(none, p, "e", strings.Repeat("x", 500), &callback.NotifyOptions{Overflow: policy})
			ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, callback.ErrFull)
		}
	})
}

// An event of which the time is over is dropped, at either end, and observed.
func TestNotifyTTL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, wire, f := stuckPair(t, &callback.PeerOptions{Observer: es.observe})
		jam(t, p, wire)
		o := &callback.NotifyOptions{TTL: time.Second, Header: map[string]string{"h": "v"}}
		if err := callback.Notify(none, p, "brief", 1, o); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		wire.open()
		if got := fmt.Sprint(texts(f.all())); got != "[-1]" {
			t.Error(got)
		}
		if e := es.last(t, "callback.dropped"); e.Kind != "brief" || !errors.Is(e.Err, callback.ErrExpired) {
			t.Errorf("%+v", e)
		}
		if err := callback.Notify(none, p, "brief", 1, o); err != nil {
			t.Fatal(err)
		}
		if m := f.next(callback.Event); !m.Deadline.Equal(time.Now().Add(time.Second)) || m.Header["h"] != "v" || !m.ID.IsZero() {
			t.Errorf("%+v", m)
		}
		es.take()
		called := false
		callback.Serve(p, "stale", func(context.Context, int) (int, error) { called = true; return 0, nil }, nil)
		for _, kind := range []callback.Kind{callback.Event, callback.Request} { // commands, too
			f.send(callback.Message{Kind: kind, ID: callback.ID{1}, To: "stale", Deadline: time.Now(), Body: []byte("1")})
		}
		f.nothing()
		if called || es.count("callback.dropped") != 2 {
			t.Errorf("%v, %+v", called, es.take())
		}
	})
}

// So is one that the wire has not taken by then.
func TestNotifyTTLOnTheWire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, wire, f := stuckPair(t, &callback.PeerOptions{Observer: es.observe, SendTimeout: time.Minute})
		wire.close()
		for _, ttl := range []time.Duration{time.Second, time.Hour} {
			if err := callback.Notify(none, p, "brief", 1, &callback.NotifyOptions{TTL: ttl}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if e := es.last(t, "callback.dropped"); es.count("callback.dropped") != 1 || e.Kind != "brief" || !errors.Is(e.Err, callback.ErrExpired) {
			t.Errorf("%+v", e)
		}
		if n := es.count("callback.unsent"); n != 1 { // the wire was too slow for this one
			t.Error(n, "unsent")
		}
		wire.open()
		f.nothing()
	})
}

// Events are answered by nobody, whatever becomes of them.
func TestEventsAreNotAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe, MaxBody: 10})
		got := make(chan antiphon.Info, 1)
		callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) {
			got <- antiphon.InfoFrom(ctx)
			antiphon.Report(ctx, 1, "nobody hears it", nil)
			return 0, errors.New("event")
		}, nil)
		callback.ServeStream(p, "s", count, nil)
		for _, to := range []string{"f", "s", "unknown"} {
			f.send(callback.Message{Kind: callback.Event, To: to, Seq: 1, Body: []byte("1")})
		}
		f.send(callback.Message{Kind: callback.Event, To: "f", Body: []byte("12345678901")})
		if info := <-got; info.ID != "" || info.Kind != "f" {
			t.Errorf("%+v", info)
		}
		f.nothing()
		if es.count("callback.event_failed") != 2 || es.count("callback.rejected") != 2 {
			t.Errorf("%+v", es.take())
		}
	})
}

// As many events wait for a turn as requests may; one more drops the oldest.
func TestQueueOfEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe})
		release, done := make(chan struct{}), make(chan int, 10)
		callback.Serve(p, "f", func(_ context.Context, n int) (int, error) { <-release; done <- n; return 0, nil }, &callback.ServeOptions{Concurrency: 1, Queue: 2})
		for i := range 5 {
			f.send(callback.Message{Kind: callback.Event, To: "f", Body: fmt.Append(nil, i)})
			synctest.Wait()
		}
		if e := es.last(t, "callback.dropped"); es.count("callback.dropped") != 2 || e.Kind != "f" || !errors.Is(e.Err, callback.ErrFull) {
			t.Errorf("%+v", es.take())
		}
		close(release)
		for _, want := range []int{0, 3, 4} {
			if n := <-done; n != want {
				t.Errorf("%d, not %d", n, want)
			}
		}
	})
}

// Nothing of another lane waits for one that is stuck, in either direction.
func TestC8_LanesDoNotWaitForEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, f := stuckPair(t, nil, callback.Request, callback.Event)
		callback.Serve(p, "f", echo, nil)
		jam(t, p, wire)
		fu := callback.Dial[int, int](p, "g", nil)(none, 1)
		for range 500 {
			_ = callback.Notify(none, p, "e", 0, &callback.NotifyOptions{Overflow: callback.DropOldest})
		}
		synctest.Wait()
		f.request("f", 1, "7")
		if m := f.next(callback.Reply); string(m.Body) != "7" {
			t.Errorf("%+v", m)
		}
		wire.narrow(callback.Event)
		f.answer(f.next(callback.Request), "8")
		if v, err := await(t, fu); v != 8 || err != nil {
			t.Error(v, err)
		}
		f.nothing()
		wire.open()
		if n := len(f.all()); n != 501 {
			t.Error(n, "events")
		}
	})
}
