package callback_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// C2: of all answers to an ask the first is taken; the others are observed, once
// each, and change nothing.
func TestC2_FirstAnswerWins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe})
		ask := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Minute})
		fu, other := ask(none, 1), ask(none, 2)
		m, n := f.next(callback.Request), f.next(callback.Request)
		f.answer(m, "1")
		f.answer(m, "2")
		f.send(callback.Message{Kind: callback.Progress, ID: m.ID, Seq: 1, Body: []byte(`{"percent":1}`)})
		if v, err := await(t, fu); v != 1 || err != nil {
			t.Error(v, err)
		}
		synctest.Wait()
		if e := es.last(t, "callback.duplicate"); es.count("callback.duplicate") != 2 || e.ID != m.ID.String() || !errors.Is(e.Err, callback.ErrDuplicate) {
			t.Errorf("%+v", es.take())
		}
		f.send(callback.Message{Kind: callback.Reply, ID: callback.ID{9}, Body: []byte("3")})
		synctest.Wait()
		if e := es.last(t, "callback.unknown"); es.count("callback.unknown") != 1 || !errors.Is(e.Err, callback.ErrUnknownID) {
			t.Errorf("%+v", es.take())
		}
		time.Sleep(time.Minute + 1)
		f.answer(n, "4")
		synctest.Wait()
		if e := es.last(t, "callback.late"); es.count("callback.late") != 1 || !errors.Is(e.Err, callback.ErrLate) {
			t.Errorf("%+v", es.take())
		}
		if _, err := outcome(t, other); !errors.Is(err, callback.ErrExpired) {
			t.Error(err)
		}
		if v, err := outcome(t, fu); v != 1 || err != nil {
			t.Error(v, err)
		}
	})
}

// A transport of which Send delivers the answer before it returns.
type instant struct {
	callback.Transport
	answer func(m *callback.Message)
}

func (i instant) TrySend(m *callback.Message) (bool, error) {
	i.answer(m)
	return true, nil
}

// The expectation is there before the request leaves.
func TestC2_AnswerBeforeSendReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		f := farEnd(t, y)
		p := callback.NewPeer(instant{x, func(m *callback.Message) {
			f.answer(m, "7")
			synctest.Wait() // until the peer has dealt with it
		}}, nil)
		run(t, p)
		synctest.Wait()
		if v, err := outcome(t, callback.Dial[int, int](p, "f", nil)(none, 1)); v != 7 || err != nil {
			t.Error(v, err)
		}
	})
}

// C3: an ask ends at its time to the nanosecond: the least of Timeout, the peer's,
// and the context's deadline. What travels is the same.
func TestC3_Timeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, &callback.PeerOptions{Timeout: 40 * time.Second})
		for _, c := range []struct{ timeout, context, want time.Duration }{
			{0, 0, 40 * time.Second},
			{time.Second, 0, time.Second},
			{time.Minute, 0, time.Minute},
			{time.Second, time.Minute, time.Second},
			{time.Minute, time.Second + 1, time.Second + 1},
			{0, 41 * time.Second, 40 * time.Second},
		} {
			ctx, cancel := context.Background(), func() {}
			if c.context > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.context)
			}
			start := time.Now()
			fu := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: c.timeout})(ctx, 1)
			if m := f.next(callback.Request); !m.Deadline.Equal(start.Add(c.want)) {
				t.Errorf("%+v: the request is for %v", c, m.Deadline.Sub(start))
			}
			time.Sleep(c.want - 1)
			synctest.Wait()
			pending(t, fu)
			_, err := await(t, fu)
			if d := time.Since(start); d != c.want {
				t.Errorf("%+v: ended after %v", c, d)
			}
			ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, context.DeadlineExceeded)
			cancel()
			f.all()
		}
	})
}

func TestC3_DefaultTimeoutIs30Seconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		start := time.Now()
		_, err := await(t, callback.Dial[int, int](p, "f", nil)(none, 1))
		ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, callback.ErrExpired)
		if d := time.Since(start); d != 30*time.Second {
			t.Error(d)
		}
		f.next(callback.Request)
		f.nothing() // no cancel: the work has the same deadline
	})
}

