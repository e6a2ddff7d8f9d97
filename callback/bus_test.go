package callback_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/antiphon-go/antiphon/callback"
)

// A bus is a broker in memory: a wire with addresses, groups, and deliveries that
// are settled or come again. It has no TrySend.
type bus struct {
	caps callback.Caps

	mu    sync.Mutex
	boxes map[string][]*busBox // by address
	turn  int
	names int
}

func newBus(caps callback.Caps) *bus { return &bus{caps: caps, boxes: map[string][]*busBox{}} }

// peer runs a peer on the bus.
func (b *bus) peer(t testing.TB, o *callback.PeerOptions) (*callback.Peer, *busEnd) {
	e := &busEnd{bus: b}
	p := callback.NewPeer(e, o)
	run(t, p)
	return p, e
}

// A busEnd is one client of a bus.
type busEnd struct {
	*bus
	mine   []*busBox
	closed bool
}

// A busBox is an inbox.
type busBox struct {
	end         *busEnd
	addr, group string
	mu          sync.Mutex
	queue       []busItem
	came        chan struct{}
	closed      bool
}

type busItem struct {
	d   callback.Delivery
	err error
}

func (e *busEnd) Caps() callback.Caps { return e.caps }

func (e *busEnd) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	return e.ListenGroup(ctx, addr, "")
}

func (e *busEnd) ListenGroup(_ context.Context, addr, group string) (callback.Inbox, error) {
	e.bus.mu.Lock()
	defer e.bus.mu.Unlock()
	if e.closed {
		return nil, callback.ErrClosed
	}
	if addr == "" {
		e.names++
		addr = fmt.Sprint("_inbox.", e.names)
	}
	in := &busBox{end: e, addr: addr, group: group, came: make(chan struct{}, 1)}
	e.mine = append(e.mine, in)
	e.boxes[addr] = append(e.boxes[addr], in)
	return in, nil
}

func (e *busEnd) Send(ctx context.Context, m *callback.Message) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.bus.mu.Lock()
	if e.closed {
		e.bus.mu.Unlock()
		return callback.ErrClosed
	}
	var to []*busBox
	grouped := map[string][]*busBox{}
	for _, in := range e.boxes[m.To] {
		if in.group == "" {
			to = append(to, in)
		} else {
			grouped[in.group] = append(grouped[in.group], in)
		}
	}
	for _, members := range grouped {
		e.turn++
		to = append(to, members[e.turn%len(members)])
	}
	e.bus.mu.Unlock()
	for _, in := range to {
		in.deliver(m, 1)
	}
	if len(to) == 0 && e.caps.Bounces {
		return callback.ErrUndeliverable
	}
	return nil
}

// An eager end takes everything at once.
type eager struct{ *busEnd }

func (e eager) TrySend(m *callback.Message) (bool, error) {
	return true, e.Send(context.Background(), m)
}

func (e *busEnd) Close() error {
	e.bus.mu.Lock()
	mine := e.mine
	e.closed = true
	e.bus.mu.Unlock()
	for _, in := range mine {
		_ = in.Close()
	}
	return nil
}

// breaks has the inboxes of the end tell that the connection has broken.
func (e *busEnd) breaks() {
	e.bus.mu.Lock()
	mine := e.mine
	e.bus.mu.Unlock()
	for _, in := range mine {
		in.put(busItem{err: callback.ErrDisconnected})
	}
}

// deliver hands out a copy of m, again and again until it is settled with nil.
func (in *busBox) deliver(m *callback.Message, attempt int) {
	n := *m
	n.Header = maps.Clone(m.Header)
	n.Body = append([]byte(nil), m.Body...)
	d := callback.Delivery{Message: &n}
	if in.end.caps.SettledDelivery {
		d.Attempt = attempt
		d.Settle = func(_ context.Context, err error) error {
			if err != nil {
				in.deliver(m, attempt+1)
			}
			return nil
		}
	}
	in.put(busItem{d: d})
}

func (in *busBox) put(item busItem) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queue = append(in.queue, item)
	select {
	case in.came <- struct{}{}:
	default:
	}
}

func (in *busBox) Addr() string { return in.addr }

func (in *busBox) Receive(ctx context.Context) (callback.Delivery, error) {
	for {
		in.mu.Lock()
		if len(in.queue) > 0 {
			item := in.queue[0]
			in.queue = in.queue[1:]
			in.mu.Unlock()
			return item.d, item.err
		}
		closed := in.closed
		in.mu.Unlock()
		if closed {
			return callback.Delivery{}, callback.ErrClosed
		}
		select {
		case <-in.came:
		case <-ctx.Done():
			return callback.Delivery{}, context.Cause(ctx)
		}
	}
}

func (in *busBox) Close() error {
	b := in.end.bus
	b.mu.Lock()
	kept := b.boxes[in.addr][:0:0]
	for _, other := range b.boxes[in.addr] {
		if other != in {
			kept = append(kept, other)
		}
	}
	b.boxes[in.addr] = kept
	b.mu.Unlock()
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	select {
	case in.came <- struct{}{}:
	default:
	}
	return nil
}
