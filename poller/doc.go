// Package poller asks again until it is done, and is the one who is asked: it follows
// whatever can be asked how far it is, a function or a URL, and makes a status
// resource of any work.
//
// # Ask until it is done
//
// A [Check] is one look at something that takes long. [Wait] repeats it, [Watch] shows
// every observation, and [Submit] leaves it to a [Scheduler] and gives a future:
//
//	build, err := poller.Wait(ctx, func(ctx context.Context) (poller.Status[Build], error) {
//		b, err := ci.Get(ctx, id)
//		return poller.Status[Build]{State: antiphon.State(b.Phase), Value: b}, err
//	}, nil)
//
// A million of them in a Scheduler are entries in a table: a goroutine runs only while
// one is asked. [Batch] asks for many of them with one call.
//
// # Follow an operation over HTTP
//
// [Dial] makes an Asker of the URL of somebody's long-running operation, and [Begin]
// follows what any request of yours has started:
//
//	report := poller.Dial[Query, Report]("https://api.example.com/reports", nil)
//	pending := report(ctx, query)
//
// They understand status monitors (Operation-Location, Azure-AsyncOperation,
// Content-Location), result URLs (Location, 202 until it is done), the operations of
// AIP-151, and servers that answer at once. A [Remote] tells how far it is, cancels, and
// has a [Remote.Token] with which [Resume] follows the same operation after a restart.
//
// # Be the one who is asked
//
// [ServeFunc] makes such a server of a function: answered at once if the function is
// fast, 202 and a status resource if it is slow.
//
//	reports := poller.ServeFunc(makeReport, nil)
//	reports.Mount(mux, "/reports")
//	...
//	err := reports.Shutdown(ctx)
//
// [Serve] does so for a queue, and for all else that keeps [Operations]. docs/http.md
// has the wire, and docs/operations.openapi.json says the same to machines.
//
// # What is promised
//
//   - P1 There are never two polls of one operation at once, nor closer than Min.
//   - P2 Intervals are within Min and Max, for every attempt number.
//   - P3 Retry-After is honoured, within these bounds.
//   - P4 It ends when the operation has, or with the deadline, or with the context, and
//     says which; before the deadline, with ErrHint, if the next poll may not come sooner.
//   - P5 A state that is not known is no end.
//   - P6 A status URL stays on its origin, unless HTTPOptions.AllowHost says otherwise.
//   - P7 202 is sent after the operation is stored.
//   - P8 A status never goes back from an end.
//   - P9 The operation of another owner is 404.
//   - P10 Results are kept at least for their time to live, and are 410 then.
//
// # What it costs
//
// What waits in a [Scheduler] is an entry in a table, of about 350 bytes, and 450 more
// with a context of its own that can end; Scheduler.MaxPending bounds how many, and
// Concurrency how many are asked at once. A [Server] holds up to ServerOptions.MaxHeld
// requests that wait, and that of ServeFunc keeps up to MaxRunning operations under way
// and MaxKept that have ended.
//
// # What to mind
//
// What ended badly is an *antiphon.Error of class failed, or unknown where its time was
// over. A poll that failed says nothing about the operation: it is repeated, and counted.
// A [PollError], of class unknown, means that nobody looks any more: the operation may
// still run, and the error's Token follows it further.
//
// A [Remote.Token] is a secret: who has it may ask for the operation. Who can make one
// decides what is asked, and with which credentials.
//
// A nil context counts as context.Background().
//
// # What is told
//
// Observers get these events. Kind is Options.Name, or what is served; ID the
// operation's, where it is known.
//
//	poller.poll          a poll has been made and took Duration; Err if it failed
//	poller.waited        a poll waited Duration for its turn (see Scheduler.Concurrency)
//	poller.flapped       what had ended was seen as something else, which is ignored
//	poller.gave_up       nobody looks any more, because of Err
//	poller.unfollowed    a pointer to elsewhere was not followed
//	poller.unsent        a cancel could not be sent
//	poller.accepted      an operation was accepted
//	poller.inline        an operation was answered with its result, after Duration
//	poller.rejected      a request was not accepted, for the reason Err
//	poller.store_failed  the store of operations failed with Err
//
// # In tests
//
// Everything here works in a
// testing/synctest bubble, in virtual time; package pollertest has a network in memory
// for it, a server that behaves as a script says, and the suite for Operations.
package poller
