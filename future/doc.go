// Package future holds the answer before it is there: typed futures and
// promises, and the way from a function that answers now to one that answers
// later.
//
// # Ask, go on working, await
//
//	page := future.Go(ctx, fetchPage)  // returns at once
//	...
//	p, err := page.Await(ctx)          // the outcome, or why there is none
//
// A [Future] settles once, with a value or an error, and is read by [Future.Await],
// [Future.Done], [Future.Peek] and [Future.OnDone]. [Of] and [Failed] are futures
// that have settled. A [Promise] is the write end, for answers that are learned
// from somewhere else.
//
// # Wrap what you have
//
// A method c.Get(ctx, req) (resp, error) is a [Func]: the present tense. [Lift]
// puts it into the future tense, an [Asker], under a [Policy] of timeouts,
// retries, limits and hedging; [Block] goes the other way; [With] applies a
// policy and stays in the present. [Call] and [CallOpts] ask once.
//
//	get := future.Lift(client.Get, &future.Policy{
//		Timeout: time.Second, Attempts: 3, Concurrency: 10,
//	})
//	a, b := get(ctx, reqA), get(ctx, reqB)
//
// Every other package of the library makes Askers too, so that whatever is done
// with a future here works for an answer from anywhere.
//
// # Make one of many
//
// [All], [Settled], [Any] and [Race] make one future of several, [AsCompleted]
// ranges over them as they come. [Map], [Then] and [Recover] transform an
// outcome. None of them starts a goroutine: they hang a link on the futures
// they are given, and take it off again when they have decided.
//
// [First] and [Hedge] race several ways to the same answer, and end the losers.
// [Parallel] and [ParallelSeq] call a function for many arguments with few
// goroutines.
//
// # Own what you start
//
// Run gives a [Scope], a context that ends with its first failure, and returns
// when everything started in it has ended.
//
// # Share and keep
//
// A [Group] lets concurrent askers of one key share a call. A [Lazy] makes a
// value on first use and retries what failed.
//
// # Debugging
//
// The environment variable ANTIPHON_DEBUG, read at start-up, is a list of words:
//
//   - pending: the pprof profile github.com/antiphon-go/antiphon/future.Pending
//     shows what is pending and the stack that made it; a promise that is
//     garbage collected unsettled rejects its future with [ErrAbandoned] (not in
//     a synctest bubble, which the collector must not enter); and a failure that
//     nobody looked at is logged with slog.Default().
//   - panics: panics in the work are let through and end the process, as they
//     would in plain Go.
//
// Without it, all that costs nothing.
//
// # What is promised
//
//   - F1 A promise settles at most once: of all calls to Resolve, Reject and
//     Settle exactly one reports true.
//   - F2 Every waiter, present or later, sees that outcome and is released.
//   - F3 A waiter whose context ends gets its cause, and leaves nothing behind.
//   - F4 If the value is there and the context has ended, the value wins.
//   - F5 A pending future costs no goroutine, and no timer unless a deadline
//     was asked for.
//   - F6 A panic or Goexit in a function that we run becomes an error for all
//     waiters. It never ends the process and never strands a waiter.
//   - F7 Callbacks run exactly once, and outside our locks: they may use the
//     future that calls them.
//   - F8 All, Any and Race leave no goroutine and retain no loser.
//   - F9 Run returns only after everything started in its scope has ended;
//     nesting never deadlocks, as long as members wait with the context that they
//     were given.
//
// # What it costs
//
// A pending future is 48 bytes beside its value, and neither goroutine nor timer; a call
// under way has the goroutine that it runs on. Policy.Concurrency bounds how many those
// are, and Policy.Queue how many asks wait for their turn, in order. Without a
// Concurrency as many calls are under way as are asked for.
//
// # What to mind
//
// To give up waiting is not to give up the work: that ends with the context that it was
// begun with. What hangs on a future by [Map], [Then] and [Recover] runs on the goroutine
// that settles it, and must not block; what hangs on it by [Future.OnDone] has one of its
// own.
//
// A nil context counts as context.Background() everywhere. A nil function, or a
// nil future among the arguments, gives an error of code invalid_argument, never
// a hang. The methods of a nil *Future panic, as those of any nil pointer do.
//
// # What is told
//
// The Observer of a [Policy] gets these events, with the policy's name as Kind.
//
//	future.retry    an attempt failed with Err; the next comes after Duration
//	future.timeout  an attempt took longer than Duration
//	future.hedge    an attempt was doubled after Duration
//	future.late     a call returned, with Err or without, after its attempt had been
//	                decided
//
// # In tests
//
// Everything works in a testing/synctest bubble, on the bubble's time: nothing
// is pooled, and nobody parks on a mutex.
package future
