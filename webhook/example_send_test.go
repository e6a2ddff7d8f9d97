package webhook_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/webhook"
)

// A message goes to all who want its type. The receiver is on this machine, which has to
// be said: without Allow, Ports and PlainHTTP the sender would refuse the URL.
func ExampleNewSender() {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	scheme := webhook.Standard(keys)
	came := make(chan string)
	server := httptest.NewServer(webhook.NewReceiver(scheme, func(ctx context.Context, m webhook.Message) error {
		came <- string(m.Body)
		return nil
	}, nil))
	defer server.Close()

	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	sender, err := webhook.NewSender(&webhook.SenderOptions{
		Egress: webhook.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{at.Port()}, PlainHTTP: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sender.Shutdown(context.Background())
	err = sender.Add(webhook.Endpoint{ID: "shop", URL: server.URL + "/hooks", Signer: scheme, Types: []string{"order.*"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	go sender.Run(context.Background())
	if err := sender.Send(context.Background(), webhook.Message{Type: "order.paid", Body: []byte(`{"order":7}`)}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-came)
	// Output: {"order":7}
}

// A client for URLs that others give you.
func ExampleEgress_Client() {
	var egress webhook.Egress
	client := egress.Client()
	for _, url := range []string{"https://169.254.169.254/latest/meta-data", "https://0x7f.1/", "http://example.com/"} {
		_, err := client.Get(url)
		fmt.Println(antiphon.CodeOf(err))
	}
	// Output:
	// permission_denied
	// permission_denied
	// permission_denied
}
