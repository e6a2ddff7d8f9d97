package callback_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// Ten calls of 50 ms take as long as Concurrency says.
func TestConcurrency(t *testing.T) {
	for workers, want := range map[int]time.Duration{1: 500 * time.Millisecond, 5: 100 * time.Millisecond, 10: 50 * time.Millisecond, 0: 50 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			a, b := pair(t, nil, nil)
			var now, most atomic.Int64
			callback.Serve(b, "f", func(ctx context.Context, n int) (int, error) {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(50 * time.Millisecond)
				now.Add(-1)
				return n, nil
			}, &callback.ServeOptions{Concurrency: workers})
			ask := callback.Dial[int, int](a, "f", nil)
			start := time.Now()
			var fs []*future.Future[int]
			for i := range 10 {
				fs = append(fs, ask(none, i))
			}
			for _, f := range fs {
				if _, err := await(t, f); err != nil {
					t.Error(err)
				}
			}
			if d := time.Since(start); d != want || workers > 0 && most.Load() != int64(workers) {
				t.Errorf("%d workers: %v, %d at once", workers, d, most.Load())
			}
		})
	}
}

// Queue requests wait; one more is refused, with an error that says that asking
// elsewhere is safe, and at once.
func TestC5_Queue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe})
		callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) { time.Sleep(time.Second); return n, nil }, &callback.ServeOptions{Concurrency: 1, Queue: 2})
		for n := byte(1); n <= 5; n++ {
			f.request("f", n, "1")
		}
		for n := byte(4); n <= 5; n++ {
			m := f.next(callback.Reply)
			ended(t, m.Err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, callback.ErrFull)
			if m.ID != (callback.ID{n, 1}) {
				t.Error(m.ID)
			}
		}
		if e := es.last(t, "callback.rejected"); es.count("callback.rejected") != 2 || e.Kind != "f" || !errors.Is(e.Err, callback.ErrFull) {
			t.Errorf("%+v", es.take())
		}
		start := time.Now()
		for n := byte(1); n <= 3; n++ {
			if m := f.next(callback.Reply); m.Err != nil || m.ID != (callback.ID{n, 1}) {
				t.Errorf("%+v", m)
			}
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Error(d)
		}
	})
}

// Backlog bounds the bytes of what is accepted, over all names; one fits always.
func TestC5_Backlog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe, Backlog: 2000})
		var calls atomic.Int64
		for _, name := range []string{"f", "g"} {
			callback.Serve(p, name, func(ctx context.Context, q []byte) ([]byte, error) {
				calls.Add(1)
				time.Sleep(time.Second)
				return nil, nil
			}, &callback.ServeOptions{Codec: callback.Bytes{}})
		}
		f.request("f", 1, strings.Repeat("x", 3000))
		f.request("g", 2, "x")
		m := f.next(callback.Reply)
		ended(t, m.Err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, callback.ErrFull)
		f.send(callback.Message{Kind: callback.Event, To: "f", Body: []byte("x")})
		synctest.Wait()
		if es.count("callback.dropped") != 1 || calls.Load() != 1 {
			t.Errorf("%d calls: %+v", calls.Load(), es.take())
		}
		f.next(callback.Reply)
		synctest.Wait() // it is done once its answer is on its way
		for n := byte(3); n < 6; n++ {
			f.request("g", n, strings.Repeat("x", 500))
		}
		if m := f.next(callback.Reply); m.Err == nil || m.ID[0] != 5 {
			t.Errorf("%+v", m)
		}
		f.next(callback.Reply)
		f.next(callback.Reply)
	})
}

