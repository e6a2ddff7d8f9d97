package wscallback_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

func upgrade() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://shop.example/ws", nil)
	r.Header.Set("Connection", "keep-alive, Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	r.Header.Set("Sec-WebSocket-Protocol", "antiphon.v1")
	return r
}

func never(context.Context, *wscallback.Conn) error { return errors.New("served") }

// What is no request for a WebSocket that may be accepted gets a status and a text
// that say so, and nothing is left of it.
func TestRefusals(t *testing.T) {
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, c := range []struct {
		name   string
		opts   wscallback.Options
		change func(*http.Request)
		status int
		text   string
	}{
		{"no upgrade", wscallback.Options{}, func(r *http.Request) { r.Header = http.Header{} }, http.StatusUpgradeRequired, "WebSocket"},
		{"HTTP/2", wscallback.Options{}, func(r *http.Request) {
			r.Header = http.Header{}
			r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
		}, http.StatusUpgradeRequired, "HTTP/1.1"},
		{"another upgrade", wscallback.Options{}, with("Upgrade", "h2c"), http.StatusUpgradeRequired, "WebSocket"},
		{"POST", wscallback.Options{}, func(r *http.Request) { r.Method = http.MethodPost }, http.StatusMethodNotAllowed, "GET"},
		{"version", wscallback.Options{}, with("Sec-WebSocket-Version", "8"), http.StatusBadRequest, "version"},
		{"key", wscallback.Options{}, with("Sec-WebSocket-Key", "x"), http.StatusBadRequest, "Key"},
		{"another site", wscallback.Options{}, with("Origin", "https://evil.example"), http.StatusForbidden, "evil.example"},
		{"another site, although one is let in", wscallback.Options{Origins: []string{"*.friend.example"}}, with("Origin", "https://friend.example.evil.example"), http.StatusForbidden, ""},
		{"an opaque origin", wscallback.Options{}, with("Origin", "null"), http.StatusForbidden, ""},
		{"not authorized", wscallback.Options{Authorize: func(*http.Request) error { return errors.New("secret reason") }}, nil, http.StatusForbidden, "Forbidden"},
		{"not authorized, with a status", wscallback.Options{Authorize: func(*http.Request) error {
			return &wscallback.StatusError{Status: http.StatusUnauthorized, Text: "log in"}
		}}, nil, http.StatusUnauthorized, "log in"},
		{"not authorized, with a status without text", wscallback.Options{Authorize: func(*http.Request) error {
			return &wscallback.StatusError{Status: http.StatusUnauthorized}
		}}, nil, http.StatusUnauthorized, "Unauthorized"},
		{"not authorized, with a status that is none", wscallback.Options{Authorize: func(*http.Request) error {
			return &wscallback.StatusError{Status: 7}
		}}, nil, http.StatusForbidden, "Forbidden"},
		{"a negative option", wscallback.Options{Buffer: -1}, nil, http.StatusInternalServerError, "Options.Buffer"},
		{"a pattern that is none", wscallback.Options{Origins: []string{"["}}, nil, http.StatusInternalServerError, "Options.Origins"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w := upgrade(), httptest.NewRecorder()
			if c.change != nil {
				c.change(r)
			}
			h := wscallback.Handler(never, &c.opts)
			h.ServeHTTP(&hijackable{w}, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	w := httptest.NewRecorder()
	wscallback.Handler(never, nil).ServeHTTP(w, upgrade())
	if w.Code != http.StatusNotImplemented {
		t.Errorf("a writer that is no Hijacker: %d", w.Code)
	}
	w = httptest.NewRecorder()
	wscallback.Handler(nil, nil).ServeHTTP(w, upgrade())
	if w.Code != http.StatusInternalServerError {
		t.Errorf("no function: %d", w.Code)
	}
}

// hijackable says that it could be hijacked, and is not.
type hijackable struct{ http.ResponseWriter }

func (*hijackable) Hijack() (_ net.Conn, _ *bufio.ReadWriter, err error) {
	return nil, nil, errors.ErrUnsupported
}

// Browsers are let in from the handler's own host and from those that are named,
// and programs, which send no origin.
func TestOrigins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil),
			&wscallback.Options{Origins: []string{"*.friend.example"}})
		for _, origin := range []string{"", "http://memory", "https://www.friend.example", "https://www.FRIEND.example"} {
			o := &wscallback.Options{Client: n.client(), Header: http.Header{}}
			if origin != "" {
				o.Header.Set("Origin", origin)
			}
			c, err := wscallback.Dial(t.Context(), "ws://memory/", o)
			if err != nil {
				t.Errorf("%q: %v", origin, err)
				continue
			}
			_ = c.Close()
		}
	})
}

