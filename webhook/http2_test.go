package webhook_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// secure serves h by TLS and HTTP/2 on the loopback, and returns an Egress that gets
// there, and there alone.
func secure(t *testing.T, h http.Handler, change ...func(*http.Server)) (*httptest.Server, webhook.Egress) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet
	for _, f := range change {
		f(server.Config)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, webhook.Egress{
		Allow: ranges("127.0.0.0/8"), Ports: []uint16{at.Port()}, TLS: &tls.Config{RootCAs: roots},
	}
}

// counting counts connections that are open.
func counting(open *atomic.Int32) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
}

// sending runs a sender until the test ends.
func sending(t *testing.T, o webhook.SenderOptions) *webhook.Sender {
	t.Helper()
	s, err := webhook.NewSender(&o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := s.Shutdown(noContext); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// A Receiver behind HTTP/2, and a Sender that pushes to it.
func TestHTTP2(t *testing.T) {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	scheme := webhook.Standard(keys)
	var handled sync.Map
	done := make(chan string, 200)
	receiver := webhook.NewReceiver(scheme, func(_ context.Context, m webhook.Message) error {
		if _, twice := handled.LoadOrStore(m.ID, true); twice {
			t.Errorf("%s came twice", m.ID)
		}
		return nil
	}, nil)
	server, egress := secure(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("it is %s", r.Proto)
		}
		receiver.ServeHTTP(w, r)
	}))
	s := sending(t, webhook.SenderOptions{Egress: egress, Log: recordFunc(func(a webhook.Attempt) {
		if a.Status != 204 || a.Err != nil {
			t.Errorf("%+v", a)
		}
		done <- a.Message
	})})
	if err := s.Add(webhook.Endpoint{ID: "m1", URL: server.URL, Signer: scheme, Concurrency: 32}); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := s.Send(t.Context(), webhook.Message{ID: fmt.Sprint(i), Body: []byte(strings.Repeat("x", i*1000))}); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		<-done
	}
}

// W7, by HTTP/2: what is too long, too slow or broken off ends its stream alone.
func TestW7_HTTP2(t *testing.T) {
	r := webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{MaxBody: 1000, ReadTimeout: 200 * time.Millisecond})
	server, egress := secure(t, r)
	client := egress.Client()
	defer client.CloseIdleConnections()
	post := func(id, signed string, body io.Reader, declared int64) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		seal{}.sign(req.Header, id, signed)
		if declared != 0 {
			req.ContentLength = declared
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 || res.ProtoMajor != 2 {
			t.Errorf("%s: %q %v", id, rest, err)
		}
		return res.StatusCode, nil
	}
	for i, tt := range []struct {
		name     string
		body     func() io.Reader
		declared int64
		want     int
	}{
		{"declared too long", func() io.Reader { return strings.NewReader(strings.Repeat("x", 5000)) }, 5000, 413},
		{"endless", func() io.Reader { return zeros{} }, -1, 413},
		{"silent", func() io.Reader { slow, _ := io.Pipe(); return slow }, 100, 408},
		{"forged", func() io.Reader { return strings.NewReader("y") }, 1, 401},
	} {
		if code, err := post(fmt.Sprint(i), "x", tt.body(), tt.declared); code != tt.want {
			t.Errorf("%s: %d %v", tt.name, code, err)
		}
		if code, err := post(fmt.Sprint("good", i), "x", strings.NewReader("x"), 1); code != 204 {
			t.Errorf("after %s: %d %v", tt.name, code, err)
		}
	}
}

