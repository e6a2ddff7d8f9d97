package sqlitequeue_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/internal/child"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// What a sender has accepted outlives it: whoever opens the file next delivers it, with
// the ids and bodies that it had, once.
func TestDeliveriesOutliveTheirSender(t *testing.T) {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	scheme, target := webhook.Standard(keys), &webhooktest.Target{}
	server := httptest.NewServer(target)
	defer server.Close()
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	path := filepath.Join(t.TempDir(), "deliveries.db")
	sender := func() *webhook.Sender {
		s, err := webhook.NewSender(&webhook.SenderOptions{
			Queue:  open(t, path, nil),
			Egress: webhook.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{at.Port()}, PlainHTTP: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(webhook.Endpoint{ID: "shop", URL: server.URL, Signer: scheme}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := sender()
	var want []string
	for i := range 20 {
		id := fmt.Sprintf("msg_%d", i)
		want = append(want, id+" body of "+id)
		if err := first.Send(t.Context(), webhook.Message{ID: id, Type: "order.paid", Body: []byte("body of " + id)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Shutdown(t.Context()); err != nil { // it never ran
		t.Fatal(err)
	}
	second := sender()
	ran := make(chan error, 1)
	go func() { ran <- second.Run(context.Background()) }()
	for deadline := time.After(time.Minute); len(target.Pushed()) < len(want); {
		select {
		case <-deadline:
			t.Fatalf("%d of %d came", len(target.Pushed()), len(want))
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := second.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
	var got []string
	for _, p := range target.Pushed() {
		got = append(got, p.Header.Get("Webhook-Id")+" "+string(p.Body))
		r := webhook.Request{Method: "POST", Header: p.Header, Body: p.Body, At: p.At}
		if _, err := scheme.Verify(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q came, want %q", got, want)
	}
}

const pushedTo = "SQLITEQUEUE_TARGET" // the URL that a child sends to

// pushKeys are those of the children and of who receives.
func pushKeys() webhook.Keys {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	child.Must(err)
	return keys
}

// senderTo is a sender to that URL as the children have it.
func senderTo(where string, b *sqlitequeue.Backend, c clock.Clock) *webhook.Sender {
	to, err := url.Parse(where)
	child.Must(err)
	at, err := netip.ParseAddrPort(to.Host)
	child.Must(err)
	s, err := webhook.NewSender(&webhook.SenderOptions{
		Queue:      b,
		Clock:      c,
		Schedule:   webhook.Schedule{Delays: slices.Repeat([]time.Duration{0, 5 * time.Millisecond}, 50), Jitter: -1},
		BreakAfter: 1 << 30,
		Egress:     webhook.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{at.Port()}, PlainHTTP: true},
	})
	child.Must(err)
	child.Must(s.Add(webhook.Endpoint{ID: "shop", URL: to.String(), Signer: webhook.Standard(pushKeys()), Concurrency: 16}))
	return s
}

// beSender accepts messages and delivers what there is until it is killed, and says which
// were accepted. Some are accepted without being told, as it dies.
func beSender(path string) {
	db, err := openFile("sqlite", path)
	child.Must(err)
	b, err := sqlitequeue.Open(context.Background(), db, &sqlitequeue.Options{Synchronous: sqlitequeue.Normal})
	child.Must(err)
	s := senderTo(os.Getenv(pushedTo), b, nil)
	child.Wait()
	go func() { child.Must(s.Run(context.Background())) }()
	for n := 0; ; n++ {
		id := fmt.Sprintf("msg_%d_%d", os.Getpid(), n)
		child.Must(s.Send(context.Background(), webhook.Message{ID: id, Body: []byte("body of " + id)}))
		fmt.Println("accepted", id)
	}
}

// Senders are killed in the middle of deliveries, and of accepting. What they said was
// accepted arrives, under the id and with the body that it had, and is handled once: what
// comes again is known for the same.
func TestSendersAreKilled(t *testing.T) {
	const kills = 12
	var mu sync.Mutex
	handled, came := map[string]int{}, map[string]int{}
	receiver := webhook.NewReceiver(webhook.Standard(pushKeys()), func(_ context.Context, m webhook.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if string(m.Body) != "body of "+m.ID {
			t.Errorf("%s came with the body %q", m.ID, m.Body)
		}
		if came[m.ID]++; came[m.ID] == 1 && len(came)%3 == 0 {
			return fmt.Errorf("not yet") // it is to come again
		}
		handled[m.ID]++
		return nil
	}, nil)
	target := &webhooktest.Target{}
	server := httptest.NewServer(both{target, receiver})
	defer server.Close()
	t.Setenv(pushedTo, server.URL)
	path := filepath.Join(t.TempDir(), "deliveries.db")
	accepted := map[string]bool{}
	next := child.Start(t, "SQLITEQUEUE_ROLE=push", "SQLITEQUEUE_FILE="+path) // starts while another is being killed
	for i := range kills {
		c := next
		if i < kills-1 {
			next = child.Start(t, "SQLITEQUEUE_ROLE=push", "SQLITEQUEUE_FILE="+path)
		}
		c.LetGo(t)
		for range 10 + 7*i {
			if !c.Lines.Scan() {
				t.Fatalf("sender %d said nothing more: %v", i, c.Lines.Err())
			}
			id, ok := strings.CutPrefix(c.Lines.Text(), "accepted ")
			if !ok {
				t.Fatalf("a sender said %q", c.Lines.Text())
			}
			accepted[id] = true
		}
		c.Kill()
	}
	// The last one finds what the others had under way when their leases are over: its
	// clock is ahead.
	c := &jumping{Clock: clock.New(), by: time.Minute}
	last := senderTo(server.URL, open(t, path, &sqlitequeue.Options{Synchronous: sqlitequeue.Normal, Clock: c}), c)
	ran := make(chan error, 1)
	go func() { ran <- last.Run(context.Background()) }()
	missing := func() (ids []string) {
		mu.Lock()
		defer mu.Unlock()
		for id := range accepted {
			if handled[id] == 0 {
				ids = append(ids, id)
			}
		}
		return ids
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); len(missing()) > 0; {
		select {
		case <-deadline:
			t.Fatalf("of %d that were accepted these have not come: %v", len(accepted), missing())
		case <-tick.C:
		}
	}
	if err := last.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, n := range handled {
		if n > 1 {
			t.Errorf("%s was handled %d times", id, n)
		}
	}
	pushes := map[string]int{}
	for _, p := range target.Pushed() {
		pushes[p.Header.Get("Webhook-Id")]++
	}
	repeated := 0
	for id, n := range pushes {
		if n > came[id] {
			repeated++
		}
	}
	t.Logf("%d messages accepted, %d came again after they had been handled", len(accepted), repeated)
}

// both serves each push by a target, which notes it, and by a receiver, which answers.
type both struct {
	target   *webhooktest.Target
	receiver *webhook.Receiver
}

func (b both) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	b.target.ServeHTTP(httptest.NewRecorder(), r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	b.receiver.ServeHTTP(w, r)
}
