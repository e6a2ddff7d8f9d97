package wscallback_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

// Options that are wrong are named, by Dial and by a handler.
func TestX5_Options(t *testing.T) {
	for name, o := range map[string]wscallback.Options{
		"MaxBody":        {MaxBody: -1},
		"Buffer":         {Buffer: -1},
		"Inbox":          {Inbox: -1},
		"WriteTimeout":   {WriteTimeout: -1},
		"Heartbeat":      {Heartbeat: -1},
		"Resume":         {Resume: -1},
		"ResumeBuffer":   {ResumeBuffer: -1},
		"ConnectTimeout": {ConnectTimeout: -1},
		"MaxConns":       {MaxConns: -1},
		"Origins":        {Origins: []string{"ok", "[x"}},
	} {
		_, err := wscallback.Dial(t.Context(), "ws://127.0.0.1:1", &o)
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted ||
			!antiphon.IsPermanent(err) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		w := httptest.NewRecorder()
		wscallback.Handler(never, &o).ServeHTTP(w, upgrade())
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), name) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// The caller's options are his own again when Dial has returned.
func TestOptionsAreCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var came []string
		h := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
			came = append(came, c.Request().Header.Get("Token"))
			return serving(func(*callback.Peer) {}, nil)(ctx, c)
		}, nil)
		n := listening(t, h, h)
		o := &wscallback.Options{Client: n.client(), Header: http.Header{"Token": {"a"}}, Backoff: constantly}
		peerOn(t, "ws://memory/", o, nil)
		o.Header.Set("Token", "b")
		synctest.Wait()
		n.cut()
		time.Sleep(time.Second)
		synctest.Wait()
		if fmt.Sprint(came) != "[a a]" {
			t.Error(came)
		}
	})
}

// Errors and events say where to, and nothing that may be a secret.
func TestDialErrors(t *testing.T) {
	const secret = "hidden"
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "ftp://"+r.Host+"/?token="+secret, http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round?token="+secret, http.StatusFound)
		case "/denied":
			http.Error(w, "no "+r.Header.Get("Authorization"), http.StatusUnauthorized)
		case "/mute":
			ws, err := websocket.Accept(w, r, nil)
			if err == nil {
				_, _, _ = ws.Read(context.Background())
			}
		case "/odd":
			ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{resuming}})
			if err == nil {
				_ = ws.Write(context.Background(), textForm, []byte("hello"))
				_, _, _ = ws.Read(context.Background())
			}
		default:
			_, _ = w.Write([]byte("a page"))
		}
	}))
	defer redirect.Close()
	u := "ws" + strings.TrimPrefix(redirect.URL, "http")
	unreachable := []string{
		u + "/page", u + "/moved", u + "/round", u + "/denied", u + "/mute", u + "/odd",
		"ws://127.0.0.1:1", "ws://127.0.0.1:99999",
	}
	mistaken := []string{"://", "gopher://127.0.0.1", "ws://[::1", "ws://%zz", "ws://127.0.0.1:1/%2", "", "ws://", "ws://\x7f"}
	for i, to := range slices.Concat(unreachable, mistaken) {
		full := to + "?token=" + secret + "#" + secret
		if rest, ok := strings.CutPrefix(full, "ws://127"); ok {
			full = "ws://user:" + secret + "@127" + rest
		}
		c, err := wscallback.Dial(t.Context(), full, &wscallback.Options{
			Header: http.Header{"Authorization": {"Bearer " + secret}},
			Resume: time.Minute, ConnectTimeout: time.Hour,
		})
		code := antiphon.CodeUnavailable
		if i >= len(unreachable) {
			code = antiphon.CodeInvalidArgument
		}
		if c != nil || antiphon.CodeOf(err) != code || errors.Is(err, callback.ErrUndeliverable) != (i < len(unreachable)) ||
			antiphon.ClassOf(err) != antiphon.ClassNotAccepted || strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("%q: %v, %v", to, c, err)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), secret) {
				t.Errorf("%q: wraps %v", to, e)
			}
		}
	}
	bad := &wscallback.Options{Header: http.Header{"Authorization": {"\x00" + secret}}}
	if _, err := wscallback.Dial(t.Context(), u, bad); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a header that is none: %v", err)
	}
}

func TestDialNilContext(t *testing.T) {
	url := overLoopback(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
	var none context.Context
	c, err := wscallback.Dial(none, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// An attempt ends with the context, with ConnectTimeout, and with the client's own
// timeout, and leaves nothing.
func TestX4_DialEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemoryNet() // nobody accepts
		stuck := newMemoryNet()
		go func() { // accepts, and says nothing
			for {
				if _, err := stuck.Accept(); err != nil {
					return
				}
			}
		}()
		defer func() { _, _ = n.Close(), stuck.Close(); stuck.cut() }()
		for _, where := range []*memoryNet{n, stuck} {
			brief, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			timed := where.client()
			timed.Timeout = 2 * time.Second
			for _, c := range []struct {
				ctx  context.Context
				o    wscallback.Options
				want time.Duration
				is   error
			}{
				{brief, wscallback.Options{Client: where.client()}, time.Second, context.DeadlineExceeded},
				{t.Context(), wscallback.Options{Client: timed}, 2 * time.Second, context.DeadlineExceeded},
				{t.Context(), wscallback.Options{Client: where.client(), ConnectTimeout: 3 * time.Second}, 3 * time.Second, context.DeadlineExceeded},
				{t.Context(), wscallback.Options{Client: where.client()}, 10 * time.Second, context.DeadlineExceeded},
			} {
				start := time.Now()
				_, err := wscallback.Dial(c.ctx, "ws://memory/", &c.o)
				if took := time.Since(start); took > c.want || !errors.Is(err, c.is) || !errors.Is(err, callback.ErrUndeliverable) {
					t.Errorf("after %v, not %v: %v", took, c.want, err)
				}
			}
			ctx, giveUp := context.WithCancelCause(t.Context())
			giveUp(errors.New("changed my mind"))
			if _, err := wscallback.Dial(ctx, "ws://memory/", &wscallback.Options{Client: where.client()}); err == nil || !strings.Contains(err.Error(), "changed my mind") {
				t.Error(err)
			}
		}
	})
}

