// Package callback expects an answer, and gives one, over any wire: typed questions
// and answers, progress, streams and events, both ways over one [Transport].
//
// # Expect what comes from elsewhere
//
// A [Registry] is the table of answers that are to come, whoever brings them. Each
// has an [ID]; expect before you ask, hand the ID over, and go on working:
//
//	id, paid, err := payments.Expect(ctx, time.Minute)
//	...                                    // whoever learns of it:
//	err = payments.Resolve(id, receipt)    // nil for the one that was in time
//
// # Ask and answer
//
// A [Peer] is one end of a conversation. [Serve] answers with a method that you have
// already, [Dial] makes the Asker for it at the other end, and both ends may do
// both:
//
//	hub, device := callback.Pipe(nil)      // or wscallback.Dial, …
//	p := callback.NewPeer(hub, nil)
//	callback.Serve(p, "price", shop.Price, nil)
//	temperature := callback.Dial[Unit, float64](p, "temperature", nil)
//	go p.Run(ctx)
//
// Over a wire with a server in between it takes a moment until the names are known
// there: [Peer.Listening] waits for that.
//
// What [antiphon.Report] says in the work reaches the asker whose context is made
// with antiphon.WithProgress. The asker's deadline travels as the time that remains,
// and its cancellation as a message. Headers ([WithHeader]) and the trace of
// antiphon.TraceFrom travel along, and work finds them in [antiphon.InfoFrom].
//
// # Many answers, and none
//
// [ServeStream] and [DialStream] send parts in order, as far as the asker has room.
// [Notify] sends an event that needs no answer, and says what becomes of it when
// there is no room: [Block], [DropOldest] or [KeepLast].
//
// # Wires
//
// [Pipe] is a wire in memory. Others are modules of their own, wscallback for
// WebSocket among them. callbacktest.TestTransport tells whoever writes another
// whether it is right, and callbacktest.Faulty makes any of them lose, double, delay
// and reorder, for the tests of those who use one.
//
// # What is promised
//
//   - C1 IDs have 96 random bits, and none is used twice in a process.
//   - C2 An answer settles at most the request with its ID. One that is late, a
//     duplicate or unknown is dropped, counted and observed, and never given to
//     another request.
//   - C3 Nothing pending outlives its deadline by more than 10 ms, nor at all in
//     virtual time.
//   - C4 Giving up frees the entry before the future settles.
//   - C5 What exceeds MaxPending is refused at once, with code resource_exhausted.
//   - C6 When a transport breaks, all that was asked over it fails as unknown as soon
//     as that is noticed, or survives if the transport says so. Nothing hangs.
//   - C7 Close settles everything, may be called again, and leaves no goroutine,
//     timer or descriptor.
//   - C8 Slow work, and a slow waiter, never hold up the answers to others.
//   - C9 An answer is accepted only from the connection, or the inbox, that it was
//     asked on.
//   - C10 Limits on size are for the inflated message, and are checked before memory
//     is taken for it.
//   - C11 A request that fails was accepted, was not, or that is unknown; unknown is
//     never reported as one of the others.
//   - C12 Panics of the work are answers with code internal, and the work learns its
//     asker's deadline.
//
// # What it costs
//
// A pending ask is an entry in a table, of 160 bytes, or 472 if its context can end, and
// no goroutine; an expectation of a [Registry] is one of 112. Work has a goroutine while
// it runs, up to ServeOptions.Concurrency of each name. Memory is bounded by the options
// of both ends: see [PeerOptions], [ServeOptions], [RegistryOptions] and
// [DialOptions].Window.
//
// # What to mind
//
// A [Peer] receives while [Peer.Run] runs, which also returns the mistakes that were made
// in setting it up. Expect before you ask: no answer is faster than its expectation then.
//
// A request of class unknown may have been done. Ask again what is idempotent, or let
// DialOptions.Attempts do so, under one ID.
//
// A nil context counts as context.Background().
//
// # What is told
//
// Observers get these events. Kind is the name that is asked or served, ID the
// request's, where there are such.
//
//	callback.late, callback.duplicate, callback.unknown
//	                        an answer came that nobody waits for
//	callback.expired        an ask or expectation has run out of time
//	callback.resend         a request is sent once more
//	callback.repeated       a request came again, and was not done again
//	callback.rejected       a request was not accepted, for the reason Err
//	callback.dropped        an event, or a request whose time was over or that was
//	                        cancelled before it came, was dropped; Count of them
//	callback.unsent         a message could not be sent
//	callback.unsettled      the wire could not be told that a message is done with
//	callback.event_failed   the work for an event failed with Err
//	callback.panic          the work panicked: Err is a *future.PanicError
//	callback.malformed      what came made no sense, or was too large
//	callback.disconnected   the connection broke
//
// # In tests
//
// Everything here works in a testing/synctest bubble, in virtual time. Make the pipe
// and the peers inside the bubble, and close the peers before it ends:
//
//	synctest.Test(t, func(t *testing.T) {
//		a, b := callback.Pipe(nil)
//		...
//	})
package callback
