package main

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/webhook"
)

// A lab weighs stones. It takes its time, so it answers with a status resource, and pushes
// the outcome to whoever says where to: behind both is one job of its queue.
type lab struct {
	url      string
	begin    chan struct{} // closed when the work may begin
	blind    atomic.Bool   // the status resource answers 503
	weighed  atomic.Int64
	unpushed atomic.Int64 // pushes that did not arrive

	jobs   driver.Backend
	stones *queue.Queue[string, int]
	sender *webhook.Sender
	status *poller.Server
	server *http.Server
	stop   context.CancelFunc
	ended  chan error // of the work, and of the pushes
}

// openLab opens a lab that pushes to the address inbox, and nowhere else.
func openLab(ctx context.Context, n network, scheme *webhook.Scheme, inbox net.Addr) (l *lab, err error) {
	l = &lab{begin: make(chan struct{}), jobs: queue.Memory(nil), ended: make(chan error, 2)}
	at, err := netip.ParseAddrPort(inbox.String())
	if err != nil {
		return nil, err
	}
	l.sender, err = webhook.NewSender(&webhook.SenderOptions{
		Egress: webhook.Egress{
			PlainHTTP: true, Allow: []netip.Prefix{netip.PrefixFrom(at.Addr(), 32)}, Ports: []uint16{at.Port()},
			Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) { return n.dial(ctx, "tcp", to.String()) },
		},
		Callbacks: webhook.Endpoint{Signer: scheme},
		Observer: func(e antiphon.Event) {
			if e.Name == "webhook.attempt" && e.Err != nil {
				l.unpushed.Add(1)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	l.stones, err = queue.New[string, int]("stones", l.jobs, &queue.Options{Ending: webhook.Push(l.sender)})
	if err != nil {
		return nil, err
	}
	l.status = poller.Serve(l.stones.Operations(nil), &poller.ServerOptions{
		Inline: -1, Headers: []string{webhook.PushToHeader},
	})

	listener, err := n.listen()
	if err != nil {
		return nil, err
	}
	l.url = "http://" + listener.Addr().String()
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = l.server.Serve(listener) }() // until it is closed
	ctx, l.stop = context.WithCancel(ctx)
	go func() { l.ended <- l.stones.Work(ctx, l.weigh, nil) }()
	go func() { l.ended <- l.sender.Run(ctx) }()
	return l, nil
}

// weigh is a function as you have it: it knows neither of the ways.
func (l *lab) weigh(ctx context.Context, stone string) (int, error) {
	select {
	case <-l.begin:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	l.weighed.Add(1)
	select {
	case <-time.After(700 * time.Millisecond):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return len(stone), nil
}

func (l *lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && l.blind.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	l.status.ServeHTTP(w, r)
}

func (l *lab) close() {
	l.stop()
	<-l.ended
	<-l.ended
	_ = l.sender.Shutdown(context.Background())
	_ = l.status.Shutdown(context.Background())
	_ = l.server.Close()
	_ = l.stones.Close()
	_ = l.jobs.Close()
}