// The other end is asked again after the waits of Backoff, which begin anew only
// when a connection has lasted; whatever Backoff says, the waits are sane.
func TestRedial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
		var seen journal
		var asked []int
		p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client(), Observer: seen.note, Backoff: func(attempt int) time.Duration {
			asked = append(asked, attempt)
			return time.Duration(attempt) * time.Second
		}}, nil)
		_ = p
		time.Sleep(time.Minute)
		n.refuse(true)
		n.cut()
		start := time.Now()
		time.Sleep(7 * time.Second) // 1, 2, 3 seconds, and one of 4
		synctest.Wait()
		retries := seen.named("ws.retry")
		if len(retries) != 3 || retries[2].Duration != 4*time.Second || retries[2].Attempt != 3 || !errors.Is(retries[2].Err, callback.ErrUndeliverable) {
			t.Errorf("%+v", retries)
		}
		n.refuse(false)
		time.Sleep(time.Until(start.Add(11 * time.Second)))
		synctest.Wait()
		if len(seen.named("ws.connected")) != 2 {
			t.Error("it is not back")
		}
		n.cut() // after a second: it goes on where it was
		time.Sleep(10 * time.Second)
		n.cut() // after five: it begins again
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if fmt.Sprint(asked) != "[1 2 3 4 5 1]" {
			t.Error(asked)
		}
	})
}

func TestX7_Backoffs(t *testing.T) {
	for name, b := range map[string]antiphon.Backoff{
		"panics":   func(int) time.Duration { panic("backoff") },
		"negative": func(int) time.Duration { return math.MinInt64 },
		"nothing":  func(int) time.Duration { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
				var seen journal
				p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client(), Observer: seen.note, Backoff: b}, nil)
				n.refuse(true)
				n.cut()
				time.Sleep(time.Second)
				if tries := len(seen.named("ws.retry")); tries == 0 || tries > 1000 {
					t.Errorf("%d attempts in a second", tries)
				}
				n.refuse(false)
				if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), 3).Await(t.Context()); v != 3 || err != nil {
					t.Error(v, err)
				}
			})
		})
	}
}

// C7: Close ends the attempts to connect again, in whatever state they are.
func TestC7_CloseWhileRedialing(t *testing.T) {
	for _, what := range []string{"waiting", "connecting", "greeting"} {
		synctest.Test(t, func(t *testing.T) {
			var visits atomic.Int64
			h := wscallback.Handler(serving(func(*callback.Peer) {}, nil), &wscallback.Options{Resume: time.Minute})
			n := listening(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if visits.Add(1) == 1 || what != "greeting" {
					h.ServeHTTP(w, r)
					return
				}
				ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{resuming}})
				if err != nil {
					return
				}
				defer func() { _ = ws.CloseNow() }()
				_, _, _ = ws.Read(r.Context())
				_, _, _ = ws.Read(r.Context()) // and no answer
			}), h)
			o := &wscallback.Options{Client: n.client(), Backoff: antiphon.Constant(time.Hour), Resume: time.Minute}
			if what != "waiting" {
				o.Backoff = constantly
			}
			c, err := wscallback.Dial(t.Context(), "ws://memory/", o)
			if err != nil {
				t.Fatal(err)
			}
			in, err := c.Listen(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan error, 1)
			go func() { _, err := in.Receive(t.Context()); got <- err }()
			synctest.Wait()
			n.refuse(what == "waiting")
			n.stall(what == "connecting")
			n.cut()
			time.Sleep(time.Second)
			start := time.Now()
			if err := c.Close(); err != nil || time.Since(start) > time.Second {
				t.Errorf("%s: Close took %v: %v", what, time.Since(start), err)
			}
			if err := <-got; !errors.Is(err, callback.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
			before := visits.Load()
			time.Sleep(time.Hour)
			if visits.Load() != before {
				t.Errorf("%s: connected again after Close", what)
			}
		})
	}
}

// TLS is the client's business, and HTTP/2 no obstacle.
func TestOverTLS(t *testing.T) {
	h := wscallback.Handler(serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	defer func() { _ = h.Close() }()
	p := peerOn(t, "wss"+strings.TrimPrefix(srv.URL, "https"), &wscallback.Options{Client: srv.Client()}, nil)
	if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), 3).Await(t.Context()); v != 3 || err != nil {
		t.Error(v, err)
	}
	if resp, err := srv.Client().Get(srv.URL); err != nil || resp.StatusCode != http.StatusUpgradeRequired || resp.ProtoMajor != 2 {
		t.Error(resp, err)
	}
}

// A URL that cannot be meant is a mistake, found before anything is sent, and not
// quoted.
func TestDialURL(t *testing.T) {
	for _, u := range []string{"", "127.0.0.1:80/ws", "localhost:80", "ftp://127.0.0.1/", "ws:///path", "hidden:secret@127.0.0.1", "ws://\x7f"} {
		_, err := wscallback.Dial(t.Context(), u, nil)
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !strings.Contains(err.Error(), "url") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", u, err)
		}
	}
}
