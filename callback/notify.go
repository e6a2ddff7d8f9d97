package callback

import (
	"context"
	"time"

	"github.com/antiphon-go/antiphon"
)

// NotifyOptions say what becomes of events when there is no room for them. A zero
// field means its default, nil options mean all of them.
type NotifyOptions struct {
	// Overflow is what to do. The zero value is Block.
	Overflow Overflow
	// Key is what KeepLast compares, within one name.
	Key string
	// TTL is how long the event is of use; it is dropped, here or at the other
	// end, when that is over. 0 means for ever.
	TTL time.Duration
	// Header is sent along, beside what the context carries; see [WithHeader].
	Header map[string]string
	// Codec encodes the event. nil means PeerOptions.Codec.
	Codec antiphon.Codec
}

// Overflow is what becomes of an event when the outbox has no room.
type Overflow uint8

// What there is to do.
const (
	// Block waits for room until the context ends.
	Block Overflow = iota
	// DropOldest drops the oldest event that waits, of any name, with an event
	// callback.dropped. It does not wait.
	DropOldest
	// KeepLast replaces the event of the same name and key that waits, if there
	// is one, and else does as DropOldest.
	KeepLast
)

// Notify sends q to what is served as name, at most once and without an answer. It
// returns nil when the event is on its way or has a place in the outbox, which says
// nothing about whether it arrives. It fails with ErrFull, ErrClosed, or what ended
// ctx, of class not accepted.
//
// Events have a lane of their own: no number of them holds up an answer.
func Notify[Q any](ctx context.Context, p *Peer, name string, q Q, o *NotifyOptions) error {
	var opts NotifyOptions
	if o != nil {
		opts = *o
	}
	if ctx == nil {
		ctx = context.Background()
	}
	switch {
	case name == "":
		return misuse("name", "Notify needs a name")
	case opts.TTL < 0:
		return misuse("options", "NotifyOptions.TTL is negative")
	case opts.Overflow > KeepLast:
		return misuse("options", "NotifyOptions.Overflow is unknown")
	case ctx.Err() != nil:
		return gaveUp(ctx, notAccepted)
	}
	if p.unfit != nil {
		return p.unfit
	}
	if opts.Codec == nil {
		opts.Codec = p.opts.Codec
	}
	body, err := marshal(opts.Codec, q)
	if err != nil {
		return untried(err)
	}
	header, err := p.header(ctx, opts.Header)
	if err != nil {
		return untried(err)
	}
	m := &Message{Kind: Event, To: name, Header: header, Body: body}
	if opts.TTL > 0 {
		m.Deadline = p.clock.Now().Add(opts.TTL)
	}
	out := outgoing{m: m}
	switch opts.Overflow {
	case Block:
		return p.out.postWait(ctx, out)
	case KeepLast:
		out.keep, out.key = true, opts.Key
	}
	dropped, err := p.out.postDropping(out)
	if dropped > 0 {
		p.observe(antiphon.Event{Name: "callback.dropped", Kind: name, Count: dropped, Err: ErrFull})
	}
	return err
}