// Everything is measured by the clock of the options.
func TestC3_UnderAMockClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		p, f := alone(t, &callback.PeerOptions{Clock: mock})
		fu := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Minute})(none, 1)
		if m := f.next(callback.Request); !m.Deadline.Equal(mock.Now().Add(time.Minute)) {
			t.Error(m.Deadline)
		}
		time.Sleep(time.Hour)
		mock.Add(time.Minute - 1)
		synctest.Wait()
		pending(t, fu)
		mock.Add(1)
		synctest.Wait()
		_, err := outcome(t, fu)
		ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, callback.ErrExpired)
	})
}

// C4: the entry is gone before the future has settled, however it ends, and the
// other end is told.
func TestC4_GivingUpFreesTheEntry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		ask := callback.Dial[int, int](p, "f", nil)
		reason := errors.New("changed my mind")
		for name, end := range map[string]func(cancel context.CancelCauseFunc, m *callback.Message){
			"cancel":  func(cancel context.CancelCauseFunc, _ *callback.Message) { cancel(reason) },
			"answer":  func(_ context.CancelCauseFunc, m *callback.Message) { f.answer(m, "1") },
			"timeout": func(context.CancelCauseFunc, *callback.Message) { time.Sleep(time.Minute) },
		} {
			ctx, cancel := context.WithCancelCause(context.Background())
			fu := ask(ctx, 1)
			left := make(chan int, 1)
			fu.OnDone(func(future.Result[int]) { left <- p.Pending() })
			m := f.next(callback.Request)
			end(cancel, m)
			if n := <-left; n != 0 {
				t.Errorf("%s: %d pending as it settled", name, n)
			}
			_, err := outcome(t, fu)
			if name == "cancel" {
				ended(t, err, antiphon.CodeCanceled, antiphon.ClassUnknown, context.Canceled, reason)
				if c := f.next(callback.Cancel); c.ID != m.ID || c.To != "f" || !c.Deadline.Equal(m.Deadline) {
					t.Errorf("%+v", c)
				}
			}
			f.nothing()
			cancel(nil)
		}
	})
}

// A hooked context counts what hangs on it.
type hooked struct {
	context.Context
	hooks *atomic.Int64
}

func (h hooked) Value(any) any { return nil }

func (h hooked) AfterFunc(f func()) func() bool {
	h.hooks.Add(1)
	stop := context.AfterFunc(h.Context, f)
	return func() bool {
		h.hooks.Add(-1)
		return stop()
	}
}

// C4: however an ask ends, nothing of it is left hanging on its context.
func TestC4_NothingIsLeftOnTheContext(t *testing.T) {
	for _, how := range []string{"answer", "time", "refused", "broken", "stream", "left", "closed"} {
		bubble(t, func(t *testing.T) {
			inner, cancel := context.WithCancel(context.Background())
			defer cancel()
			ctx := hooked{inner, new(atomic.Int64)}
			p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 1})
			if how == "refused" {
				wire.close()
			}
			for range 3 {
				if how == "stream" || how == "left" {
					go func() {
						for range callback.DialStream[int, int](p, "f", nil)(ctx, 1) {
							break
						}
					}()
				} else {
					callback.Dial[int, int](p, "f", nil)(ctx, 1)
				}
				synctest.Wait()
			}
			if n := ctx.hooks.Load(); n == 0 {
				t.Fatal("nothing hangs on it")
			}
			switch how {
			case "answer", "stream", "left":
				for range 3 {
					if m := f.next(callback.Request); how == "left" {
						f.send(part(m, 1, "1"))
					} else {
						f.answer(m, "1")
					}
				}
			case "time", "refused":
				time.Sleep(time.Minute)
			case "broken":
				_ = f.wire.Close()
			case "closed":
				_ = p.Close()
			}
			synctest.Wait()
			if n := ctx.hooks.Load(); n != 0 {
				t.Errorf("%s: %d left", how, n)
			}
		})
	}
}

