package natscallback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// An inbox is a callback.Inbox: what came of one or two subscriptions, and the breaks
// of the connection, in the order in which it learned of them.
type inbox struct {
	t     *Transport
	addr  string
	group string
	own   bool // nobody else has it

	came chan struct{} // has room for one: there is something, or an end
	shut chan struct{} // closed by Close
	over chan struct{} // closed when everything was handed out

	mu      sync.Mutex
	subs    []*nats.Subscription
	dropped []int // of each, that we know of
	queue   ring[arrival]
	bytes   int
	breaks  int // in the queue
	closing bool
	ended   bool  // nothing comes any more
	why     error // what ended it, or nil
	told    bool  // and the reader knows
}

// An arrival is a message, or what Receive is to fail with.
type arrival struct {
	m    *callback.Message
	err  error
	size int
}

// maxBreaks is how many breaks are remembered for whoever does not receive.
const maxBreaks = 64

// drainTime is how long an inbox that is closed waits for what is on its way to it.
const drainTime = 2 * time.Second

func newInbox(t *Transport, addr, group string, own bool) *inbox {
	return &inbox{t: t, addr: addr, group: group, own: own, came: make(chan struct{}, 1), shut: make(chan struct{}), over: make(chan struct{})}
}

// Listen opens an inbox. The empty address is an inbox of NATS, with the connection's
// prefix; any other is a subject, which may have wildcards. It returns when the
// server knows of it, or at once if there is no connection: it will be known before
// anything is sent over the next.
func (t *Transport) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	return t.listen(ctx, addr, "")
}

// ListenGroup is Listen; of all inboxes of one subject and queue group one gets each
// message.
func (t *Transport) ListenGroup(ctx context.Context, addr, group string) (callback.Inbox, error) {
	if group == "" || len(group) > callback.MaxAddress || strings.ContainsAny(group, " \t\r\n") {
		return nil, misuse("group", fmt.Sprintf("the name of a group has 1 to %d bytes, and no spaces", callback.MaxAddress))
	}
	return t.listen(ctx, addr, group)
}

func (t *Transport) listen(ctx context.Context, addr, group string) (callback.Inbox, error) {
	own := addr == ""
	if own {
		addr = t.nc.NewInbox() + "."
	} else if err := checkAddress(addr, true); err != nil {
		return nil, err
	}
	in := newInbox(t, addr, group, own)
	if err := t.enter(in); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	t.start(func() {
		before := t.nc.LastError()
		err := in.subscribe()
		if err == nil {
			t.roundTrip(ctx)
			err = in.refused(before)
		}
		done <- err
	})
	var err error
	select {
	case err = <-done:
		if err == nil && ctx.Err() != nil {
			err = gaveUp(ctx)
		}
	case <-ctx.Done():
		err = gaveUp(ctx)
	case <-t.life.Done():
		err = callback.ErrClosed
	}
	if err != nil {
		in.end()
		t.leave(in)
		return nil, err
	}
	return in, nil
}

// subjects are those that in subscribes to.
func (in *inbox) subjects() []string {
	if in.own {
		return []string{in.addr + "*"}
	}
	return []string{in.addr, controls + in.addr}
}

// subscribe has the server send to in what is for it.
func (in *inbox) subscribe() error {
	for i, subject := range in.subjects() {
		sub, err := in.t.nc.QueueSubscribe(subject, in.group, func(msg *nats.Msg) { in.take(msg, i) })
		switch {
		case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining):
			return callback.ErrClosed
		case err != nil:
			return misuse("address", err.Error())
		}
		if in.t.counts() {
			done := sync.OnceFunc(in.t.tasks.Done)
			sub.SetClosedHandler(func(string) { done() })
			if !sub.IsValid() { // the connection was closed before there was a handler
				done()
			}
		}
		_ = sub.SetPendingLimits(-1, in.t.opts.Inbox)
		in.mu.Lock()
		in.subs, in.dropped = append(in.subs, sub), append(in.dropped, 0)
		late := in.ended
		in.mu.Unlock()
		if late { // it was given up meanwhile
			_ = sub.Unsubscribe()
		}
	}
	return nil
}