// S6: pushes to those who hang, reset, drip, and never end leave nothing behind, by
// either HTTP.
func TestS6_BadReceiversLeaveNothingBehind(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP ", version), func(t *testing.T) {
			before := runtime.NumGoroutine()
			steps := []webhooktest.Step{
				{Hang: true}, {Cut: true}, {Bytes: 1 << 40}, {Status: 500, Bytes: 1 << 40}, {Bytes: 1 << 20, Drip: 20 * time.Millisecond},
				{Bytes: 1 << 30, Gzip: true}, {Status: 204}, {Status: 302, Header: http.Header{"Location": {"https://127.0.0.1/"}}}, {Body: "thanks"}, {Hang: true},
			}
			var open atomic.Int32
			server, egress := secure(t, &webhooktest.Target{By: func(n int, _ webhooktest.Pushed) webhooktest.Step { return steps[n%len(steps)] }},
				func(s *http.Server) { s.ConnState = counting(&open) })
			if version == 1 {
				egress.TLS.NextProtos = []string{"http/1.1"}
			}
			tried := make(chan struct{}, 200)
			s, err := webhook.NewSender(&webhook.SenderOptions{
				Egress:      egress,
				Schedule:    webhook.Schedule{Delays: []time.Duration{0}},
				Concurrency: 200,
				Log:         recordFunc(func(webhook.Attempt) { tried <- struct{}{} }),
			})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- s.Run(context.Background()) }()
			for i := range 200 {
				if err := s.Add(webhook.Endpoint{ID: fmt.Sprint(i), URL: server.URL, Signer: stamp("x"), Timeout: 300 * time.Millisecond}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Send(t.Context(), webhook.Message{}); err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				select {
				case <-tried:
				case <-time.After(time.Minute):
					t.Fatalf("%d of 200 were attempted", i)
				}
			}
			if err := s.Shutdown(noContext); err != nil {
				t.Error(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			eventually(t, "connections", func() int { return int(open.Load()) }, 0)
			server.Close()
			eventually(t, "goroutines", runtime.NumGoroutine, before+2)
		})
	}
}

// eventually waits until there are at most so many.
func eventually(t *testing.T, what string, now func() int, most int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); now() > most; {
		select {
		case <-deadline:
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d %s are left, of at most %d\n%s", now(), what, most, stacks[:runtime.Stack(stacks, true)])
		case <-tick.C:
		}
	}
}

// A connection whose last attempt was given up just before a sender is shut down does
// not outlive it.
func TestNoConnectionOutlivesItsSender(t *testing.T) {
	var open atomic.Int32
	to := &webhooktest.Target{Steps: []webhooktest.Step{{Hang: true}}}
	server, egress := secure(t, to, func(s *http.Server) { s.ConnState = counting(&open) })
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 30 {
		path := fmt.Sprint("/", i)
		s, err := webhook.NewSender(&webhook.SenderOptions{Egress: egress})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(context.Background()) }()
		if err := s.Add(webhook.Endpoint{ID: "m1", URL: server.URL + path, Signer: stamp("x")}); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), body("x")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "pushes", func() int {
			if slices.ContainsFunc(to.Pushed(), func(p webhooktest.Pushed) bool { return p.Path == path }) {
				return 0
			}
			return 1
		}, 0)
		if err := s.Shutdown(canceled); err == nil {
			t.Error("it was answered")
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "connections", func() int { return int(open.Load()) }, 0)
}

// A peer that is gone without a word is found out, and the next connection is another.
func TestHTTP2_DeadPeer(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.EnableHTTP2 = true
	server.StartTLS()
	server.Close() // it is here for its certificate
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		site := &http.Server{
			Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }),
			TLSConfig: &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{"h2"}},
		}
		go site.ServeTLS(l, "", "")
		var dialed []*frozen
		egress := &webhook.Egress{
			Allow: ranges("127.0.0.0/8"), TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"},
			Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
				here, there := net.Pipe()
				l.conns <- there
				dialed = append(dialed, &frozen{Conn: here, thawed: make(chan struct{})})
				return dialed[len(dialed)-1], nil
			},
		}
		client := egress.Client()
		push := func() error {
			resp, err := client.Post("https://127.0.0.1/", "text/plain", strings.NewReader("x"))
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				err = resp.Body.Close()
			}
			return err
		}
		for range 2 {
			if err := push(); err != nil || len(dialed) != 1 {
				t.Fatal(err, len(dialed))
			}
			time.Sleep(time.Minute) // whoever answers to pings is kept
		}
		dialed[0].dead.Store(true)
		if err := push(); err == nil {
			t.Error("the dead answer")
		}
		time.Sleep(30 * time.Second)
		if err := push(); err != nil || len(dialed) != 2 {
			t.Error(err, len(dialed))
		}
		client.CloseIdleConnections()
		_ = site.Close()
		for _, c := range dialed {
			_ = c.Close()
		}
	})
}

// pipes is a listener on pipes.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// A frozen connection is one whose other end is gone without a word, once it is dead.
type frozen struct {
	net.Conn
	dead   atomic.Bool
	once   sync.Once
	thawed chan struct{}
}

func (f *frozen) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if err == nil && f.dead.Load() {
		<-f.thawed
		return 0, net.ErrClosed
	}
	return n, err
}

func (f *frozen) Write(b []byte) (int, error) {
	if f.dead.Load() {
		return len(b), nil
	}
	return f.Conn.Write(b)
}

func (f *frozen) Close() error {
	f.once.Do(func() { close(f.thawed) })
	return f.Conn.Close()
}
