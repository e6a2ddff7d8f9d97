package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/webhook"
)

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestReceiverOrder(t *testing.T) {
	long := strings.Repeat("x", 2000)
	good := func(body string) *http.Request { return seal{}.sealed("/", "m1", body) }
	for _, tt := range []struct {
		name   string
		push   func(t *testing.T) *http.Request
		status int
		reason webhook.Reason
	}{
		{"a GET with everything wrong", func(t *testing.T) *http.Request {
			r := httptest.NewRequest("GET", "/", untouched{t})
			r.ContentLength = 5000
			return r
		}, 405, webhook.ReasonMethod},
		{"OPTIONS, where nobody may ask", func(t *testing.T) *http.Request {
			r := httptest.NewRequest("OPTIONS", "/", nil)
			r.Header.Set("WebHook-Request-Origin", "x.example")
			return r
		}, 405, webhook.ReasonMethod},
		{"no signature, and too long", func(t *testing.T) *http.Request {
			r := good(long)
			r.Header.Del("X-Seal")
			r.Body = io.NopCloser(untouched{t})
			return r
		}, 400, webhook.ReasonHeader},
		{"declared too long, and stale", func(t *testing.T) *http.Request {
			r := good(long)
			r.Header.Set("X-Time", "1")
			r.Body = io.NopCloser(untouched{t})
			return r
		}, 413, webhook.ReasonTooLarge},
		{"stale", func(t *testing.T) *http.Request {
			r := good("x")
			r.Header.Set("X-Time", strconv.FormatInt(time.Now().Add(-6*time.Minute).Unix(), 10))
			r.Body = io.NopCloser(untouched{t})
			return r
		}, 401, webhook.ReasonTimestamp},
		{"too long, undeclared, and forged", func(t *testing.T) *http.Request {
			r := good(long)
			r.ContentLength = -1
			r.Header.Set("X-Seal", "00")
			return r
		}, 413, webhook.ReasonTooLarge},
		{"longer than the server allows", func(t *testing.T) *http.Request {
			r := good(strings.Repeat("x", 500))
			r.Body = http.MaxBytesReader(nil, r.Body, 100)
			return r
		}, 413, webhook.ReasonTooLarge},
		{"broken off, and forged", func(t *testing.T) *http.Request {
			r := good("x")
			r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
			r.Header.Set("X-Seal", "00")
			return r
		}, 400, webhook.ReasonBody},
		{"forged", func(t *testing.T) *http.Request {
			r := good("x")
			r.Body = io.NopCloser(strings.NewReader("y"))
			return r
		}, 401, webhook.ReasonSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var w witness
				r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error {
					t.Error("W1: it reached the handler")
					return nil
				}, &webhook.ReceiverOptions{Name: "shop", MaxBody: 1000, Observer: w.observe, Challenge: func(webhook.Message) (string, bool) {
					t.Error("W1: it reached the challenge")
					return "", false
				}})
				a := push(r, tt.push(t))
				if a.Code != tt.status || a.Body.Len() != 0 {
					t.Errorf("answered %d %q", a.Code, a.Body)
				}
				e := w.named("webhook.rejected")
				var why *webhook.RejectError
				if len(e) != 1 || e[0].Kind != "shop" || !errors.As(e[0].Err, &why) || why.Reason != tt.reason {
					t.Errorf("observed %+v", w.events)
				}
			})
		})
	}
}

