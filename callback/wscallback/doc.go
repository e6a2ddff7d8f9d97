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
// Who may connect is decided by [Options].Authorize, and for browsers also by
// Options.Origins. [Conn.Request] tells the function whom it serves.
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
// # When the connection breaks
//
// The end that dialed connects again, with full jitter, until it is closed. What is
// asked meanwhile waits for that, or for its own end. What was asked before and not
// answered fails with callback.ErrDisconnected, of class unknown, at once.
//
// Unless the ends keep a session: with Options.Resume at both, whatever was sent and
// has not been received is sent again, in order and once, when the connection is back
// within that time, and no ask notices. A deadline remains what it was. A Conn that is
// closed takes its session along.
//
// # When the server stops
//
// http.Server.Shutdown knows nothing of connections that were upgraded;
// [Server.Shutdown] does. It ends the context of the function, and with that the
// peer. One that is to give its answers first is told to:
//
//	func(ctx context.Context, c *wscallback.Conn) error {
//		p := callback.NewPeer(c, nil)
//		...
//		defer context.AfterFunc(ctx, func() { p.Shutdown(context.Background()) })()
//		return p.Run(context.WithoutCancel(ctx))
//	}
//
// When Shutdown's own context ends, all are closed.
//
// # What is on the wire
//
// Subprotocol antiphon.v1: one or more binary envelopes in each binary message,
// each after its length as an unsigned varint. What is sent at the same time shares
// a message. Subprotocol antiphon.v1.resume: the same with a session. Subprotocol
// antiphon.v1.json: one text envelope in each text message. All are described in
// docs/wire.md.
//
// # What is promised
//
// What package callback promises, C1 to C12, holds over it. What one end sends of one
// sort comes to the other in order and once, as long as the connection lasts, and the
// session where there is one.
//
// # What it costs
//
// An end that is idle costs one goroutine, which reads, and which is the handler's
// at a server; one that is used has another, which writes. Memory is bounded by
// Options.Buffer, and by the peer's own limits, whatever the other end does.
//
// # What to mind
//
// Everybody may connect unless Options.Authorize says otherwise, and browsers from pages
// of the handler's own host and of Options.Origins. MaxBody should be the same at both
// ends.
//
// # What is told
//
// Observers get these events:
//
//	ws.connected      there is a connection
//	ws.disconnected   it is there no more; Err says why, unless the other end said
//	                  goodbye
//	ws.resumed        and the session goes on
//	ws.retry          attempt number Attempt to connect failed with Err; the next
//	                  comes after Duration
//	ws.ended          the function of a handler returned Err
//
// Neither they nor errors hold the query or the user information of a URL, or a
// header.
//
// # In tests
//
// All of it works in a testing/synctest bubble, heartbeats, timeouts and reconnecting
// included, over connections in memory: see the example of [Dial].
//
//	synctest.Test(t, func(t *testing.T) {
//		server := &http.Server{Handler: handler}
//		go server.Serve(memory) // a net.Listener whose connections are net.Pipes
//		c, err := wscallback.Dial(t.Context(), "ws://memory/", &wscallback.Options{
//			Client: &http.Client{Transport: &http.Transport{DialContext: memory.Dial}},
//		})
//		...
//		time.Sleep(time.Hour) // takes no time
//	})
package wscallback
