package callbacktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A broker is a wire with addresses, in memory: what the suite is tried out on where
// a pipe has nothing to show. With a flaw it is broken in that respect.
type broker struct {
	caps    callback.Caps
	resumes bool
	flaw    string

	mu      sync.Mutex
	queues  []*brokerQueue
	ends    []*brokerEnd
	down    bool
	stalled bool
	last    int
	asked   map[callback.ID]string
	change  chan struct{}
}

// A brokerQueue is what waits for one inbox, or for those of a group.
type brokerQueue struct {
	addr, group string
	members     []*brokerInbox
	waiting     []brokerEntry
}

type brokerEntry struct {
	m       *callback.Message // nil: it makes no sense
	attempt int
}

const brokerBuffer = 16 // messages of a sort that an end holds

// A brokerEnd is a connection to the broker.
type brokerEnd struct {
	b       *broker
	out     [sorts][]*callback.Message
	inboxes []*brokerInbox
	breaks  int
	closed  bool
}

type brokerInbox struct {
	end     *brokerEnd
	queue   *brokerQueue
	told    int
	closed  bool
	unacked []brokerEntry
}

func newBroker(caps callback.Caps) *broker {
	return &broker{caps: caps, change: make(chan struct{}), asked: map[callback.ID]string{}}
}

func (b *broker) changed() { close(b.change); b.change = make(chan struct{}) }

func (b *broker) connect() *brokerEnd {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &brokerEnd{b: b}
	b.ends = append(b.ends, e)
	return e
}

func (b *broker) open(tb testing.TB) *Ends {
	e := &Ends{A: b.connect(), B: b.connect(), Another: func() callback.Transport { return b.connect() }}
	e.Cut = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.down = true
		for _, e := range b.ends {
			e.lose()
		}
		b.changed()
	}
	set := func(what *bool, to bool) func() {
		return func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			*what = to
			for _, e := range b.ends {
				e.pump()
			}
			b.changed()
		}
	}
	e.Heal, e.Stall, e.Flow = set(&b.down, false), set(&b.stalled, true), set(&b.stalled, false)
	e.Garbage = func([]byte) {
		b.mu.Lock()
		defer b.mu.Unlock()
		in := e.A.(*brokerEnd).inboxes[0]
		in.queue.waiting = append(in.queue.waiting, brokerEntry{})
		b.changed()
	}
	e.Foreign = b.foreign(tb)
	return e
}

// foreign is a program that sets nothing but what it must.
func (b *broker) foreign(tb testing.TB) *Foreign {
	e := b.connect()
	var done sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(func() { cancel(); _ = e.Close(); done.Wait() })
	return &Foreign{
		Answer: func(name string) {
			in, err := e.Listen(ctx, name)
			if err != nil {
				tb.Fatal(err)
			}
			done.Go(func() {
				for {
					d, err := in.Receive(ctx)
					if err != nil {
						return
					}
					_ = e.Send(ctx, &callback.Message{Kind: callback.Reply, ID: d.ID, To: d.ReplyTo, Body: d.Body})
					if d.Settle != nil {
						_ = d.Settle(ctx, nil)
					}
				}
			})
		},
		Ask: func(name string, body []byte) ([]byte, error) {
			in, err := e.Listen(ctx, "")
			if err == nil {
				err = e.Send(ctx, &callback.Message{Kind: callback.Request, ID: newID(), To: name, ReplyTo: in.Addr(), Body: body})
			}
			if err != nil {
				return nil, err
			}
			d, err := in.Receive(ctx)
			if err != nil {
				return nil, err
			}
			return d.Body, nil
		},
	}
}

// lose breaks the connection. The caller holds the lock.
func (e *brokerEnd) lose() {
	if e.b.resumes {
		return
	}
	e.breaks++
	e.out = [sorts][]*callback.Message{}
	for _, in := range e.inboxes {
		in.giveBack()
		if !e.b.caps.RepliesSurvive && in.queue.group == "" {
			in.queue.waiting = nil
		}
	}
}

func (e *brokerEnd) Caps() callback.Caps { return e.b.caps }

// ready: the connection is there, and whoever listens knows that it is another.
func (e *brokerEnd) ready() bool {
	for _, in := range e.inboxes {
		if in.told < e.breaks && in.queue.addr == in.own() {
			return false
		}
	}
	return !e.b.down || e.b.resumes
}

