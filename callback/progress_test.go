package callback_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A listener hears what is reported.
type listener struct {
	mu  sync.Mutex
	all []antiphon.Progress
}

func (l *listener) context() context.Context {
	return antiphon.WithProgress(context.Background(), func(p antiphon.Progress) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, p)
	})
}

func (l *listener) percents() (s string) {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.all {
		s += fmt.Sprint(p.Percent, " ")
	}
	return strings.TrimSpace(s)
}

// What the work reports reaches the asker in order, with its data.
func TestProgress(t *testing.T) {
	type data struct{ Rows int }
	bubble(t, func(t *testing.T) {
		for _, codec := range []antiphon.Codec{nil, shouting{}} {
			a, b := pair(t, nil, nil)
			callback.Serve(b, "f", func(ctx context.Context, n int) (int, error) {
				for i := range n {
					antiphon.Report(ctx, float64(i), fmt.Sprint("step ", i), data{i})
				}
				antiphon.Report(ctx, 200, "", nil)
				return n, nil
			}, &callback.ServeOptions{Codec: codec})
			var l listener
			if _, err := await(t, callback.Dial[int, int](a, "f", &callback.DialOptions{Codec: codec})(l.context(), 3)); err != nil {
				t.Fatal(err)
			}
			if s := l.percents(); s != "0 1 2 100" {
				t.Fatal(s)
			}
			for i := range 3 {
				if d, err := antiphon.DataAs[data](l.all[i], codec); d.Rows != i || err != nil || l.all[i].Message != fmt.Sprint("step ", i) {
					t.Errorf("%+v, %v", l.all[i], err)
				}
			}
			if l.all[3].Data != nil {
				t.Error(l.all[3].Data)
			}
		}
	})
}

// shouting is a codec that is no JSON.
type shouting struct{ antiphon.JSON }

func (shouting) ContentType() string { return "text/shouting" }

func (s shouting) Marshal(v any) ([]byte, error) {
	b, err := s.JSON.Marshal(v)
	return append([]byte("!"), b...), err
}

func (s shouting) Unmarshal(b []byte, v any) error { return s.JSON.Unmarshal(b[1:], v) }

// What overtakes, comes twice, comes too late or makes no sense is dropped.
func TestProgressThatIsOfNoUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe})
		var l listener
		fu := callback.Dial[int, int](p, "f", nil)(l.context(), 1)
		m := f.next(callback.Request)
		say := func(seq uint32, body string) {
			f.send(callback.Message{Kind: callback.Progress, ID: m.ID, Seq: seq, Body: []byte(body)})
			synctest.Wait()
		}
		say(2, `{"percent":2}`)
		say(1, `{"percent":1}`)
		say(2, `{"percent":3}`)
		say(0, `{"percent":4}`)
		say(5, `{"percent":5,"more":[]}`)
		say(6, `oops`)
		say(7, `{"percent":7,"message":"`+strings.Repeat("x", 64<<10)+`"}`)
		say(8, ``) // which only says where the work is done
		f.answer(m, "1")
		say(9, `{"percent":9}`)
		if s := l.percents(); s != "2 5" {
			t.Error(s)
		}
		if es.count("callback.malformed") != 2 || es.count("callback.duplicate") != 1 {
			t.Errorf("%+v", es.take())
		}
		if _, err := await(t, fu); err != nil {
			t.Error(err)
		}
	})
}

// Of progress that cannot be sent the latest waits, and it does not hold up the
// answer; what is too large or cannot be encoded is observed. After the answer
// nothing is reported.
func TestProgressOnAStuckWire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 3, Observer: es.observe})
		var late context.Context
		callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) {
			for i := range 1000 {
				antiphon.Report(ctx, float64(i%100), "", i)
				if i == 0 {
					time.Sleep(time.Nanosecond) // until the writer has it
				}
			}
			antiphon.Report(ctx, 0, "", func() {})
			antiphon.Report(ctx, 0, strings.Repeat("x", 64<<10), nil)
			late = ctx
			return n, nil
		}, nil)
		wire.close()
		f.request("f", 1, "7")
		time.Sleep(time.Second)
		synctest.Wait()
		if n := es.count("callback.unsent"); n != 2 {
			t.Error(n, "observed")
		}
		wire.open()
		if m := f.next(callback.Progress); m.Seq != 1 { // with the writer
			t.Error(m.Seq)
		}
		if m := f.next(callback.Progress); m.Seq != 1000 {
			t.Error(m.Seq)
		}
		f.next(callback.Reply)
		antiphon.Report(late, 1, "", nil)
		f.nothing()
	})
}