// W8: whatever is wrong, the answers to two pushes of the same status are the same, and
// what observers learn holds neither body nor secret.
func TestW8_AnswersSayNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const secret = "s3cr3t-b0dy"
		var w witness
		r := webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{Observer: w.observe, MaxBody: 1000})
		answers := make(map[int]http.Header)
		for i, spoil := range []func(*http.Request){
			func(r *http.Request) { r.Header.Del("X-Seal") },
			func(r *http.Request) { r.Header.Add("X-Seal", secret) },
			func(r *http.Request) { r.Header.Set("X-Time", secret) },
			func(r *http.Request) { r.Header.Set("X-Time", "99") },
			func(r *http.Request) { r.Header.Set("X-Seal", secret) },
			func(r *http.Request) { r.Header.Set("X-Id", "other") },
			func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) },
		} {
			req := seal{}.sealed("/", "m1", secret)
			spoil(req)
			a := push(r, req)
			if before, ok := answers[a.Code]; ok && fmt.Sprint(before) != fmt.Sprint(a.Header()) {
				t.Errorf("%d: %v and %v", a.Code, before, a.Header())
			}
			if answers[a.Code] = a.Header(); a.Body.Len() != 0 || a.Code < 400 {
				t.Errorf("%d is answered with %d %q", i, a.Code, a.Body)
			}
		}
		for _, e := range w.events {
			if text := fmt.Sprintf("%+v %v", e, e.Err); strings.Contains(text, secret) {
				t.Errorf("told: %s", text)
			}
		}
	})
}

// W1: what reaches the handler is what was signed, byte for byte.
func TestW1_BodyAsItCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, size := range []int{0, 1, 511, 512, 513, 4096, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000, 1<<20 - 1, 1 << 20} {
			for _, declared := range []bool{true, false} {
				body := bytes.Repeat([]byte{'a', 0, 0xff, '\n'}, size/4+1)[:size]
				var got []byte
				var m webhook.Message
				r := webhook.NewReceiver(seal{}, func(_ context.Context, msg webhook.Message) error {
					m, got = msg, msg.Body
					return nil
				}, &webhook.ReceiverOptions{Name: "shop"})
				req := seal{}.sealed("/", "m1", string(body))
				req.Body = io.NopCloser(iotest.DataErrReader(bytes.NewReader(body)))
				if !declared {
					req.ContentLength = -1
					req.Body = io.NopCloser(iotest.HalfReader(bytes.NewReader(body)))
				}
				if a := push(r, req); a.Code != 204 || !bytes.Equal(got, body) {
					t.Errorf("%d bytes: %d, and %d bytes came", size, a.Code, len(got))
				}
				if m.ID != "m1" || m.Endpoint != "shop" || m.Header.Get("X-Id") != "m1" || !m.IDSigned {
					t.Errorf("the message is %+v", m)
				}
				if declared && size > 0 && cap(got) > size+size/4+64 || cap(got) > 1<<20+1 {
					t.Errorf("%d bytes are in a buffer of %d", size, cap(got))
				}
			}
		}
	})
}

func TestW7_OverTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{MaxBody: 1000})
		for _, declared := range []bool{true, false} {
			for size, want := range map[int]int{999: 204, 1000: 204, 1001: 413, 5000: 413} {
				req := seal{}.sealed("/", fmt.Sprint(size, declared), strings.Repeat("x", size))
				if !declared {
					req.ContentLength = -1
				}
				if a := push(r, req); a.Code != want || want == 413 && a.Header().Get("Connection") != "close" {
					t.Errorf("%d bytes: %d %v", size, a.Code, a.Header())
				}
			}
		}
		endless := seal{}.sealed("/", "m", "")
		endless.Body, endless.ContentLength = io.NopCloser(zeros{}), -1
		if a := push(r, endless); a.Code != 413 {
			t.Errorf("endless: %d", a.Code)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// W7: who declares much and sends nothing makes us hold little.
func TestW7_DeclaredIsNotHeld(t *testing.T) {
	r := webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{MaxBody: 1 << 30})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		req := seal{}.sealed("/", "m", "")
		req.Body, req.ContentLength = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), 1<<30
		push(r, req)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes were taken for 10 GiB that never came", n)
	}
}

