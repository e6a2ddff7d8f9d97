package sqlitequeue_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

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
