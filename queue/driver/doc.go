// Package driver is what a store of jobs implements so that package queue can stand
// on it. Users of queues need none of it; they pass a [Backend] to queue.New.
//
// A backend keeps jobs, hands them out under leases, and remembers how they ended.
// It decides nothing: how often a job is tried, how long to wait in between, what is
// a dead letter and what the bytes mean is decided above it, so that all backends
// behave alike. queuetest.TestBackend tells whether one is right, and prints the
// reason of each rule that it finds broken.
//
// # What is promised
//
//   - Accepted is kept. When Put has returned, the job is there, as long as
//     [Capabilities].Durability says: it is handed out until it is settled.
//   - A lease is a fence. A [Lease] names a job and one hand-out of it. Whatever is
//     written under a lease that is over, or was never given, fails with
//     [ErrLeaseLost] and changes nothing.
//   - A lease is kept. Nobody else gets the job before the lease is over; nor is it
//     over before its time, unless its holder settles the job.
//   - Nothing is early. A delay has passed, by the backend's clock, before the job is
//     handed out.
//   - Nobody sleeps and looks. Take waits for a job, and Put wakes it.
//   - Settling is repeatable. A call whose outcome was lost on the way may be made
//     again, and has no second effect.
//
// Times are durations from now, measured by the backend's own clock: the clocks of
// the processes around it may be wrong.
//
// What a backend cannot do it says in its Capabilities, or by not implementing
// [Results], [Morgue], [Controller] or [Watcher]; queue.New then refuses the options
// that need it, with errors.ErrUnsupported.
package driver