// C5: what exceeds MaxPending is refused at once.
func TestC5_MaxPending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, &callback.PeerOptions{MaxPending: 2})
		ask := callback.Dial[int, int](p, "f", nil)
		first := ask(none, 1)
		ask(none, 2)
		_, err := outcome(t, ask(none, 3))
		ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, callback.ErrFull)
		for _, err := range callback.DialStream[int, int](p, "f", nil)(none, 1) {
			ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, callback.ErrFull)
		}
		f.answer(f.next(callback.Request), "1")
		if _, err := await(t, first); err != nil {
			t.Error(err)
		}
		pending(t, ask(none, 4))
	})
}

// C6: what was asked over the connection that broke fails at once, as unknown.
func TestC6_TheOtherEndIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe})
		ask := callback.Dial[int, int](p, "f", nil)
		fs := []*future.Future[int]{ask(none, 1), ask(none, 2)}
		start := time.Now()
		_ = f.wire.Close()
		for _, fu := range fs {
			_, err := await(t, fu)
			ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrDisconnected)
		}
		if d := time.Since(start); d != 0 || es.count("callback.disconnected") != 1 {
			t.Errorf("after %v: %+v", d, es.take())
		}
	})
}

// C11: what has surely not left is not accepted, whatever keeps it.
func TestC11_WhatHasNotLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 2})
		ask := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: 20 * time.Second})
		ctx, cancel := context.WithCancel(context.Background())
		over, stop := context.WithCancel(context.Background())
		stop()
		_, err := outcome(t, ask(over, 1))
		ended(t, err, antiphon.CodeCanceled, antiphon.ClassNotAccepted, context.Canceled)
		wire.close()
		tried := ask(none, 1) // is with the writer
		synctest.Wait()
		waits, given := ask(none, 2), ask(ctx, 3)
		synctest.Wait()
		_, err = outcome(t, ask(none, 4))
		ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, callback.ErrFull)
		cancel()
		synctest.Wait()
		_, err = outcome(t, given)
		ended(t, err, antiphon.CodeCanceled, antiphon.ClassNotAccepted, context.Canceled)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if _, err = outcome(t, tried); !errors.Is(err, callback.ErrExpired) { // the wire had it in hand
			t.Error(err)
		}
		_, err = outcome(t, waits)
		ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassNotAccepted, callback.ErrExpired)
		wire.open()
		f.nothing() // not even cancels
	})
}

// C11: a value that cannot be encoded was not accepted.
func TestC11_WhatCannotBeEncoded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, &callback.PeerOptions{MaxBody: 10})
		_, err := outcome(t, callback.Dial[any, int](p, "f", nil)(none, func() {}))
		ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		_, err = outcome(t, callback.Dial[string, int](p, "f", nil)(none, "123456789"))
		ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, antiphon.ErrTooLarge)
		header := map[string]string{"h": strings.Repeat("v", callback.MaxHeaderSize)}
		_, err = outcome(t, callback.Dial[int, int](p, "f", nil)(callback.WithHeader(context.Background(), header), 1))
		ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		for _, err := range callback.DialStream[any, int](p, "f", nil)(none, func() {}) {
			ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		}
		ended(t, callback.Notify[any](none, p, "f", func() {}, nil), antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		ended(t, callback.Notify(none, p, "f", "123456789", nil), antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted)
		f.nothing()
		pending(t, callback.Dial[string, int](p, "f", nil)(none, "12345678"))
		f.next(callback.Request) // ten bytes are not too many
	})
}

// C11: an answer that came and is of no use is that of work that was done.
func TestC11_AnswersOfNoUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, &callback.PeerOptions{MaxBody: 1000})
		ask := callback.Dial[int, int](p, "f", nil)
		for body, code := range map[string]antiphon.Code{
			`"text"`:                        antiphon.CodeInvalidArgument,
			`{`:                             antiphon.CodeInvalidArgument,
			strings.Repeat("[", 100):        antiphon.CodeResourceExhausted,
			strings.Repeat(" ", 1000) + "1": antiphon.CodeResourceExhausted,
		} {
			fu := ask(none, 1)
			f.answer(f.next(callback.Request), body)
			_, err := await(t, fu)
			ended(t, err, code, antiphon.ClassFailed)
		}
	})
}