// X7: a panic of what is the user's ends one request, or one connection.
func TestX7_PanicsOfUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		o := &wscallback.Options{
			MaxConns: 1,
			Observer: func(antiphon.Event) { panic("observer") },
			Authorize: func(r *http.Request) error {
				if r.Header.Get("Panic") == "authorize" {
					panic("authorize")
				}
				return nil
			},
		}
		h := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
			served.Add(1)
			if c.Request().Header.Get("Panic") == "serve" {
				panic("serve")
			}
			return serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil)(ctx, c)
		}, o)
		n := newMemoryNet()
		srv := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
		done := make(chan struct{})
		go func() { _ = srv.Serve(n); close(done) }()
		defer func() { _ = h.Close(); _ = srv.Close(); <-done }()
		dial := func(who string) (*wscallback.Conn, error) {
			return wscallback.Dial(t.Context(), "ws://memory/", &wscallback.Options{
				Client: n.client(), Header: http.Header{"Panic": {who}},
				Observer: o.Observer, Backoff: func(int) time.Duration { panic("backoff") },
			})
		}
		if _, err := dial("authorize"); err == nil {
			t.Error("let in")
		}
		for range 3 { // there is one place, so none is lost
			c, err := dial("serve")
			if err != nil {
				t.Fatal(err)
			}
			p := callback.NewPeer(c, nil)
			ended := make(chan error, 1)
			go func() { ended <- p.Run(t.Context()) }()
			_, err = callback.Dial[int, int](p, "echo", nil)(t.Context(), 1).Await(t.Context())
			if !errors.Is(err, callback.ErrDisconnected) {
				t.Error(err)
			}
			_ = p.Close()
			<-ended
			time.Sleep(time.Second)
		}
		p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client(), Observer: o.Observer}, nil)
		if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), 3).Await(t.Context()); v != 3 || err != nil {
			t.Error(v, err)
		}
	})
}

// MaxConns is for connections; one that has left makes room, and one that resumes a
// session needs none.
func TestMaxConns(t *testing.T) {
	for name, o := range map[string]wscallback.Options{"plain": {}, "resume": {Resume: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.MaxConns, o.Backoff = 3, constantly
				n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), &o)
				mine := o
				mine.Client = n.client()
				var ps []*callback.Peer
				for range 3 {
					ps = append(ps, peerOn(t, "ws://memory/", &mine, nil))
				}
				check := func() {
					t.Helper()
					for i, p := range ps {
						if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), i).Await(t.Context()); v != i || err != nil {
							t.Fatal(v, err)
						}
					}
				}
				check()
				if _, err := wscallback.Dial(t.Context(), "ws://memory/", &mine); !errors.Is(err, callback.ErrUndeliverable) {
					t.Errorf("the fourth: %v", err)
				}
				check()
				for range 5 {
					n.cut()
					time.Sleep(time.Second)
					check()
				}
				_ = ps[0].Close()
				synctest.Wait()
				ps[0] = peerOn(t, "ws://memory/", &mine, nil)
				check()
			})
		})
	}
}

// Shutdown lets serve come to its end, and ends it when its own time is up; nothing
// is left either way.
func TestServerShutdown(t *testing.T) {
	for _, patient := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			reached := make(chan error, 1)
			n, h := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
				if ctx.Value(http.ServerContextKey) == nil || c.Request().Context() != ctx {
					t.Error("the context is not of the request")
				}
				<-ctx.Done()
				reached <- context.Cause(ctx)
				time.Sleep(10 * time.Second)
				return nil
			}, nil)
			c, err := wscallback.Dial(t.Context(), "ws://memory/", &wscallback.Options{Client: n.client()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if patient {
				ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
			}
			defer cancel()
			start := time.Now()
			err = h.Shutdown(ctx)
			if patient != (err == nil) || patient && time.Since(start) < 10*time.Second {
				t.Errorf("patient %v: after %v: %v", patient, time.Since(start), err)
			}
			if cause := <-reached; !errors.Is(cause, callback.ErrClosed) {
				t.Error(cause)
			}
			if _, err := wscallback.Dial(t.Context(), "ws://memory/", &wscallback.Options{Client: n.client()}); err == nil {
				t.Error("let in after Shutdown")
			}
			if err := h.Shutdown(t.Context()); err != nil { // waits for the rest
				t.Error(err)
			}
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// As the package comment says: a peer that is shut down when the server is gives
// its answers first.
func TestShutdownAnswersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, h := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
			p := callback.NewPeer(c, nil)
			callback.Serve(p, "slow", func(_ context.Context, n int) (int, error) { time.Sleep(time.Minute); return n, nil }, nil)
			defer context.AfterFunc(ctx, func() { _ = p.Shutdown(context.Background()) })()
			return p.Run(context.WithoutCancel(ctx))
		}, nil)
		p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client()}, nil)
		f := callback.Dial[int, int](p, "slow", &callback.DialOptions{Timeout: time.Hour})(t.Context(), 3)
		synctest.Wait()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if v, err := f.Await(t.Context()); v != 3 || err != nil {
			t.Error(v, err)
		}
	})
}

// Other frameworks' writers are unwrapped.
func TestWrappedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := wscallback.Handler(serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
		n := listening(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(&wrapping{w}, r) }), h)
		p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client()}, nil)
		if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), 3).Await(t.Context()); v != 3 || err != nil {
			t.Error(v, err)
		}
	})
}

type wrapping struct{ w http.ResponseWriter }

func (w *wrapping) Header() http.Header         { return w.w.Header() }
func (w *wrapping) Write(b []byte) (int, error) { return w.w.Write(b) }
func (w *wrapping) WriteHeader(status int)      { w.w.WriteHeader(status) }
func (w *wrapping) Unwrap() http.ResponseWriter { return w.w }