func TestW7_100000Malformed(t *testing.T) {
	seen := webhook.NewMemorySeen(nil)
	r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error {
		t.Error("accepted")
		return nil
	}, &webhook.ReceiverOptions{Seen: seen, MaxBody: 10_000})
	spoil := []func(r *http.Request, i int){
		func(r *http.Request, _ int) { r.Method = "PUT" },
		func(r *http.Request, _ int) { r.Header.Del("X-Seal") },
		func(r *http.Request, _ int) { r.Header.Add("X-Seal", "x") },
		func(r *http.Request, i int) { r.Header.Set("X-Time", fmt.Sprint(i)) },
		func(r *http.Request, i int) { r.Header.Set("X-Seal", r.Header.Get("X-Seal")[:i%64]) },
		func(r *http.Request, i int) { r.Header.Set("X-Id", fmt.Sprint("other", i)) },
		func(r *http.Request, _ int) { r.ContentLength = 1 << 40 },
		func(r *http.Request, i int) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("y", i%20_000))) },
	}
	one := func(i int) {
		req := seal{}.sealed("/", "m"+fmt.Sprint(i), "body")
		spoil[i%len(spoil)](req, i)
		if a := push(r, req); a.Code < 400 || a.Code > 499 {
			t.Fatalf("%d is answered with %d", i, a.Code)
		}
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for i := range 1000 {
		one(i)
	}
	before := heap()
	for i := range 100_000 {
		one(i)
	}
	if grown := heap() - before; grown > 1<<20 || seen.Len() != 0 {
		t.Errorf("the heap has grown by %d bytes, and %d messages are remembered", grown, seen.Len())
	}
	runtime.KeepAlive(r)
}

// W7: a body that drips is given up within ReadTimeout, and so is the connection.
func TestW7_Slowloris(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		n := pollertest.Serve(webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{Observer: w.observe}))
		defer n.Close()
		for _, declared := range []int64{100, -1} {
			body, drip := io.Pipe()
			stop := make(chan struct{})
			go func() {
				for {
					select {
					case <-time.After(time.Second):
						if _, err := drip.Write([]byte("x")); err != nil {
							return
						}
					case <-stop:
						drip.Close()
						return
					}
				}
			}()
			req, _ := http.NewRequest("POST", n.URL, body)
			seal{}.sign(req.Header, "m", "")
			req.ContentLength = declared
			began := time.Now()
			res, err := n.Client().Do(req)
			if err == nil && (res.StatusCode != 408 || !res.Close) { // a client that still writes may miss the answer
				t.Errorf("%v", res)
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("it took %v", took)
			}
			close(stop)
			body.Close()
		}
		synctest.Wait()
		if len(w.named("webhook.rejected")) != 2 {
			t.Errorf("observed %v", w.names())
		}
	})
}

// W7: a body that drips after the request was refused is given up as soon.
func TestW7_SlowlorisRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		method, time string
		status       int
	}{"stale": {"POST", "1", 401}, "method": {"PUT", "1", 405}, "handshake": {"OPTIONS", "1", 200}, "inbox": {"POST", "1", 404}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var h http.Handler = webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{Origins: []string{"a.example"}})
				if name == "inbox" {
					h = webhook.NewInbox(answers, nil)
				}
				n := pollertest.Serve(h)
				defer n.Close()
				body, drip := io.Pipe()
				req, _ := http.NewRequest(tt.method, n.URL, body)
				seal{}.sign(req.Header, "m", "")
				req.Header.Set("X-Time", tt.time)
				req.Header.Set("WebHook-Request-Origin", "a.example")
				req.ContentLength = 100
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				res, err := n.Client().Do(req.WithContext(ctx))
				if err != nil || res.StatusCode != tt.status || time.Since(began) > 6*time.Second {
					t.Errorf("%v %v after %v", res, err, time.Since(began))
				}
				drip.Close()
			})
		})
	}
}

// The same where the ResponseWriter knows no deadlines.
func TestW7_SlowlorisWithoutDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := webhook.NewReceiver(seal{}, nothing, nil)
		body, drip := io.Pipe()
		req := seal{}.sealed("/", "m", "")
		req.Body, req.ContentLength = body, 100
		w := httptest.NewRecorder()
		began := time.Now()
		r.ServeHTTP(w, req)
		if w.Code != 408 || time.Since(began) != 5*time.Second {
			t.Errorf("%d after %v", w.Code, time.Since(began))
		}
		drip.Close() // as the server does
		ok := httptest.NewRecorder()
		if r.ServeHTTP(ok, seal{}.sealed("/", "m", "body")); ok.Code != 204 {
			t.Errorf("in time: %d", ok.Code)
		}
	})
}

