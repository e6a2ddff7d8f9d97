package main

import (
	"context"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

//go:embed page
var page embed.FS

// A hub serves the device, the page, and the phones that have it open.
type hub struct {
	house   *house
	devices *wscallback.Server
	phones  *wscallback.Server
	perSec  atomic.Int64 // readings in the last second
}

func newHub(token string) *hub {
	h := &hub{house: newHouse()}
	o := wscallback.Options{Heartbeat: time.Second, MaxBody: 64 << 10, Observer: tell}
	o.Authorize = func(r *http.Request) error {
		got := r.Header.Get("Authorization")
		if token != "" && subtle.ConstantTimeCompare([]byte(got), []byte("Bearer "+token)) != 1 {
			return &wscallback.StatusError{Status: http.StatusUnauthorized}
		}
		return nil
	}
	h.devices = wscallback.Handler(h.device, &o)
	h.phones = wscallback.Handler(h.phone, &wscallback.Options{MaxBody: 64 << 10, MaxConns: 64})
	return h
}

// runHub serves until ctx ends.
func runHub(ctx context.Context, listen, token string) error {
	h := newHub(token)
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h.handler(), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	fmt.Printf("listening on http://%s\n", l.Addr())
	go h.count(ctx)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	log.Printf("closing")
	return errors.Join(h.devices.Shutdown(soon), h.phones.Shutdown(soon), srv.Shutdown(soon))
}

func (h *hub) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /device", h.devices)
	mux.Handle("GET /phone", h.phones)
	mux.Handle("GET /antiphon.js", wscallback.Script())
	mux.HandleFunc("GET /stats", h.stats)
	files, _ := fs.Sub(page, "page")
	mux.Handle("GET /", http.FileServerFS(files))
	return guarded(mux)
}

// guarded lets the page load what the hub serves, and nothing else. It is there for
// who calls it by an address or as localhost: to a page of elsewhere that has its own
// name lead here (DNS rebinding), it is not.
func guarded(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			http.Error(w, "call the hub by its address", http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// device serves the device on c until it is gone.
func (h *hub) device(ctx context.Context, c *wscallback.Conn) error {
	p := callback.NewPeer(c, &callback.PeerOptions{MaxBody: 64 << 10})
	l := h.house.connect(p)
	defer h.house.disconnect(l)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go l.attend(ctx)
	return p.Run(ctx)
}

// phone serves a page on c until it is closed.
func (h *hub) phone(ctx context.Context, c *wscallback.Conn) error {
	p := callback.NewPeer(c, &callback.PeerOptions{MaxBody: 64 << 10})
	sure := callback.Dial[Target, bool](p, confirm, &callback.DialOptions{Timeout: 20 * time.Second})
	callback.Serve(p, target, func(ctx context.Context, t Target) (State, error) {
		if t.Celsius > hot && t.Celsius <= hottest {
			switch yes, err := sure(ctx, t).Await(ctx); {
			case err != nil:
				return State{}, err
			case !yes:
				return State{}, errUnsure
			}
		}
		return h.house.set(ctx, t)
	}, nil)
	callback.ServeStream(p, watch, h.watch, nil)
	return p.Run(ctx)
}

var errUnsure error = &antiphon.Error{
	Code:    antiphon.CodeAborted,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "thermostat.unsure",
	Message: "not confirmed",
}

// watch yields what there is to be seen ten times a second; a phone that is slow
// sees it less often, but never late.
func (h *hub) watch(ctx context.Context, _ struct{}) iter.Seq2[View, error] {
	return func(yield func(View, error) bool) {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if !yield(h.house.view(int(h.perSec.Load())), nil) {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				yield(View{}, ctx.Err())
				return
			}
		}
	}
}

// count says now and then how it goes.
func (h *hub) count(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before, commands := h.house.tallied(), 0
	for i := 1; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := h.house.tallied()
		came := now.Acted + now.Stale - before.Acted - before.Stale
		h.perSec.Store(int64(came))
		before = now
		if i%5 != 0 || came == 0 {
			continue
		}
		p50, p99, n := h.house.took.quantiles()
		log.Printf("%d readings/s, %d stale and %d lost so far, none older than %v acted on; %d commands since: p50 %v, p99 %v",
			came, now.Stale, now.Lost, now.Oldest.Round(time.Microsecond), n-commands, p50.Round(time.Microsecond), p99.Round(time.Microsecond))
		commands = n
	}
}

func (h *house) tallied() tally {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tally
}

// stats tells programs.
func (h *hub) stats(w http.ResponseWriter, _ *http.Request) {
	p50, p99, n := h.house.took.quantiles()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		tally
		View     View          `json:"view"`
		Commands int           `json:"commands"`
		P50      time.Duration `json:"p50"`
		P99      time.Duration `json:"p99"`
	}{h.house.tallied(), h.house.view(int(h.perSec.Load())), n, p50, p99})
}