func (e *brokerEnd) Send(ctx context.Context, m *callback.Message) error {
	b := e.b
	if err := b.check(m); err != nil {
		return err
	}
	for {
		b.mu.Lock()
		s := sortOf(m.Kind)
		switch {
		case e.closed:
			b.mu.Unlock()
			return callback.ErrClosed
		case e.ready() && !b.stalled && !b.down && len(e.out[s]) == 0:
			err := b.route(m)
			b.mu.Unlock()
			return err
		case e.ready() && len(e.out[s]) < brokerBuffer:
			e.out[s] = append(e.out[s], m)
			b.mu.Unlock()
			return nil
		}
		change := b.change
		b.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return gaveUp(ctx)
		}
	}
}

func (b *broker) check(m *callback.Message) error {
	if b.caps.MaxBody > 0 && len(m.Body) > b.caps.MaxBody {
		return antiphon.Errorf(antiphon.CodeResourceExhausted, "too large: %w", antiphon.ErrTooLarge)
	}
	_, err := callback.AppendMessage(nil, m, time.Now())
	return err
}

// pump routes what waited. The caller holds the lock.
func (e *brokerEnd) pump() {
	if e.b.stalled || e.b.down {
		return
	}
	for s := range e.out {
		for _, m := range e.out[s] {
			_ = e.b.route(m)
		}
		e.out[s] = nil
	}
}

// route puts m into every queue that it is for. The caller holds the lock.
func (b *broker) route(m *callback.Message) error {
	n, to := 0, m.To
	switch {
	case b.flaw == "loses cancels" && m.Kind == callback.Cancel, b.flaw == "insists on a deadline" && m.Deadline.IsZero():
		return nil
	case b.flaw == "delivers an answer by its id" && m.Kind == callback.Request:
		b.asked[m.ID] = m.ReplyTo
	case b.flaw == "delivers an answer by its id" && m.Kind == callback.Reply:
		to = b.asked[m.ID]
	}
	for _, q := range b.queues {
		if b.flaw == "gives a message to one of all listeners" && n > 0 {
			break
		}
		if q.addr == to || b.flaw == "delivers to every inbox" {
			copied := clone(m)
			if b.flaw == "shares a message between listeners" {
				copied = m
			}
			times := 1
			if b.flaw == "gives a message to everybody in a group" {
				times = max(1, len(q.members))
			}
			for range times {
				q.waiting = append(q.waiting, brokerEntry{m: copied})
			}
			n++
		}
	}
	b.changed()
	switch {
	case n == 0 && b.caps.Bounces && b.flaw != "bounces nothing":
		return callback.ErrUndeliverable
	case n == 0 && b.flaw == "says that what it sent was not accepted":
		return callback.ErrUndeliverable
	}
	return nil
}

func (e *brokerEnd) Listen(_ context.Context, addr string) (callback.Inbox, error) {
	return e.listen(addr, "")
}

func (e *brokerEnd) ListenGroup(_ context.Context, addr, group string) (callback.Inbox, error) {
	if e.b.flaw == "ignores the group" {
		group = ""
	}
	return e.listen(addr, group)
}

func (e *brokerEnd) listen(addr, group string) (callback.Inbox, error) {
	b := e.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.closed {
		return nil, callback.ErrClosed
	}
	if addr == "" {
		b.last++
		addr = fmt.Sprint("_inbox.", b.last)
		if b.flaw == "gives an address twice" {
			addr = "_inbox"
		}
	}
	var q *brokerQueue
	if i := slices.IndexFunc(b.queues, func(q *brokerQueue) bool { return group != "" && q.addr == addr && q.group == group }); i >= 0 {
		q = b.queues[i]
	} else {
		q = &brokerQueue{addr: addr, group: group}
		b.queues = append(b.queues, q)
	}
	in := &brokerInbox{end: e, queue: q, told: e.breaks}
	q.members = append(q.members, in)
	e.inboxes = append(e.inboxes, in)
	return in, nil
}

func (e *brokerEnd) Close() error {
	e.b.mu.Lock()
	e.closed = true
	all := slices.Clone(e.inboxes)
	e.b.mu.Unlock()
	for _, in := range all {
		_ = in.Close()
	}
	return nil
}

func (in *brokerInbox) Addr() string { return in.queue.addr }

// own is the address if the inbox is one that nobody else has.
func (in *brokerInbox) own() string {
	if in.queue.group == "" && len(in.queue.addr) > 6 && in.queue.addr[:6] == "_inbox" {
		return in.queue.addr
	}
	return ""
}