// take is called by nats.go with what came.
func (in *inbox) take(msg *nats.Msg, from int) {
	own := ""
	if in.own {
		own = in.addr
	}
	in.slow(msg.Sub, from)
	m, err := decode(msg, own, time.Now())
	if in.put(arrival{m, err, weight(len(msg.Subject)+len(msg.Reply), headerSize(msg.Header), len(msg.Data))}) {
		return
	}
	dropped := antiphon.Event{Name: "nats.dropped", Kind: msg.Sub.Subject, Count: 1, Err: callback.ErrFull}
	if m == nil {
		in.t.observe(dropped)
		return
	}
	dropped.Kind, dropped.ID = (&outgoing{Message: m}).name(), idString(m.ID)
	in.t.observe(dropped)
	if m.Kind == callback.Request && m.ReplyTo != "" {
		refusal := &callback.Message{Kind: callback.Reply, ID: m.ID, To: m.ReplyTo, Deadline: m.Deadline, Err: callback.ErrFull.(*antiphon.Error)}
		_, _ = in.t.TrySend(refusal)
	}
}

// slow tells what nats.go has dropped because in was too slow for it.
func (in *inbox) slow(sub *nats.Subscription, from int) {
	n, err := sub.Dropped()
	if err != nil || n == 0 {
		return
	}
	in.mu.Lock()
	more := 0
	if from < len(in.dropped) {
		more = n - in.dropped[from]
		in.dropped[from] = n
	}
	in.mu.Unlock()
	if more > 0 {
		in.t.observe(antiphon.Event{Name: "nats.dropped", Kind: sub.Subject, Count: more, Err: nats.ErrSlowConsumer})
	}
}

// put appends a, and reports false if there is no room for it. What is too much after
// the end is lost, as it would be had it come a moment later.
func (in *inbox) put(a arrival) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.ended:
		return true
	case a.size > 0 && in.bytes > 0 && in.bytes+a.size > in.t.opts.Inbox:
		return false
	}
	in.queue.push(a)
	in.bytes += a.size
	signal(in.came)
	return true
}

// broke notes that the connection broke.
func (in *inbox) broke() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended || in.breaks == maxBreaks {
		return
	}
	in.breaks++
	in.queue.push(arrival{err: callback.ErrDisconnected})
	signal(in.came)
}

func (in *inbox) Addr() string { return in.addr }

func (in *inbox) Receive(ctx context.Context) (callback.Delivery, error) {
	for {
		a, ok := in.pop()
		switch {
		case ok:
			return callback.Delivery{Message: a.m}, a.err
		case in.finished():
			return callback.Delivery{}, in.cause()
		}
		select {
		case <-in.came:
		case <-ctx.Done():
			return callback.Delivery{}, gaveUp(ctx)
		}
	}
}

// pop takes out the first.
func (in *inbox) pop() (a arrival, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.queue.n == 0 {
		return a, false
	}
	a = in.queue.pop()
	in.bytes -= a.size
	if a.err == callback.ErrDisconnected {
		in.breaks--
	}
	return a, true
}

// finished reports whether nothing is there and nothing will come.
func (in *inbox) finished() bool {
	in.mu.Lock()
	over := in.ended && in.queue.n == 0
	first := over && !in.told
	in.told = in.told || over
	in.mu.Unlock()
	if first {
		close(in.over)
		in.t.leave(in)
	}
	return over
}

// cause is why in has ended.
func (in *inbox) cause() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.why != nil {
		return in.why
	}
	return callback.ErrClosed
}

// Close unsubscribes, and returns. What the server had sent by then is still handed
// out.
func (in *inbox) Close() error {
	in.mu.Lock()
	if in.closing || in.ended {
		in.mu.Unlock()
		return nil
	}
	in.closing = true
	subs := in.subs
	in.mu.Unlock()
	in.t.start(func() { in.drain(subs) })
	return nil
}

// drain unsubscribes, waits for what is on its way, and ends in.
func (in *inbox) drain(subs []*nats.Subscription) {
	defer in.end()
	if !in.t.connected() {
		return
	}
	limit := time.NewTimer(drainTime)
	defer limit.Stop()
	done := make(chan struct{})
	in.t.start(func() {
		defer close(done)
		for _, sub := range subs {
			_ = sub.Drain()
		}
		in.t.roundTrip(context.Background())
		for _, sub := range subs { // it has come: now it has to be taken
			for n, _, err := sub.Pending(); err == nil && n > 0; n, _, err = sub.Pending() {
				if !in.t.pause(time.Millisecond) {
					return
				}
			}
		}
	})
	select {
	case <-done:
	case <-limit.C:
	case <-in.shut: // by the Transport
	}
}

// end has nothing come any more.
func (in *inbox) end() { in.fail(nil) }

// fail is end for a reason.
func (in *inbox) fail(why error) {
	in.mu.Lock()
	first := !in.ended
	if first {
		in.ended, in.why = true, why
	}
	subs := in.subs
	in.mu.Unlock()
	if !first {
		return
	}
	close(in.shut)
	signal(in.came)
	in.t.start(func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe()
		}
	})
}
