// Package wscallback carries callback's messages over WebSocket (RFC 6455), with
// github.com/coder/websocket.
//
// # Answer
//
//	http.Handle("/ws", wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
//		p := callback.NewPeer(c, nil)
//		callback.Serve(p, "price", price, nil)
//		return p.Run(ctx)
//	}, nil))
//
// # Ask
//
//	c, err := wscallback.Dial(ctx, "ws://localhost:8080/ws", nil)
//	p := callback.NewPeer(c, nil)
//	go p.Run(ctx)
//	price := callback.Dial[Item, Money](p, "price", nil)
//
// Either end asks and answers; which of them dialed makes no difference. [Script]
// serves a client for browsers, a single file without dependencies.
//
// # What is on the wire
//
// Subprotocol antiphon.v1: one or more binary envelopes in each binary message,
// each after its length as an unsigned varint. What is sent at the same time shares
// a message. Subprotocol antiphon.v1.json: one text envelope in each text message.
// Both are described in docs/wire.md.
//
// # When the connection breaks
//
// The end that dialed connects again, with full jitter, until it is closed. What is
// asked meanwhile waits for that, or for its own end. What was asked before and not
// answered fails with callback.ErrDisconnected, of class unknown, at once, unless
// the ends keep a session: with Options.Resume at both, whatever was sent and has
// not been received is sent again, in order, when the connection is back within that
// time, and no ask notices.
//
// # Time
//
// The read loop belongs to the connection, never to the context of a request. All
// of it works in a testing/synctest bubble over an in-memory listener, as this
// package's own tests do.
package wscallback