// giveBack puts what was not settled into the queue again. The caller holds the lock.
func (in *brokerInbox) giveBack() {
	if in.end.b.flaw != "forgets what was not settled" {
		in.queue.waiting = append(in.unacked, in.queue.waiting...)
	}
	in.unacked = nil
}

func (in *brokerInbox) Close() error {
	b := in.end.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if in.closed {
		return nil
	}
	in.closed = true
	in.giveBack()
	q := in.queue
	q.members = slices.DeleteFunc(q.members, func(o *brokerInbox) bool { return o == in })
	if len(q.members) == 0 && q.group == "" || b.flaw == "ends a group with its first member" {
		b.queues = slices.DeleteFunc(b.queues, func(o *brokerQueue) bool { return o == q })
	}
	in.end.inboxes = slices.DeleteFunc(in.end.inboxes, func(o *brokerInbox) bool { return o == in })
	b.changed()
	return nil
}

func (in *brokerInbox) Receive(ctx context.Context) (callback.Delivery, error) {
	b := in.end.b
	for {
		b.mu.Lock()
		switch {
		case in.closed && (in.queue.group == "" || b.flaw != "keeps who has left a group"):
			b.mu.Unlock()
			return callback.Delivery{}, callback.ErrClosed
		case in.told < in.end.breaks:
			in.told++
			b.changed()
			b.mu.Unlock()
			return callback.Delivery{}, callback.ErrDisconnected
		case len(in.queue.waiting) > 0 && !b.down:
			entry := in.queue.waiting[0]
			in.queue.waiting = in.queue.waiting[1:]
			entry.attempt++
			d, err := in.deliver(entry)
			b.mu.Unlock()
			if d.Message == nil && err == nil {
				continue
			}
			return d, err
		}
		change := b.change
		b.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return callback.Delivery{}, gaveUp(ctx)
		}
	}
}

// deliver makes a delivery of entry. The caller holds the lock.
func (in *brokerInbox) deliver(entry brokerEntry) (callback.Delivery, error) {
	b, m := in.end.b, entry.m
	switch {
	case m == nil && b.flaw == "ends on garbage":
		in.closed = true
		return callback.Delivery{}, nil
	case m == nil:
		return callback.Delivery{}, callback.ErrMalformed
	case b.caps.NativeExpiry && b.flaw != "hands out what has expired" && !m.Deadline.IsZero() && !time.Now().Before(m.Deadline):
		return callback.Delivery{}, nil
	case !b.caps.SettledDelivery:
		return callback.Delivery{Message: m}, nil
	}
	kept := brokerEntry{clone(m), entry.attempt}
	in.unacked = append(in.unacked, kept)
	return callback.Delivery{Message: m, Attempt: entry.attempt, Settle: func(_ context.Context, why error) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		i := slices.IndexFunc(in.unacked, func(o brokerEntry) bool { return o.m == kept.m })
		switch {
		case i < 0, b.flaw == "fails to settle":
			return errors.New("settled already, or handed out again")
		case b.flaw == "takes no settlement":
			return nil
		}
		in.unacked = slices.Delete(in.unacked, i, i+1)
		if why != nil && b.flaw != "takes a failure for a success" {
			in.queue.waiting = append([]brokerEntry{kept}, in.queue.waiting...)
			b.changed()
		}
		return nil
	}}, nil
}

// The suite finds nothing wrong with wires that have addresses.
func TestBrokers(t *testing.T) {
	for name, set := range map[string]func(*broker, *Wire){
		"plain":    func(*broker, *Wire) {},
		"bounces":  func(b *broker, _ *Wire) { b.caps.Bounces, b.caps.NativeExpiry = true, true },
		"settles":  func(b *broker, _ *Wire) { b.caps.SettledDelivery, b.caps.MaxBody = true, 64<<10 },
		"survives": func(b *broker, _ *Wire) { b.caps.SettledDelivery, b.caps.RepliesSurvive = true, true },
		"resumes":  func(b *broker, w *Wire) { b.resumes, w.Resumes = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			w := Wire{Bubble: true}
			w.Open = func(tb testing.TB) *Ends {
				b := newBroker(callback.Caps{})
				set(b, &w)
				return b.open(tb)
			}
			set(newBroker(callback.Caps{}), &w)
			TestTransport(t, w)
		})
	}
}
