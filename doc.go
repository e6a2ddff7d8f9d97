// Package antiphon holds the words that every package of the library speaks.
//
// Antiphon is call and response: a program asks without blocking, goes on
// working, and is answered by whichever way suits: a typed future, a callback
// over some transport, a polled status resource, a webhook, or a queue. All of
// them are ways between one shape of work and one shape of answer:
//
//	func(context.Context, Q) (R, error)   // future.Func: answers now
//	*future.Future[R]                     // the answer, before it is there
//
// Start at package future; this package is what its neighbours have in common.
//
// # What an error says
//
// An error that crosses a wire is an [Error]: a [Code] (what went wrong, in the
// words of gRPC and Connect) and a [Class] (what is known about the request:
// not accepted, failed, or unknown). [CodeOf] and [ClassOf] answer for any
// error, [FromError] makes the wire form, and errors.Is keeps working on the
// far side for sentinels: an Error with a Reason is a sentinel, ours and yours
// alike.
//
//	var ErrSoldOut = &antiphon.Error{
//		Code:    antiphon.CodeFailedPrecondition,
//		Reason:  "shop.sold_out",
//		Message: "sold out",
//	}
//
// # What work says about itself
//
// A function that knows more than its caller says so in its error: [Permanent]
// (do not try again), [RetryAfter] (not before). It learns its circumstances
// from [InfoFrom] and tells how far it is with [Report]. What it asks belongs to the
// trace of what it is asked ([TraceFrom]), over every way.
//
// # What is kept of a request
//
// [Operation] is the record of one accepted request and [State] is how far it
// got. A queue stores it, a status resource shows it, a webhook delivers it and
// a poller reads it, all in one JSON form.
//
// # Pace, bytes and events
//
// [Backoff] computes delays, [Codec] turns values into bytes within limits, and
// [Observer] is told what happens.
//
// # What is promised
//
// In every package, beside what its own documentation numbers:
//
//   - X1 Everything that may be used by several goroutines at once is free of data
//     races.
//   - X2 Everything in memory works in a testing/synctest bubble, in virtual time.
//   - X3 No package has a goroutine, a channel or a timer of its own, nor a pool of
//     such: what runs is started by a call, and has an owner that ends it.
//   - X4 Every call that may wait takes a context, and returns when that ends.
//   - X5 Zero values, nil options and nil contexts are safe; what cannot be meant is an
//     error, at once.
//   - X6 Memory is bounded: limits are on by default.
//   - X7 User code that panics or ends its goroutine never ends the process, and leaves
//     no lock and nobody waiting. None of it runs under a lock.
//   - X8 The law: every way from a question to its answer behaves as future.Lift does.
//     Package futuretest has its words and its tests.
//
// All such sentences, and the tests that carry each, are listed in docs/guarantees.md.
//
// The package imports the standard library only.
package antiphon
