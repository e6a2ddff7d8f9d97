// Package natscallback carries callback's messages over NATS, with
// github.com/nats-io/nats.go and the connection that you have already.
//
// # Answer
//
//	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1))
//	t, err := natscallback.New(nc, nil)
//	p := callback.NewPeer(t, nil)
//	callback.Serve(p, "shop.price", price, &callback.ServeOptions{Group: "shop"})
//	err = p.Run(ctx)
//
// The name of what is served is a subject, and may have wildcards. Those who serve it
// in one group, a queue group of NATS, share the requests. When ctx ends, Run drops what
// is at work; to finish that, call p.Shutdown first.
//
// # Ask
//
//	price := callback.Dial[Item, Money](p, "shop.price", nil)
//
// Where nobody listens, the server says so, and the ask fails within a round trip with
// callback.ErrUndeliverable: it was not accepted. With DialOptions.Attempts it asks
// again, until somebody does.
//
// # With others
//
// A responder needs no more than nats.go's m.Respond, in any language, and a request of
// any client is answered: what they need is in the fields of NATS. What they answer
// with and ask for is then bytes, or JSON, as the codec of the peer has it. An error
// goes to them in the headers of NATS's services, Nats-Service-Error and
// Nats-Service-Error-Code, and theirs comes as one of code unknown.
//
// # Permissions
//
// Where subjects need them, those who ask publish to the name and to _ANTIPHON.name, and
// subscribe to their inbox; those who serve subscribe to both, and publish to the inboxes
// of those who ask. What the server does not allow fails at once, with code
// permission_denied: an ask, if it is one of the last 1024; Listen, and so the peer's
// Run; and Receive, if it is not allowed any more when the connection comes back. Of an
// answer that is not allowed only observers are told.
//
// # When the connection breaks
//
// It is nats.go that connects again, as the connection's options say, and restores the
// subscriptions before anything else is sent. What was asked before and not answered
// fails with callback.ErrDisconnected, of class unknown, at once; what is asked
// meanwhile waits in [Options].Buffer for the connection, or for its own end. When
// nats.go gives up, or the connection is closed, the peers on it end.
//
// # When a peer stops
//
// callback.Peer's Shutdown unsubscribes, refuses what had been sent by then, so that it
// can be asked elsewhere, answers what is at work, and returns when the server has the
// answers. The connection is there afterwards: nc.Drain ends it. Without Shutdown before
// it, nc.Drain does not wait for what is at work, and the asker hears nothing of that.
//
// # What is on the wire
//
// A process has one inbox for all of its answers, _INBOX.xxx.*, with the prefix that its
// connection has. A question and its answer need no header, which would cost as much as
// all the rest: what they need is in the last token of the reply subject.
//
//	_INBOX.xxx.id~30000000  the reply subject of a request, which is published to the
//	                        name that is asked: its id, 22 characters of base64url, and
//	                        the microseconds that remain, if there is an end to them
//	_INBOX.xxx.id!29999000  the subject of an answer. One to the whole reply subject is
//	                        as good, so m.Respond is
//
// A _ stands for no id. Headers are NATS headers of the same name, trace context
// (traceparent, tracestate) among them. What NATS has no field for are these, and each
// may be missing:
//
//	Antiphon-Kind      request, reply, part, progress, cancel, credit or event, unless it
//	                   can be told from the subjects: in an inbox for answers it is a
//	                   reply, elsewhere with a reply subject a request, else an event
//	Antiphon-Id        the id, unless it is in a subject
//	Antiphon-Reply-To  where the sender listens, unless it is the reply subject
//	Antiphon-Seq       the number of a part, a report, a credit
//	Antiphon-Timeout   the microseconds that remain, unless they are in a subject
//	Antiphon-Error     the error, in the JSON of antiphon.Error
//	Antiphon-Header    name=value, escaped as in a query: a header that NATS would not
//	                   carry as it is
//
// Cancels and credits for a name go to _ANTIPHON.name, so that a plain responder does not
// take them for requests.
//
// # What is promised
//
// What package callback promises, C1 to C12, holds over it. A message comes at most once,
// as NATS has it: what it loses, an ask learns of by its own end.
//
// # What it costs
//
// A transport has two goroutines, one of which publishes, and one more for each of its
// inboxes. Options.Buffer bounds what waits to be published, Options.Inbox what waits to
// be received.
//
// # What to mind
//
// What comes faster than a peer takes it waits in its inboxes, up to Options.Inbox bytes
// each. Beyond that it is dropped, and the asker of a request is told so at once, with
// callback.ErrFull. A server drops the connection of a client that does not read: that
// is a break as any other.
//
// # What is told
//
// Observers get these events:
//
//	nats.connected     there is a connection
//	nats.disconnected  it is there no more, for the reason Err
//	nats.dropped       Count messages were dropped, because an inbox was full or a
//	                   deadline over; Err says which. Kind is the kind and the
//	                   subject, or the subject
//	nats.denied        the server does not allow the subject Kind, as Err says
//	nats.unsent        nats.go refused a message with Err; a request is answered with
//	                   callback.ErrUndeliverable then
//
// # In tests
//
// A server in the process itself, made with server.Options{DontListen: true, NoSigs:
// true} and connected to with nats.InProcessServer(s), runs in a synctest bubble, in
// virtual time. Call runtime.GC twice at its beginning: nats.go keeps timers in a pool,
// and those of another bubble are fatal. Give such tests a package of their own, and let
// nothing in them be stuck in a write: nats.go holds a lock meanwhile, and virtual time
// waits for it.
package natscallback
