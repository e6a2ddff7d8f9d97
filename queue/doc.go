// Package queue accepts work now, has it done later, and answers whoever asked: jobs
// with leases, retries and dead letters, whose typed results are futures.
//
// # Submit, work, await
//
//	jobs := queue.Memory(nil)                       // or sqlitequeue.Open, …
//	thumbnails, err := queue.New[Picture, Thumbnail]("thumbnails", jobs, nil)
//	go thumbnails.Work(ctx, shrink, nil)            // here, or in other processes
//	job, err := thumbnails.Submit(ctx, picture, nil)
//	...
//	thumbnail, err := job.Await(ctx)
//
// When [Queue.Submit] has returned a [Job], the job is accepted: it will be done, or
// become a dead letter, and either settles its future. [Queue.Attach] gives a future
// for the same job later, from an id, in another process. [Queue.Asker] hides jobs
// behind an Asker, as every package of the library makes them.
//
// # What the work may say
//
// The function given to [Queue.Work] is one that you have already. What it returns
// decides about the job; antiphon.Permanent, antiphon.RetryAfter, [Snooze], [Bury] and
// [Discard] say more. It learns its circumstances from antiphon.InfoFrom, tells how far
// it is with antiphon.Report ([Job.Updates]), and keeps what it needs to go on after a
// crash with [Checkpoint] and [Restore].
//
// # What a job may want
//
// [SubmitOptions]: a delay, a priority, the order of a group, an idempotency key, a
// unique name. [Options]: attempts, backoff, capacity and what happens when it is
// reached. [WorkOptions]: concurrency, rate, fair shares. [Queue.Periodic] submits by a
// schedule, in any number of processes.
//
// # Look after it
//
// [Queue.Stats], [Queue.Pause], [Queue.Dead], [Queue.Redrive], [Queue.Purge], and
// package queueweb, which shows them in a browser.
//
// # Backends
//
// [Memory] keeps jobs in this process. Others are modules of their own, sqlitequeue
// among them; handlers do not change. Package driver says what a backend has to do,
// and queuetest tells whether it does. What survives what is
// driver.Capabilities.Durability; Options.Durability demands it.
//
// # What is promised
//
//   - Q1 A job whose Submit returned nil is handed out until it is settled or dead.
//   - Q2 No hand-out begins after a settlement has returned.
//   - Q3 Two hand-outs of a job never have leases at the same time.
//   - Q4 A lease is not taken away before its time.
//   - Q5 A lease that is over changes nothing.
//   - Q6 Nothing is handed out before its delay has passed.
//   - Q7 Attempts are hand-outs. After Options.Attempts of them the job is a dead letter, once.
//   - Q8 First hand-outs are in the order of submission, within a priority; of a group
//     one job is out at a time, in strict order.
//   - Q9 In memory, empty means that there is nothing.
//   - Q10 A panic is an attempt that failed.
//   - Q11 Shutting down loses nothing.
//   - Q12 Full is an error, or a wait, or drops what the options say; never silence.
//   - Q13 Jobs of unknown kinds are never discarded.
//   - Q14 What one release has stored, the next can read.
//   - Q15 The class of durability is stated, and true, for each backend and setting.
//
// # What it costs
//
// A job that waits in [Memory], and whoever awaits it, take 328 bytes beside its payload, and
// no goroutine; a job under way has the one that it runs on, up to WorkOptions.Concurrency.
// Options.Capacity bounds the jobs that wait, Options.KeepResults, MemoryOptions.MaxKept
// and MaxDead those that have ended. Packages of other backends say what theirs cost.
//
// # What to mind
//
// Work is done at least once: who crashes, or loses a lease, may have done it all. So it
// should be idempotent; its context ends when its lease is lost.
//
// An accepted job is done whether or not somebody still waits for it. What nobody wants
// any more is ended by [Queue.Cancel], or by SubmitOptions.TTL.
//
// A nil context counts as context.Background().
//
// # What is told
//
// Observers get these events, with the queue's name as Kind.
//
//	queue.retry          an attempt failed with Err; the next comes after Duration
//	queue.dead           a job was given up because of Err
//	queue.discarded      a job failed, and is no dead letter
//	queue.snoozed        a job is put off for Duration
//	queue.timeout        an attempt, or the job, has run out of time
//	queue.stuck          work does not return although its context has ended
//	queue.lease_lost     a worker lost a job that it was still doing
//	queue.late           work returned after its lease was lost, and counts for nothing;
//	                     or its settlement came too late
//	queue.unknown_kind   a job of another kind was given back
//	queue.unreported     what the work reported could not be encoded
//	queue.take_failed, queue.extend_failed, queue.settle_failed, queue.look_failed
//	                     the backend failed with Err, and is asked again
//	queue.unsettled      it failed until the lease was over
//	queue.tick_failed    a periodic job could not be submitted
//
// # In tests
//
// Everything in memory works in a testing/synctest bubble: make the backend and the queue
// inside it, and before it ends end Work and close both. queuetest.Recorder tells what a
// queue did.
package queue
