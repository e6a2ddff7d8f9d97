package callback

import (
	"context"
)

// A Transport carries messages. Its users are peers; it is implemented by adapters
// and tested by [callbacktest.TestTransport].
//
// Ownership: Send takes the message, its header and its body for good, also when
// it fails; what Receive returns belongs to the receiver. Nothing is copied in
// memory.
//
// Concurrency: Send, Listen and Close may be called by any number of goroutines.
// An inbox has one reader. An adapter never calls back into its user, unless it is a
// [Feeder].
//
// Back-pressure: an adapter holds a bounded number of messages. When that is
// reached, Send waits; and replies, parts, progress, credits and cancels do not
// wait behind requests, nor either behind events.
//
// Disconnection: an adapter that can connect again does so by itself, and restores
// its inboxes. Receive then fails once with [ErrDisconnected], and goes on; what
// is sent after that goes over the new connection. One that cannot fails once with
// ErrDisconnected, and from then on with [ErrClosed].
//
// Closing: Close ends everything, waits for the adapter's goroutines, and may be
// called again. Send then fails with ErrClosed.
type Transport interface {
	// Send hands m to the wire and returns when that has accepted it; each
	// adapter says what that means. It returns when ctx ends, even if a write is
	// stuck, and leaves the wire intact.
	//
	// It fails with [ErrUndeliverable] if m was surely not delivered, with
	// ErrDisconnected if it is unknown, with ErrClosed, with code
	// resource_exhausted if m is too large, or with what ended ctx.
	Send(ctx context.Context, m *Message) error
	// Listen opens an inbox. The empty address is one that nobody else has, for
	// answers; on a point-to-point wire it is that of all that comes. Any other is
	// the name of what is served, and fails with errors.ErrUnsupported on a
	// point-to-point wire. What is sent to an inbox after Listen has returned comes
	// to it; where a wire is of several servers, from another of them a moment later.
	Listen(ctx context.Context, addr string) (Inbox, error)
	// Caps says what the wire is like. It does not change.
	Caps() Caps
	Close() error
}

// An Inbox is where messages for one address arrive.
//
// Closing: Close stops accepting, Receive hands out what has been received, and
// fails with [ErrClosed] after that. It may be called again.
type Inbox interface {
	// Addr is what others put into To, and an asker into ReplyTo. It is opaque,
	// and may be empty on a point-to-point wire.
	Addr() string
	// Receive waits for the next message. It fails with ErrDisconnected once for
	// each time the connection broke, with [ErrMalformed] for each message that
	// made no sense, with ErrClosed in the end, or with what ended ctx.
	Receive(ctx context.Context) (Delivery, error)
	Close() error
}

// A Delivery is a message as it was received.
type Delivery struct {
	*Message
	// Attempt counts how often the wire has handed out the message, from 1. 0 is
	// for wires that do not know.
	Attempt int
	// Settle tells the wire, after the answer was sent, that the message is done
	// with (nil) or is to come again (an error). It is nil on wires that deliver
	// at most once. Any goroutine may call it, once, also the one that receives:
	// it does not wait for long.
	Settle func(context.Context, error) error
}

// Caps are what a wire is like.
type Caps struct {
	// MaxBody is how many bytes a body may have. 0 means that the wire sets no
	// limit.
	MaxBody int
	// PointToPoint: there is one other end. It gets what is sent whatever the
	// address, and answers come back by themselves.
	PointToPoint bool
	// SettledDelivery: deliveries have a Settle, and come again without it.
	SettledDelivery bool
	// RepliesSurvive: a broken connection loses nothing, so asks go on.
	RepliesSurvive bool
	// NativeExpiry: the wire drops messages whose deadline is over.
	NativeExpiry bool
	// Bounces: it is found out at once that nobody is there. Send fails with
	// ErrUndeliverable; or, where the wire says so later, a Reply comes whose Err is
	// ErrUndeliverable itself.
	Bounces bool
}

// A TrySender is a Transport that can take a message without waiting: without it,
// each message costs a peer the hop to another goroutine.
type TrySender interface {
	// TrySend takes m and reports true, or false if it would have to wait; m then
	// still belongs to the caller. The error is as that of Send, and goes with
	// true. Where room is scarce it refuses events first, then requests.
	TrySend(m *Message) (bool, error)
}

// A Feeder is an Inbox that can hand out what comes on the goroutine that reads it
// from the wire: without it, each message costs a peer the hop to another goroutine.
type Feeder interface {
	// Feed calls take with everything that Receive would return but for ErrClosed
	// and the end of ctx, one after the other; take does not block. It returns
	// ErrClosed, or what ended ctx, and may have to close the transport for that.
	// It is called once, in place of Receive.
	Feed(ctx context.Context, take func(Delivery, error)) error
}

// A Flusher is a Transport that holds what it has accepted for a while.
type Flusher interface {
	// Flush waits until what was accepted is on the wire, or lost, or ctx ends.
	Flush(ctx context.Context) error
}

// A GroupListener is a Transport of which several listeners at one address can
// share the messages.
type GroupListener interface {
	// ListenGroup is Listen; of all inboxes of one addr and group one gets each
	// message.
	ListenGroup(ctx context.Context, addr, group string) (Inbox, error)
}

// A Reconnector is a Transport that can be told that its connection is dead
// although it does not look so, as missing heartbeats show.
type Reconnector interface {
	// Reconnect drops the connection there is, as if it had broken of itself.
	Reconnect(cause error)
}
