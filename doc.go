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
// from [InfoFrom] and tells how far it is with [Report].
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
// The package imports the standard library only.
package antiphon