// C12: a panic is an answer of code internal, which says nothing of its value, and
// an event that has the stack. Goexit is an answer. Neither costs a slot.
func TestC12_PanicAndGoexit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		a, b := pair(t, nil, &callback.PeerOptions{Observer: es.observe})
		callback.Serve(b, "f", func(_ context.Context, n int) (int, error) {
			switch n {
			case 1:
				panic("secret")
			case 2:
				runtime.Goexit()
			}
			return n, nil
		}, &callback.ServeOptions{Concurrency: 1})
		ask := callback.Dial[int, int](a, "f", nil)
		for range 3 {
			first, second, third := ask(none, 1), ask(none, 2), ask(none, 3)
			_, err := await(t, first)
			ended(t, err, antiphon.CodeInternal, antiphon.ClassFailed, future.ErrPanic)
			if strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
			_, err = await(t, second)
			ended(t, err, antiphon.CodeInternal, antiphon.ClassFailed, future.ErrGoexit)
			if v, err := await(t, third); v != 3 || err != nil {
				t.Error(v, err)
			}
		}
		e := es.last(t, "callback.panic")
		var pe *future.PanicError
		if es.count("callback.panic") != 3 || e.Kind != "f" || !errors.As(e.Err, &pe) || pe.Value != "secret" || !bytes.Contains(pe.Stack, []byte("serve_test.go")) {
			t.Errorf("%+v", es.take())
		}
		if err := callback.Notify(none, a, "f", 1, nil); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if es.count("callback.panic") != 4 || es.count("callback.event_failed") != 1 {
			t.Errorf("%+v", es.take())
		}
	})
}

// X7: whatever of the user's panics fails what it was called for, and no more.
func TestX7_CodecsAndHooksThatPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bad := &callback.PeerOptions{
			Inject:   func(ctx context.Context, _ map[string]string) { trap(ctx.Value(trapKey{}), "inject") },
			Extract:  func(ctx context.Context, h map[string]string) context.Context { trap(h["trap"], "extract"); return nil },
			Observer: func(antiphon.Event) { panic("observer") },
			Codec:    trapCodec{},
		}
		a, b := pair(t, bad, bad)
		callback.Serve(b, "f", func(ctx context.Context, s string) (string, error) {
			antiphon.Report(ctx, 1, "", s)
			return strings.ReplaceAll(s, "ask", "answer"), nil
		}, &callback.ServeOptions{Concurrency: 1})
		ask := callback.Dial[string, string](a, "f", nil)
		ok := func() {
			t.Helper()
			if v, err := await(t, ask(none, "well")); v != "well" || err != nil {
				t.Error(v, err)
			}
		}
		ok()
		_, err := await(t, ask(context.WithValue(context.Background(), trapKey{}, "inject"), "well"))
		ended(t, err, antiphon.CodeInternal, antiphon.ClassNotAccepted)
		ok()
		_, err = await(t, ask(callback.WithHeader(context.Background(), map[string]string{"trap": "extract"}), "well"))
		ended(t, err, antiphon.CodeInternal, antiphon.ClassFailed)
		ok()
		_, err = await(t, ask(none, "marshal ask"))
		ended(t, err, antiphon.CodeInternal, antiphon.ClassNotAccepted)
		ok()
		_, err = await(t, ask(none, "unmarshal ask"))
		ended(t, err, antiphon.CodeInternal, antiphon.ClassNotAccepted)
		ok()
		_, err = await(t, ask(none, "marshal' ask")) // the answer cannot be encoded
		ended(t, err, antiphon.CodeInternal, antiphon.ClassFailed)
		ok()
		_, err = await(t, ask(none, "unmarshal' ask")) // nor decoded
		ended(t, err, antiphon.CodeInternal, antiphon.ClassFailed)
		ok()
		ended(t, callback.Notify(none, a, "f", "marshal ask", nil), antiphon.CodeInternal, antiphon.ClassNotAccepted)
		ctx := antiphon.WithProgress(context.Background(), func(antiphon.Progress) { panic("listener") })
		if _, err := await(t, ask(ctx, "well")); err != nil {
			t.Error(err)
		}
	})
}

type trapKey struct{}

func trap(v any, name string) {
	if v == name {
		panic(name)
	}
}

// A trapCodec panics over texts that say so.
type trapCodec struct{ antiphon.JSON }

func (c trapCodec) Marshal(v any) ([]byte, error) {
	trap(v, "marshal ask")
	trap(v, "marshal' answer")
	return c.JSON.Marshal(v)
}

