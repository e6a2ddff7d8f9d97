package callback_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// Progress begins Idle anew, and never lengthens Timeout.
func TestIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		o := &callback.DialOptions{Timeout: time.Minute, Idle: 10 * time.Second}
		start := time.Now()
		fu := callback.Dial[int, int](p, "f", o)(none, 1)
		m := f.next(callback.Request)
		if !m.Deadline.Equal(start.Add(time.Minute)) {
			t.Error("Idle travels:", m.Deadline.Sub(start))
		}
		for i := range 6 {
			time.Sleep(9 * time.Second)
			f.send(callback.Message{Kind: callback.Progress, ID: m.ID, Seq: uint32(i + 1), Body: []byte(`{"percent":1}`)})
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		pending(t, fu)
		_, err := await(t, fu)
		ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, callback.ErrExpired)
		if d := time.Since(start); d != time.Minute {
			t.Error("ended after", d)
		}
		f.nothing()
		start = time.Now()
		fu = callback.Dial[int, int](p, "f", o)(none, 1)
		m = f.next(callback.Request)
		_, err = await(t, fu)
		ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, callback.ErrExpired)
		if d := time.Since(start); d != 10*time.Second {
			t.Error("silent for", d)
		}
		if c := f.next(callback.Cancel); c.ID != m.ID { // the work has 50 seconds more
			t.Errorf("%+v", c)
		}
	})
}

// Attempts have one id and one body, come after the backoff, and end with an answer.
func TestAttempts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe})
		o := &callback.DialOptions{Timeout: time.Hour, Attempts: 3, Backoff: func(n int) time.Duration { return time.Duration(n) * time.Minute }}
		start := time.Now()
		fu := callback.Dial[int, int](p, "f", o)(callback.WithHeader(t.Context(), map[string]string{"h": "v"}), 7)
		var first *callback.Message
		for i, at := range []time.Duration{0, time.Minute, 3 * time.Minute} {
			m := f.next(callback.Request)
			if d := time.Since(start); d != at {
				t.Errorf("attempt %d after %v", i+1, d)
			}
			if first == nil {
				first = m
			}
			if m.ID != first.ID || string(m.Body) != "7" || m.Header["h"] != "v" || !m.Deadline.Equal(start.Add(time.Hour)) {
				t.Errorf("%+v", m)
			}
			m.Body[0], m.Header["h"] = 'x', "x" // it is ours
		}
		if e := es.last(t, "callback.resend"); es.count("callback.resend") != 2 || e.Attempt != 3 || e.ID != first.ID.String() {
			t.Errorf("%+v", es.take())
		}
		time.Sleep(30 * time.Minute)
		f.nothing()
		f.answer(first, "8")
		if v, err := await(t, fu); v != 8 || err != nil {
			t.Error(v, err)
		}
	})
}

// What has left once is unknown when it ends, also if a later attempt has not.
func TestC11_AnAttemptThatDidNotLeaveUndoesNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, f := stuckPair(t, nil)
		o := &callback.DialOptions{Timeout: time.Minute, Attempts: 2, Backoff: antiphon.Constant(10 * time.Second)}
		fu := callback.Dial[int, int](p, "f", o)(none, 7)
		f.next(callback.Request)
		wire.close()
		_, err := await(t, fu)
		ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, callback.ErrExpired)
		ctx, cancel := context.WithCancel(context.Background())
		wire.open()
		fu = callback.Dial[int, int](p, "f", o)(ctx, 7)
		f.next(callback.Request)
		wire.close()
		time.Sleep(11 * time.Second)
		cancel()
		_, err = await(t, fu)
		ended(t, err, antiphon.CodeCanceled, antiphon.ClassUnknown, context.Canceled)
	})
}

// An attempt that the wire refuses is no end while there are others; if none has
// left, the ask was not accepted.
func TestAttemptsThatAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{Bounces: true})
		p, _ := b.peer(t, nil)
		once := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Minute})
		start := time.Now()
		_, err := await(t, once(none, 1))
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
		if d := time.Since(start); d != 0 {
			t.Error("nobody there is known after", d)
		}
		o := &callback.DialOptions{Timeout: time.Minute, Attempts: 3, Backoff: antiphon.Constant(time.Second)}
		_, err = await(t, callback.Dial[int, int](p, "f", o)(none, 1))
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
		if d := time.Since(start); d != 2*time.Second {
			t.Error("given up after", d)
		}
		fu := callback.Dial[int, int](p, "f", o)(none, 1)
		time.Sleep(1500 * time.Millisecond)
		server, _ := b.peer(t, nil)
		callback.Serve(server, "f", echo, nil)
		if v, err := await(t, fu); v != 1 || err != nil {
			t.Error("the third attempt:", v, err)
		}
	})
}

