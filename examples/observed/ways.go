package main

import (
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	_ "modernc.org/sqlite"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
	"github.com/antiphon-go/antiphon/webhook"
)

type (
	// work is what is served on every way, unchanged.
	work = future.Func[string, int]
	// question is how it is asked for.
	question = future.Asker[string, int]
)

// ways are from a question to its answer, by the name of what is between them. Each has
// a failed attempt repeated, or leaves that to whoever asks.
var ways = []struct {
	name string
	open func(h *house, name string, f work) (question, error)
}{
	{"future", lifted},
	{"pipe", piped},
	{"websocket", overWebSocket},
	{"nats", overNATS},
	{"poll", polled},
	{"memory", queued},
	{"sqlite", stored},
	{"webhook", pushed},
}

// soon is when an attempt that failed is repeated, as nobody here is overloaded.
const soon = 5 * time.Millisecond

var again = antiphon.Constant(soon)

func lifted(h *house, name string, f work) (question, error) {
	return future.Lift(f, &future.Policy{Attempts: 2, Backoff: again, Name: name, Observer: h.observe}), nil
}

// asking makes an Asker that asks once more.
func (h *house) asking(name string, ask question) question {
	q, _ := lifted(h, name, future.Block(ask))
	return q
}

func piped(h *house, name string, f work) (question, error) {
	a, b := callback.Pipe(nil)
	callback.Serve(h.peer(name+" (answers)", b), name, f, nil)
	return h.asking(name, callback.Dial[string, int](h.peer(name, a), name, nil)), nil
}

func overWebSocket(h *house, name string, f work) (question, error) {
	server := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, &callback.PeerOptions{Observer: h.observe})
		callback.Serve(p, name, f, nil)
		return p.Run(ctx)
	}, &wscallback.Options{Observer: h.observe})
	h.atEnd(func() { _ = server.Close() })
	url, err := h.serve(server)
	if err != nil {
		return nil, err
	}
	c, err := wscallback.Dial(h.ctx, url, &wscallback.Options{Observer: h.observe})
	if err != nil {
		return nil, err
	}
	return h.asking(name, callback.Dial[string, int](h.peer(name, c), name, nil)), nil
}

func overNATS(h *house, name string, f work) (question, error) {
	url, err := h.nats()
	if err != nil {
		return nil, err
	}
	end := func(name string) (*callback.Peer, error) {
		nc, err := nats.Connect(url)
		if err != nil {
			return nil, err
		}
		h.atEnd(nc.Close)
		t, err := natscallback.New(nc, &natscallback.Options{Observer: h.observe})
		if err != nil {
			return nil, err
		}
		return h.peer(name, t), nil
	}
	answers, err := end(name + " (answers)")
	if err != nil {
		return nil, err
	}
	asks, err := end(name)
	if err != nil {
		return nil, err
	}
	callback.Serve(answers, name, f, nil)
	patient := &callback.DialOptions{Attempts: 100, Backoff: antiphon.Constant(50 * time.Millisecond)} // until it is there
	return h.asking(name, callback.Dial[string, int](asks, name, patient)), nil
}

// polled answers with 202, always.
func polled(h *house, name string, f work) (question, error) {
	server := poller.ServeFunc(f, &poller.ServerOptions{
		Name: name, Inline: -1, Observer: h.observe,
		PollAfter: func(age time.Duration) time.Duration { return soon },
	})
	h.atEnd(func() { _ = server.Shutdown(context.Background()) })
	url, err := h.serve(server)
	if err != nil {
		return nil, err
	}
	return h.asking(name, poller.Dial[string, int](url, &poller.HTTPOptions{Poll: &poller.Options{Name: name, Min: time.Millisecond, Observer: h.observe}})), nil
}

func queued(h *house, name string, f work) (question, error) {
	b := queue.Memory(nil)
	h.atEnd(func() { _ = b.Close() })
	q, err := h.queue(name, b, f, nil)
	if err != nil {
		return nil, err
	}
	return q.Asker(nil), nil
}

func stored(h *house, name string, f work) (question, error) {
	db, err := sql.Open("sqlite", filepath.Join(h.dir, name+".db"))
	if err != nil {
		return nil, err
	}
	h.atEnd(func() { _ = db.Close() })
	b, err := sqlitequeue.Open(h.ctx, db, &sqlitequeue.Options{Observer: h.observe})
	if err != nil {
		return nil, err
	}
	h.atEnd(func() { _ = b.Close() })
	q, err := h.queue(name, b, f, nil)
	if err != nil {
		return nil, err
	}
	return q.Asker(nil), nil
}

// pushed asks by a job, whose outcome is pushed back.
func pushed(h *house, name string, f work) (question, error) {
	mux := http.NewServeMux()
	url, err := h.serve(mux)
	if err != nil {
		return nil, err
	}
	inbox := webhook.NewInbox(url, &webhook.InboxOptions{Name: name, Observer: h.observe})
	mux.Handle("/", inbox)
	h.atEnd(func() { inbox.Close(nil) })
	h.prometheus.Pending("inbox", name, inbox.Pending)
	egress, err := loopback(url)
	if err != nil {
		return nil, err
	}
	sender, err := webhook.NewSender(&webhook.SenderOptions{Egress: egress, Observer: h.observe})
	if err != nil {
		return nil, err
	}
	h.run(sender.Run)
	h.atEnd(func() { _ = sender.Shutdown(context.Background()) })
	b := queue.Memory(nil)
	h.atEnd(func() { _ = b.Close() })
	q, err := h.queue(name, b, f, webhook.Push(sender))
	if err != nil {
		return nil, err
	}
	return webhook.Ask[string, int](inbox, func(ctx context.Context, to string, item string) error {
		_, err := q.Submit(ctx, item, &queue.SubmitOptions{Header: webhook.PushTo(to)})
		return err
	}), nil
}

// queue makes a queue whose jobs f does.
func (h *house) queue(name string, b driver.Backend, f work, ending func(context.Context, antiphon.Operation) error) (*queue.Queue[string, int], error) {
	q, err := queue.New[string, int](name, b, &queue.Options{Attempts: 2, Backoff: again, Ending: ending, Observer: h.observe})
	if err != nil {
		return nil, err
	}
	h.prometheus.Queue(name, q.Stats)
	h.run(func(ctx context.Context) error { return q.Work(ctx, f, nil) })
	h.atEnd(func() { _ = q.Close() })
	return q, nil
}

// peer runs a peer over t.
func (h *house) peer(name string, t callback.Transport) *callback.Peer {
	p := callback.NewPeer(t, &callback.PeerOptions{Observer: h.observe})
	h.prometheus.Pending("peer", name, p.Pending)
	h.run(func(ctx context.Context) error {
		err := p.Run(ctx)
		if ctx.Err() != nil { // the other end may have gone before this one
			return nil
		}
		return err
	})
	h.atEnd(func() { _ = p.Close() })
	return p
}