func (c trapCodec) Unmarshal(data []byte, v any) error {
	err := c.JSON.Unmarshal(data, v)
	if s, ok := v.(*string); ok {
		trap(*s, "unmarshal ask")
		trap(*s, "unmarshal' answer")
	}
	return err
}

// What hangs on a future is called where the answer is read. If it ends that
// goroutine, another reads on.
func TestX7_WhoEndsTheReaderHarmsNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		a, b := callback.NewPeer(x, nil), callback.NewPeer(y, nil)
		run(t, b)
		go func() { _ = a.Run(context.Background()) }()
		synctest.Wait()
		callback.Serve(b, "f", func(_ context.Context, n int) (exits, error) { return exits(n), nil }, nil)
		ask := callback.Dial[int, exits](a, "f", nil)
		for range 3 {
			_, err := await(t, ask(none, 13))
			ended(t, err, antiphon.CodeInternal, antiphon.ClassFailed, future.ErrGoexit)
			if v, err := await(t, ask(none, 1)); v != 1 || err != nil {
				t.Error(v, err)
			}
		}
		_ = b.Close()
		_, err := await(t, ask(none, 1))
		if antiphon.CodeOf(err) != antiphon.CodeUnavailable {
			t.Error(err)
		}
	})
}

// exits is a number that ends the goroutine which decodes it, if it is 13.
type exits int

func (e *exits) UnmarshalJSON(b []byte) error {
	if string(b) == "13" {
		runtime.Goexit()
	}
	*e = 1
	return nil
}

// C8: work and listeners that are slow hold up nobody else.
func TestC8_SlowWorkHoldsUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		release := make(chan struct{})
		callback.Serve(b, "slow", func(context.Context, int) (int, error) { <-release; return 0, nil }, &callback.ServeOptions{Concurrency: 3})
		callback.Serve(b, "fast", echo, nil)
		for range 100 {
			callback.Dial[int, int](a, "slow", nil)(none, 1)
		}
		start := time.Now()
		if v, err := await(t, callback.Dial[int, int](a, "fast", nil)(none, 7)); v != 7 || err != nil {
			t.Error(v, err)
		}
		if d := time.Since(start); d != 0 {
			t.Error(d)
		}
		close(release)
	})
}

// C8: an answer of more than some kilobytes that is slow to decode holds up nobody.
func TestC8_LargeAnswersAreDecodedElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.Serve(b, "f", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil }, nil)
		ask := callback.Dial[int, slowText](a, "f", nil)
		large := ask(none, 20<<10)
		synctest.Wait()
		start := time.Now()
		if v, err := await(t, ask(none, 1)); len(v) != 3 || err != nil || time.Since(start) != 0 {
			t.Error(v, err, time.Since(start))
		}
		if v, err := await(t, large); len(v) != 20<<10+2 || err != nil || time.Since(start) != time.Minute {
			t.Error(len(v), err, time.Since(start))
		}
	})
}

// slowText takes a minute if it is long.
type slowText string

func (s *slowText) UnmarshalJSON(b []byte) error {
	if len(b) > 1000 {
		time.Sleep(time.Minute)
	}
	*s = slowText(b)
	return nil
}

