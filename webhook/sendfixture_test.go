package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

var quiet = log.New(io.Discard, "", 0)

func itoa(port uint16) string { return strconv.Itoa(int(port)) }

// stamp is a Signer that leaves id, time, type and a code, as most do.
type stamp string

func (k stamp) Sign(_ context.Context, r *webhook.Request, m webhook.Message) error {
	at := strconv.FormatInt(r.At.UnixNano(), 10)
	r.Header.Set("Webhook-Id", m.ID)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", k.code(m.ID, at, r.Body))
	return nil
}

func (k stamp) code(id, at string, body []byte) string {
	h := hmac.New(sha256.New, []byte(k))
	fmt.Fprintf(h, "%s.%s.%s", id, at, body)
	return hex.EncodeToString(h.Sum(nil))
}

// holds reports whether p was signed with k.
func (k stamp) holds(p webhooktest.Pushed) bool {
	return p.Header.Get("Webhook-Signature") == k.code(p.Header.Get("Webhook-Id"), p.Header.Get("Webhook-Timestamp"), p.Body)
}

// A town is a network in memory with a receiver at each host, and a sender that Run runs.
type town struct {
	*webhook.Sender
	t       testing.TB
	net     *pollertest.Network
	log     *webhook.MemoryLog
	running chan error
	end     context.CancelFunc

	mu      sync.Mutex
	targets map[string]http.Handler
	events  []antiphon.Event
}

// inTown has f run in a bubble, and checks that it leaves nothing behind.
func inTown(t *testing.T, o webhook.SenderOptions, f func(*town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newTown(t, o)
		defer b.close()
		f(b)
	})
}

func newTown(t testing.TB, o webhook.SenderOptions) *town {
	b := &town{t: t, targets: map[string]http.Handler{}, log: &webhook.MemoryLog{Max: 1 << 20}, running: make(chan error, 1)}
	b.net = pollertest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		h := b.targets[r.Host]
		b.mu.Unlock()
		if h == nil {
			h = http.NotFoundHandler()
		}
		h.ServeHTTP(w, r)
	}))
	o.Egress = b.egress()
	if o.Log == nil {
		o.Log = b.log
	}
	o.Observer = antiphon.Observers(o.Observer, b.note)
	var err error
	if b.Sender, err = webhook.NewSender(&o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.end = cancel
	go func() { b.running <- b.Run(ctx) }()
	return b
}

// egress is into the town, whose hosts are all at one address.
func (b *town) egress() webhook.Egress {
	return webhook.Egress{
		PlainHTTP: true,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("9.9.9.9")}, nil
		},
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return b.net.Dial(ctx, "tcp", to.String())
		},
	}
}

func (b *town) close() {
	b.t.Helper()
	b.end()
	if err := <-b.running; err != nil {
		b.t.Error("Run:", err)
	}
	if err := b.Shutdown(noContext); err != nil {
		b.t.Error("Shutdown:", err)
	}
	_ = b.net.Close()
}

func (b *town) note(e antiphon.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

// told returns the events of a name.
func (b *town) told(name string) (all []antiphon.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Name == name {
			all = append(all, e)
		}
	}
	return all
}

// at puts a receiver into the town, and adds the endpoint that it is.
func (b *town) at(id string, h http.Handler, change ...func(*webhook.Endpoint)) {
	b.t.Helper()
	b.mu.Lock()
	b.targets[id+".example"] = h
	b.mu.Unlock()
	e := webhook.Endpoint{ID: id, URL: "http://" + id + ".example/hook", Signer: stamp("secret")}
	for _, f := range change {
		f(&e)
	}
	if err := b.Add(e); err != nil {
		b.t.Fatal(err)
	}
}

func (b *town) send(m webhook.Message) {
	b.t.Helper()
	if err := b.Send(b.t.Context(), m); err != nil {
		b.t.Fatal(err)
	}
}

// dead returns the dead letters.
func (b *town) dead() (all []webhook.DeadLetter) {
	b.t.Helper()
	for d, err := range b.Dead(b.t.Context()) {
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// after lets time pass, and what is due in it happen.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// steps are answers of these statuses.
func steps(statuses ...int) *webhooktest.Target {
	t := &webhooktest.Target{}
	for _, s := range statuses {
		t.Steps = append(t.Steps, webhooktest.Step{Status: s})
	}
	return t
}

func body(s string) webhook.Message {
	return webhook.Message{ID: "m1", Type: "order.paid", Body: []byte(s)}
}

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }

// recordFunc is a Log.
type recordFunc func(webhook.Attempt)

func (f recordFunc) Record(_ context.Context, a webhook.Attempt) error { f(a); return nil }