// A handler may take longer than a body, if the options say so: what is around the
// receiver does not notice the deadline of the body.
func TestInlineLongerThanReadTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error {
			time.Sleep(10 * time.Second)
			return nil
		}, &webhook.ReceiverOptions{Inline: 20 * time.Second})
		n := pollertest.Serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.ServeHTTP(w, req)
			if err := req.Context().Err(); err != nil {
				t.Errorf("the request's context has ended: %v", err)
			}
		}))
		defer n.Close()
		req, _ := http.NewRequest("POST", n.URL, strings.NewReader("body"))
		seal{}.sign(req.Header, "m", "body")
		if res, err := n.Client().Do(req); err != nil || res.StatusCode != 204 {
			t.Fatal(res, err)
		}
	})
}

// A connection that was refused something small can be used again.
func TestRefusedConnectionsLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := pollertest.Serve(webhook.NewReceiver(seal{}, nothing, nil))
		defer n.Close()
		c := n.Client()
		for i := range 20 {
			req, _ := http.NewRequest("POST", n.URL, strings.NewReader("body"))
			seal{}.sign(req.Header, fmt.Sprint(i), "body")
			want := 204
			if i%2 == 0 {
				req.Header.Set("X-Time", "1")
				want = 401
			}
			res, err := c.Do(req)
			if err != nil || res.StatusCode != want {
				t.Fatal(res, err)
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			time.Sleep(10 * time.Second) // the deadline of the body is none for what comes next
		}
		if dialed, _, _ := n.Traffic(); dialed != 1 {
			t.Errorf("%d connections", dialed)
		}
	})
}

func TestW5_TenThousandDuplicates(t *testing.T) {
	var calls atomic.Int32
	release := make(chan struct{})
	r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error {
		calls.Add(1)
		<-release
		return nil
	}, &webhook.ReceiverOptions{MaxRunning: 20_000, Inline: time.Hour})
	var wg sync.WaitGroup
	var ok, busy atomic.Int32
	for range 10_000 {
		wg.Go(func() {
			switch a := push(r, seal{}.sealed("/", "m1", "body")); a.Code {
			case 204:
				ok.Add(1)
			case 409:
				if a.Header().Get("Retry-After") != "3" {
					t.Errorf("Retry-After is %q", a.Header().Get("Retry-After"))
				}
				if busy.Add(1) == 5000 {
					close(release)
				}
			default:
				t.Errorf("answered %d", a.Code)
			}
		})
	}
	wg.Wait()
	if calls.Load() != 1 || ok.Load()+busy.Load() != 10_000 || ok.Load() < 1 {
		t.Errorf("%d calls, %d times 204, %d times 409", calls.Load(), ok.Load(), busy.Load())
	}
}