// Situation 22: headers of 8 KiB and of any language arrive; a trace goes on
// through work that asks.
func TestHeaders(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inject := &callback.PeerOptions{Inject: func(_ context.Context, h map[string]string) { h["injected"] = "yes"; h["over"] = "injected" }}
		a, b := pair(t, inject, nil)
		got := make(chan antiphon.Info, 1)
		callback.Serve(a, "back", func(ctx context.Context, _ int) (int, error) { got <- antiphon.InfoFrom(ctx); return 0, nil }, nil)
		back := callback.Dial[int, int](b, "back", &callback.DialOptions{Header: map[string]string{"own": "b"}})
		callback.Serve(b, "f", func(ctx context.Context, n int) (int, error) {
			got <- antiphon.InfoFrom(ctx)
			_, err := back(ctx, n).Await(ctx)
			return 0, err
		}, nil)
		large := strings.Repeat("ü", 4<<10)
		opts := &callback.DialOptions{Header: map[string]string{"Größe": large, "over": "options", "also": "options"}}
		ask := callback.Dial[int, int](a, "f", opts)
		opts.Header["also"] = "changed afterwards"
		ctx := callback.WithHeader(context.Background(), map[string]string{"outer": "1", "over": "outer", "traceparent": "00-1", "tracestate": "s"})
		ctx = callback.WithHeader(ctx, map[string]string{"over": "inner", "": "empty"})
		fu := ask(ctx, 1)
		info := <-got
		want := map[string]string{"Größe": large, "over": "inner", "also": "options", "outer": "1", "": "empty", "injected": "yes", "traceparent": "00-1", "tracestate": "s"}
		if !maps.Equal(info.Header, want) || info.Kind != "f" || info.Attempt != 1 {
			t.Errorf("%+v", info)
		}
		if id, err := callback.ParseID(info.ID); err != nil || id.IsZero() {
			t.Error(id, err)
		}
		if info := <-got; !maps.Equal(info.Header, map[string]string{"own": "b", "traceparent": "00-1", "tracestate": "s"}) {
			t.Errorf("%+v", info)
		}
		if _, err := await(t, fu); err != nil {
			t.Error(err)
		}
	})
}

// Extract makes the context of the work from the header.
func TestExtract(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T) {
		p, f := alone(t, &callback.PeerOptions{Extract: func(ctx context.Context, h map[string]string) context.Context {
			return context.WithValue(ctx, key{}, h["user"]+antiphon.InfoFrom(ctx).Kind)
		}})
		callback.Serve(p, "f", func(ctx context.Context, _ int) (any, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the deadline is lost")
			}
			return ctx.Value(key{}), nil
		}, nil)
		f.send(callback.Message{Kind: callback.Request, ID: callback.ID{1}, To: "f", Deadline: time.Now().Add(1), Header: map[string]string{"user": "me:"}, Body: []byte("1")})
		if m := f.next(callback.Reply); string(m.Body) != `"me:f"` {
			t.Errorf("%s %v", m.Body, m.Err)
		}
	})
}

// Events of a name are done in order if one is done at a time, after the requests.
func TestEventsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		var mu sync.Mutex
		var got []int
		callback.Serve(p, "f", func(_ context.Context, n int) (int, error) {
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, n)
			return 0, nil
		}, &callback.ServeOptions{Concurrency: 1})
		for _, n := range []string{"0", "1", "2", "3", "4", "5"} {
			f.send(callback.Message{Kind: callback.Event, To: "f", Body: []byte(n)})
			synctest.Wait()
		}
		f.request("f", 1, "100")
		f.next(callback.Reply)
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(got) != 7 || got[0] != 0 || got[1] != 100 || got[2] != 1 || got[6] != 5 {
			t.Error(got)
		}
	})
}

// Requests are no members of the scope that Run may be in: one that fails does not end the
// peer, and with it all others.
func TestServeIsOutsideOfTheScope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := callback.Pipe(nil)
		asker, server := callback.NewPeer(a, nil), callback.NewPeer(b, nil)
		half := future.With(func(_ context.Context, n int) (int, error) {
			if n%2 != 0 {
				return 0, antiphon.Errorf(antiphon.CodeOutOfRange, "%d is odd", n)
			}
			return n / 2, nil
		}, &future.Policy{Timeout: time.Second})
		callback.Serve(server, "half", half, nil)
		err := future.Run(t.Context(), func(s *future.Scope) error {
			for _, p := range []*callback.Peer{server, asker} {
				future.Go(s, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.Run(ctx) })
			}
			ask := callback.Dial[int, int](asker, "half", nil)
			if _, err := ask(s, 3).Await(s); antiphon.CodeOf(err) != antiphon.CodeOutOfRange {
				t.Error(err)
			}
			if v, err := ask(s, 4).Await(s); v != 2 || err != nil {
				t.Error(v, err)
			}
			_ = asker.Close()
			_ = server.Close()
			return nil
		})
		if err != nil && !errors.Is(err, callback.ErrDisconnected) {
			t.Error(err)
		}
	})
}