// The answerer does the work of all attempts once, and sends the same answer again.
func TestC2_RepeatedRequestsAreDoneOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe})
		var calls atomic.Int64
		callback.Serve(p, "f", func(_ context.Context, n int) (int64, error) {
			time.Sleep(time.Second)
			if n == 2 {
				return 0, antiphon.Errorf(antiphon.CodeNotFound, "none")
			}
			return calls.Add(1), nil
		}, nil)
		f.request("f", 1, "1")
		f.request("f", 1, "1") // while it is at work
		f.next(callback.Reply)
		f.nothing()
		for range 2 { // when it is done
			f.request("f", 1, "1")
			if m := f.next(callback.Reply); string(m.Body) != "1" || m.Err != nil {
				t.Errorf("%+v", m)
			}
		}
		for range 2 {
			f.request("f", 2, "2")
			if m := f.next(callback.Reply); antiphon.CodeOf(m.Err) != antiphon.CodeNotFound {
				t.Errorf("%+v", m)
			}
		}
		if n := es.count("callback.repeated"); n != 4 || calls.Load() != 1 {
			t.Errorf("%d repeated, %d calls", n, calls.Load())
		}
		time.Sleep(time.Hour) // past the deadline
		f.request("f", 1, "1")
		if m := f.next(callback.Reply); string(m.Body) != "2" {
			t.Errorf("%+v", m)
		}
	})
}

// Answers and AnswerBytes bound what is remembered; of one that was too large it is
// remembered that there was one.
func TestMemoryOfAnswersIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, &callback.PeerOptions{Answers: 2, AnswerBytes: 4000})
		var calls atomic.Int64
		callback.Serve(p, "f", func(_ context.Context, n int) (string, error) { calls.Add(1); return string(make([]byte, n)), nil }, &callback.ServeOptions{Codec: lengths{}})
		ask := func(n byte, size string, want int64, err error) {
			t.Helper()
			f.request("f", n, size)
			m := f.next(callback.Reply)
			if calls.Load() != want || err == nil && m.Err != nil || err != nil && !errors.Is(m.Err, err) {
				t.Errorf("request %d: %d calls, %v", n, calls.Load(), m.Err)
			}
		}
		ask(1, "1", 1, nil)
		ask(2, "1", 2, nil)
		ask(1, "1", 2, nil)
		ask(3, "1", 3, nil) // 1 is forgotten
		ask(2, "1", 3, nil)
		ask(1, "1", 4, nil)
		ask(4, "2000", 5, nil)
		f.request("f", 4, "2000")
		m := f.next(callback.Reply)
		ended(t, m.Err, antiphon.CodeAborted, antiphon.ClassUnknown)
	})
	bubble(t, func(t *testing.T) {
		p, f := alone(t, &callback.PeerOptions{AnswerBytes: 4000})
		var calls atomic.Int64
		callback.Serve(p, "f", func(_ context.Context, n int) (string, error) { calls.Add(1); return string(make([]byte, n)), nil }, &callback.ServeOptions{Codec: lengths{}})
		for _, c := range []struct {
			n     byte
			calls int64
		}{{1, 1}, {2, 2}, {3, 3}, {4, 4}, {2, 4}, {1, 5}} { // 4000 bytes hold three
			f.request("f", c.n, "900")
			f.next(callback.Reply)
			if n := calls.Load(); n != c.calls {
				t.Errorf("request %d: %d calls, want %d", c.n, n, c.calls)
			}
		}
	})
}

// lengths decodes a number, and encodes text as it is.
type lengths struct{ antiphon.JSON }

func (lengths) Marshal(v any) ([]byte, error) { return []byte(v.(string)), nil }

// A cancel that comes before its request keeps it from being started; a flood of
// such pushes no answer out of memory.
func TestCancelBeforeRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe, Answers: 8})
		var calls atomic.Int64
		callback.Serve(p, "f", func(_ context.Context, n int) (int64, error) { return calls.Add(1), nil }, nil)
		f.request("f", 1, "1")
		f.next(callback.Reply)
		f.send(callback.Message{Kind: callback.Cancel, ID: callback.ID{1, 1}, To: "f"}) // too late
		for n := byte(50); n < 150; n++ {
			f.send(callback.Message{Kind: callback.Cancel, ID: callback.ID{n, 1}, To: "f"})
		}
		synctest.Wait()
		f.request("f", 149, "1")
		f.nothing()
		if e := es.last(t, "callback.dropped"); calls.Load() != 1 || !errors.Is(e.Err, context.Canceled) {
			t.Errorf("%d calls: %+v", calls.Load(), es.take())
		}
		f.request("f", 1, "1")
		if m := f.next(callback.Reply); string(m.Body) != "1" {
			t.Errorf("%s", m.Body)
		}
		f.request("f", 50, "1") // forgotten
		f.next(callback.Reply)
		time.Sleep(2 * time.Minute)
		f.request("f", 148, "1") // too long ago
		f.next(callback.Reply)
		if calls.Load() != 3 {
			t.Error(calls.Load())
		}
	})
}

// What panics in Backoff ends the ask, and nothing else.
func TestX7_BackoffThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		for _, at := range []int{1, 2} {
			o := &callback.DialOptions{Attempts: 3, Backoff: func(n int) time.Duration {
				if n == at {
					panic("backoff")
				}
				return time.Second
			}}
			_, err := await(t, callback.Dial[int, int](p, "f", o)(none, 1))
			ended(t, err, antiphon.CodeInternal, map[int]antiphon.Class{1: antiphon.ClassNotAccepted, 2: antiphon.ClassUnknown}[at])
			if n := p.Pending(); n != 0 {
				t.Error(n, "pending")
			}
		}
		f.all()
	})
}