// W5: what is the same message, and what is not.
func TestW5_Identity(t *testing.T) {
	type delivery struct {
		id, body string
		after    time.Duration // since the one before
		handled  bool
	}
	for name, tt := range map[string]struct {
		s    seal
		seen []delivery
	}{
		"the id is signed": {seal{}, []delivery{
			{"a", "x", 0, true}, {"a", "x", time.Minute, false}, {"a", "y", 0, false}, {"b", "x", 0, true}, {"b", "x", 71 * time.Hour, false}, {"b", "x", 2 * time.Hour, true},
		}},
		"only the body is": {seal{loose: true}, []delivery{
			{"a", "x", 0, true}, {"a", "x", time.Minute, false}, {"b", "x", time.Minute, false}, {"a", "y", 0, true},
		}},
		"the body and the time are": {seal{loose: true, timed: true}, []delivery{
			{"a", "x", 0, true}, {"b", "x", 0, false} /* replayed */, {"b", "x", 10 * time.Second, true}, {"a", "x", time.Minute, false} /* tried again */, {"c", "x", time.Minute, true}, {"a", "z", 0, true}, {"", "q", 0, true}, {"", "q", time.Minute, false},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				calls := 0
				r := webhook.NewReceiver(tt.s, func(context.Context, webhook.Message) error { calls++; return nil }, nil)
				for i, d := range tt.seen {
					time.Sleep(d.after)
					before := calls
					if a := push(r, tt.s.sealed("/", d.id, d.body)); a.Code != 204 {
						t.Errorf("%d is answered with %d", i, a.Code)
					}
					if (calls > before) != d.handled {
						t.Errorf("%d (%s %s): handled: %v", i, d.id, d.body, calls > before)
					}
				}
			})
		})
	}
}

// Endpoints have messages of their own.
func TestW5_EndpointsAreApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		seen := webhook.NewMemorySeen(nil)
		calls := 0
		count := func(context.Context, webhook.Message) error { calls++; return nil }
		for _, name := range []string{"a", "b", "a"} {
			push(webhook.NewReceiver(seal{}, count, &webhook.ReceiverOptions{Name: name, Seen: seen}), seal{}.sealed("/", "m1", "x"))
		}
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
	})
}

// A crash between claim and done: the store outlives the receiver.
func TestW9_CrashedClaimIsTakenOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		seen := webhook.NewMemorySeen(nil)
		m := webhook.Message{ID: "m1", Endpoint: "shop", IDSigned: true}
		if s, err := seen.Claim(t.Context(), m.Key(), "a process that crashes", time.Minute); s != webhook.SeenNew || err != nil {
			t.Fatal(s, err)
		}
		calls := 0
		r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error { calls++; return nil }, &webhook.ReceiverOptions{Name: "shop", Seen: seen})
		for _, want := range []int{409, 204, 204} {
			if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != want {
				t.Errorf("answered %d, not %d", a.Code, want)
			}
			time.Sleep(time.Minute)
		}
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestOverrun(t *testing.T) {
	late := errors.New("late")
	for name, tt := range map[string]struct {
		returns error
		then    int // the answer to another delivery after it has returned
		calls   int
	}{
		"and it succeeds": {nil, 204, 1},
		"and it fails":    {late, 204, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var w witness
				var calls, running atomic.Int32
				r := webhook.NewReceiver(seal{}, func(ctx context.Context, m webhook.Message) error {
					if calls.Add(1) > 1 {
						return nil
					}
					running.Add(1)
					defer running.Add(-1)
					if at, ok := ctx.Deadline(); !ok || time.Until(at) != 2500*time.Millisecond {
						t.Errorf("the deadline is %v", at)
					}
					<-ctx.Done()
					if context.Cause(ctx) != webhook.ErrOverrun || ctx.Err() != context.DeadlineExceeded {
						t.Errorf("ended by %v", context.Cause(ctx))
					}
					time.Sleep(10 * time.Minute) // longer than the lease
					return tt.returns
				}, &webhook.ReceiverOptions{Observer: w.observe})
				began := time.Now()
				a := push(r, seal{}.sealed("/", "m1", "x"))
				if a.Code != 503 || a.Header().Get("Retry-After") != "3" || time.Since(began) != 2500*time.Millisecond {
					t.Errorf("%d %v after %v", a.Code, a.Header(), time.Since(began))
				}
				for range 9 {
					time.Sleep(time.Minute)
					if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 409 || calls.Load() != 1 || running.Load() != 1 {
						t.Errorf("meanwhile: %d, %d calls", a.Code, calls.Load())
					}
				}
				time.Sleep(2 * time.Minute)
				if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != tt.then || int(calls.Load()) != tt.calls {
					t.Errorf("afterwards: %d, %d calls", a.Code, calls.Load())
				}
				e := w.named("webhook.received")
				if len(e) < 2 || !errors.Is(e[0].Err, webhook.ErrOverrun) || e[1].Err != tt.returns || e[1].Duration != 10*time.Minute+2500*time.Millisecond {
					t.Errorf("observed %+v", e)
				}
			})
		})
	}
}