// The controls of a request go where its first progress came from.
func TestControlsFollowProgress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for _, c := range []context.Context{ctx, context.Background()} {
			fu := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Minute})(c, 1)
			m := f.next(callback.Request)
			f.send(callback.Message{Kind: callback.Progress, ID: m.ID, ReplyTo: "there", Seq: 1})
			synctest.Wait()
			if c == ctx {
				cancel()
				if m := f.next(callback.Cancel); m.To != "there" {
					t.Errorf("%+v", m)
				}
				continue
			}
			start := time.Now()
			if _, err := await(t, fu); !errors.Is(err, callback.ErrExpired) || time.Since(start) != time.Minute {
				t.Error(err, time.Since(start))
			}
		}
		go func() {
			for range callback.DialStream[int, int](p, "s", &callback.DialOptions{Window: 2})(none, 1) {
			}
		}()
		m := f.next(callback.Request)
		f.send(callback.Message{Kind: callback.Part, ID: m.ID, ReplyTo: "there", Seq: 1, Body: []byte("1")})
		if m := f.next(callback.Credit); m.To != "there" || m.Seq != 3 {
			t.Errorf("%+v", m)
		}
		f.send(callback.Message{Kind: callback.Reply, ID: m.ID, Seq: 1})
	})
}

// The codec Bytes passes bytes and text as they are.
func TestBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &callback.PeerOptions{Codec: callback.Bytes{}}
		a, b := pair(t, o, o)
		callback.Serve(b, "f", func(_ context.Context, q []byte) (string, error) { return string(q) + "\xff", nil }, nil)
		callback.Serve(b, "none", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }, nil)
		callback.Serve(b, "odd", func(context.Context, string) (int, error) { return 1, nil }, nil)
		callback.Serve(b, "nil", func(context.Context, string) ([]byte, error) { return nil, nil }, nil)
		if v, err := await(t, callback.Dial[string, []byte](a, "f", nil)(none, "\xfe")); string(v) != "\xfe\xff" || err != nil {
			t.Error(v, err)
		}
		if _, err := await(t, callback.Dial[struct{}, struct{}](a, "none", nil)(none, struct{}{})); err != nil {
			t.Error(err)
		}
		if v, err := await(t, callback.Dial[string, string](a, "nil", nil)(none, "")); v != "" || err != nil {
			t.Error(v, err)
		}
		_, err := await(t, callback.Dial[string, int](a, "odd", nil)(none, "x"))
		ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassFailed)
		_, err = await(t, callback.Dial[int, string](a, "f", nil)(none, 1))
		ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		_, err = await(t, callback.Dial[string, int](a, "f", nil)(none, "x"))
		ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassFailed)
		if c := (callback.Bytes{}).ContentType(); c != "application/octet-stream" {
			t.Error(c)
		}
	})
}

// Nothing is the zero value for JSON, and what the codec makes of it for others.
func TestEmptyBodies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		callback.Serve(p, "f", func(_ context.Context, n int) (int, error) { return n + 1, nil }, nil)
		callback.Serve(p, "g", func(_ context.Context, n int) (int, error) { return n, nil }, &callback.ServeOptions{Codec: countsBytes{}})
		f.request("f", 1, "")
		if m := f.next(callback.Reply); string(m.Body) != "1" {
			t.Errorf("%s, %v", m.Body, m.Err)
		}
		f.request("g", 2, "")
		if m := f.next(callback.Reply); string(m.Body) != "100" {
			t.Errorf("%s, %v", m.Body, m.Err)
		}
	})
}

// countsBytes decodes a number of bytes as 100 more.
type countsBytes struct{ antiphon.JSON }

func (countsBytes) ContentType() string { return "bytes/counted" }

func (countsBytes) Unmarshal(b []byte, v any) error { *v.(*int) = 100 + len(b); return nil }
