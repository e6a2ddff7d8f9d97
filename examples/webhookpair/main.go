// Webhookpair is a shop and its merchants, in two processes: the shop notifies 200
// merchants of each order, of whom 5 hang, 5 fail, and one is away for a while. Then it
// asks a merchant for a quote, which is answered by a push.
//
//	go run ./examples/webhookpair
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/webhook"
)

const (
	merchants = 200
	hanging   = 5 // the first ones
	failing   = 5 // those after them
	restarts  = 10
	orders    = 3
)

func main() {
	part := flag.String("merchants", "", "be the merchants, and answer the shop whose inbox is at this address")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if *part != "" {
		err = beMerchants(ctx, *part, os.Getenv("WEBHOOK_SECRET"), os.Stdin, os.Stdout)
	} else {
		err = beShop(ctx, os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// loopback is where all of it happens: nothing else may be connected to.
func loopback(addresses ...string) (webhook.Egress, error) {
	e := webhook.Egress{PlainHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, a := range addresses {
		at, err := netip.ParseAddrPort(a)
		if err != nil {
			return e, err
		}
		e.Ports = append(e.Ports, at.Port())
	}
	return e, nil
}

func beShop(ctx context.Context, out io.Writer) error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	text := "whsec_" + base64.StdEncoding.EncodeToString(secret)
	keys, err := webhook.ParseKeys(text)
	if err != nil {
		return err
	}
	scheme := webhook.Standard(keys)

	// The inbox, which quotes come back to.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	inbox := webhook.NewInbox("http://"+l.Addr().String()+"/", &webhook.InboxOptions{Verifier: scheme})
	defer inbox.Close(nil)
	server := &http.Server{Handler: inbox, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	defer server.Close()

	// The other process.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.CommandContext(ctx, self, "-merchants", l.Addr().String())
	child.Env = append(os.Environ(), "WEBHOOK_SECRET="+text)
	child.Stderr = os.Stderr
	end, err := child.StdinPipe()
	if err != nil {
		return err
	}
	said, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	defer child.Wait()
	defer end.Close() // it ends then
	lines := bufio.NewScanner(said)
	if !lines.Scan() {
		return errors.New("the merchants do not open")
	}
	many, one, _ := strings.Cut(lines.Text(), " ")

	egress, err := loopback(many, one)
	if err != nil {
		return err
	}
	var delivered, dead, attempts atomic.Int64
	var slowest atomic.Int64
	sender, err := webhook.NewSender(&webhook.SenderOptions{
		Egress:     egress,
		Schedule:   webhook.Schedule{Delays: []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond, 600 * time.Millisecond}},
		BreakAfter: 100, // or we would be here for long
		Observer: func(e antiphon.Event) {
			switch e.Name {
			case "webhook.attempt":
				attempts.Add(1)
			case "webhook.delivered":
				delivered.Add(1)
				if d := int64(e.Duration); e.Attempt == 1 && d > slowest.Load() {
					slowest.Store(d) // nearly: it is only for show
				}
			case "webhook.dead":
				dead.Add(1)
			}
		},
	})
	if err != nil {
		return err
	}
	defer sender.Shutdown(ctx)
	for i := range merchants {
		at := many
		if i == restarts {
			at = one
		}
		err := sender.Add(webhook.Endpoint{ID: fmt.Sprint("m", i), URL: fmt.Sprintf("http://%s/hooks/%d", at, i), Signer: scheme, Timeout: 250 * time.Millisecond})
		if err != nil {
			return err
		}
	}
	go sender.Run(ctx)

	for i := range orders {
		m := webhook.Message{ID: fmt.Sprint("order-", i), Type: "order.paid", Body: fmt.Appendf(nil, `{"order":%d}`, i)}
		if err := sender.Send(ctx, m); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	for delivered.Load()+dead.Load() < merchants*orders {
		if ctx.Err() != nil {
			return fmt.Errorf("after %d delivered and %d dead: %w", delivered.Load(), dead.Load(), ctx.Err())
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Fprintf(out, "%d deliveries: %d arrived, the slowest at once after %v; %d given up\n",
		merchants*orders, delivered.Load(), time.Duration(slowest.Load()).Round(time.Millisecond), dead.Load())

	// A question whose answer is pushed.
	url, quote, err := webhook.Expect[int](inbox, 10*time.Second)
	if err != nil {
		return err
	}
	client := egress.Client()
	defer client.CloseIdleConnections()
	response, err := client.Post("http://"+many+"/quotes", "text/plain", strings.NewReader(url))
	if err != nil {
		return err
	}
	response.Body.Close()
	price, err := quote.Await(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the quote, accepted with %d, came by push: %d\n", response.StatusCode, price)

	before := attempts.Load()
	time.Sleep(300 * time.Millisecond)
	fmt.Fprintf(out, "requests while idle: %d\n", attempts.Load()-before)
	end.Close()
	for lines.Scan() {
		fmt.Fprintln(out, lines.Text())
	}
	return sender.Shutdown(ctx)
}