func TestX7_GoexitInHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		calls := 0
		r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error {
			if calls++; calls == 1 {
				runtime.Goexit()
			}
			return nil
		}, &webhook.ReceiverOptions{Observer: w.observe})
		if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 500 {
			t.Errorf("answered %d", a.Code)
		}
		if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 204 || calls != 2 {
			t.Errorf("W9: answered %d, %d calls", a.Code, calls)
		}
		if e := w.named("webhook.received"); len(e) != 2 || !errors.Is(e[0].Err, future.ErrGoexit) {
			t.Errorf("observed %+v", e)
		}
	})
}

// bent is a Verifier that is a function.
type bent func(r webhook.Request) (webhook.Message, error)

func (b bent) Verify(_ context.Context, r webhook.Request) (webhook.Message, error) { return b(r) }

func TestX7_UserCodeThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		o := &webhook.ReceiverOptions{Observer: w.observe}
		down := bent(func(webhook.Request) (webhook.Message, error) { return webhook.Message{}, errors.New("no keys now") })
		wild := bent(func(webhook.Request) (webhook.Message, error) { panic("oh") })
		slow := bent(func(webhook.Request) (webhook.Message, error) {
			return webhook.Message{}, antiphon.RetryAfter(errors.New("later"), time.Minute)
		})
		for _, tt := range []struct {
			v     webhook.Verifier
			retry string
		}{{down, "1"}, {wild, "1"}, {slow, "60"}} {
			if a := push(webhook.NewReceiver(tt.v, nothing, o), httptest.NewRequest("POST", "/", nil)); a.Code != 503 || a.Header().Get("Retry-After") != tt.retry {
				t.Errorf("answered %d", a.Code)
			}
		}
		o.Challenge = func(webhook.Message) (string, bool) { panic("oh") }
		if a := push(webhook.NewReceiver(seal{}, nothing, o), seal{}.sealed("/", "m1", "x")); a.Code != 500 {
			t.Errorf("answered %d", a.Code)
		}
		o.Challenge = nil
		o.Seen = wildSeen{}
		if a := push(webhook.NewReceiver(seal{}, nothing, o), seal{}.sealed("/", "m1", "x")); a.Code != 503 || len(w.named("webhook.store_failed")) != 1 {
			t.Errorf("answered %d, observed %v", a.Code, w.names())
		}
		status := bent(func(webhook.Request) (webhook.Message, error) {
			return webhook.Message{}, &webhook.RejectError{Reason: webhook.ReasonKey, Status: 403}
		})
		if a := push(webhook.NewReceiver(status, nothing, nil), httptest.NewRequest("POST", "/", nil)); a.Code != 403 {
			t.Errorf("answered %d", a.Code)
		}
	})
}

type wildSeen struct{ webhook.Seen }

func (wildSeen) Claim(context.Context, string, string, time.Duration) (webhook.SeenState, error) {
	panic("oh")
}

// A store that fails at the end does not turn success into failure.
func TestStoreFailsAfterwards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		r := webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{Observer: w.observe, Seen: forgetful{webhook.NewMemorySeen(nil)}})
		if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 204 || fmt.Sprint(w.names()) != "[store_failed received]" {
			t.Errorf("answered %d, observed %v", a.Code, w.names())
		}
	})
}

type forgetful struct{ webhook.Seen }

func (forgetful) Done(context.Context, string) error { return errors.New("down") }

// stalled never answers a claim before its context ends, and then gives it.
type stalled struct{ webhook.Seen }

func (s stalled) Claim(ctx context.Context, key, owner string, lease time.Duration) (webhook.SeenState, error) {
	<-ctx.Done()
	time.Sleep(time.Second)
	return s.Seen.Claim(ctx, key, owner, lease)
}

func TestStoreThatStalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		seen := webhook.NewMemorySeen(nil)
		r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error {
			t.Error("handled though nobody waits")
			return nil
		}, &webhook.ReceiverOptions{Seen: stalled{seen}})
		if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 503 {
			t.Errorf("answered %d", a.Code)
		}
		time.Sleep(2 * time.Second)
		if seen.Len() != 0 {
			t.Error("the claim is kept")
		}
	})
}

func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		r := webhook.NewReceiver(seal{}, func(ctx context.Context, m webhook.Message) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}, &webhook.ReceiverOptions{Observer: w.observe})
		codes := make(chan int, 2)
		go func() { codes <- push(r, seal{}.sealed("/", "m1", "x")).Code }()
		synctest.Wait()
		began := time.Now()
		if err := r.Shutdown(noContext); err != nil || time.Since(began) != time.Second || <-codes != 204 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		a := push(r, seal{}.sealed("/", "m2", "x"))
		if a.Code != 503 || a.Header().Get("Retry-After") == "" {
			t.Errorf("after it: %d", a.Code)
		}
		if err := r.Shutdown(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

func TestShutdownWithoutPatience(t *testing.T) {
	bubble(t, func(t *testing.T) {
		why := errors.New("no time")
		r := webhook.NewReceiver(seal{}, func(ctx context.Context, m webhook.Message) error {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), webhook.ErrClosed) {
				t.Errorf("ended by %v", context.Cause(ctx))
			}
			return context.Cause(ctx)
		}, nil)
		code := make(chan int, 1)
		go func() { code <- push(r, seal{}.sealed("/", "m1", "x")).Code }()
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if err := r.Shutdown(ctx); err != why || <-code != 503 {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if err := r.Shutdown(ctx); err != nil && err != why {
			t.Errorf("again: %v", err)
		}
		if err := r.Shutdown(noContext); err != nil {
			t.Errorf("at last: %v", err)
		}
	})
}

func TestX6_MaxRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error { <-release; return nil }, &webhook.ReceiverOptions{MaxRunning: 2})
		codes := make(chan int, 3)
		for i := range 3 {
			go func() { codes <- push(r, seal{}.sealed("/", fmt.Sprint(i), "x")).Code }()
			synctest.Wait()
		}
		if c := <-codes; c != 503 {
			t.Errorf("the third is answered with %d", c)
		}
		close(release)
		if a, b := <-codes, <-codes; a != 204 || b != 204 {
			t.Errorf("the others with %d and %d", a, b)
		}
	})
}

// Whoever pushes may go: the work is done, and need not be done again.
func TestSenderGoesAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calls := 0
		r := webhook.NewReceiver(seal{}, func(ctx context.Context, m webhook.Message) error {
			calls++
			time.Sleep(time.Second)
			return ctx.Err()
		}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if a := push(r, seal{}.sealed("/", "m1", "x").WithContext(ctx)); a.Code != 204 {
			t.Errorf("answered %d", a.Code)
		}
		if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 204 || calls != 1 {
			t.Errorf("answered %d, %d calls", a.Code, calls)
		}
	})
}

func TestX5_ReceiverMistakes(t *testing.T) {
	for name, r := range map[string]*webhook.Receiver{
		"no verifier":       webhook.NewReceiver(nil, nothing, nil),
		"no handler":        webhook.NewReceiver(seal{}, nil, nil),
		"MaxBody":           webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{MaxBody: -1}),
		"ReadTimeout":       webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{ReadTimeout: -1}),
		"MaxRunning":        webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{MaxRunning: -1}),
		"AllowedRate":       webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{AllowedRate: -1}),
		"Inline, and Lease": webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{Inline: -1, Lease: -1}),
	} {
		if a := push(r, seal{}.sealed("/", "m", "x")); a.Code != 500 {
			t.Errorf("%s: answered %d", name, a.Code)
		}
		if err := r.Shutdown(t.Context()); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}
