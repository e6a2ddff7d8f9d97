// Package natsqueue keeps the jobs of queues in NATS JetStream, for any number of
// processes.
//
// # Open a bucket
//
//	nc, err := nats.Connect(url)
//	js, err := jetstream.New(nc)
//	b, err := natsqueue.Open(ctx, js, nil)
//	q, err := queue.New[Order, Receipt]("orders", b, nil)
//
// One process submits, another works, and a third that knows the id attaches:
//
//	job, err := q.Submit(ctx, order, nil) // job.ID() names it
//	err = q.Work(ctx, charge, nil)
//	receipt, err := q.Attach(id).Await(ctx)
//
// Close q, then b, then nc.
//
// The server has to be of version 2.12 or later: several records are stored at once by
// an atomic batch, and a record ends by a time to live of its own.
//
// # How it works
//
// All is in one key-value bucket. Each job is one record in it, and each change of a job
// is one write that the server makes only if the record is still of the revision that
// the writer knew. So the record is the lease, the fence and the result: of two takers
// one gets the job, and a settlement under a lease that is over fails, whoever sends it
// and whenever it arrives. Nothing is acknowledged, so that nothing is redelivered.
//
// Each process that uses a queue reads its records as they change, through one consumer
// and one inbox, and knows from them what is ready, due, or over. Who waits is woken by
// that; what is to be answered without a write is looked up first.
//
// There is no work-queue stream beside it, and no message schedule. A consumer's
// acknowledgement has no fence, and its order is that of publishing, without groups and
// priorities; and what is in two streams can come to be in one of them alone.
//
// # What is promised
//
// What package queue promises holds for it, within the limits that are named here and below.
//
// Durability is that of the bucket's stream. Kept in files, jobs survive that any
// process is killed; whether they survive a loss of power depends on the server's
// sync_interval, which clients cannot read: [Options].SyncAlways says so. Kept in memory,
// or with the asynchronous mode of persistence, they survive nothing.
//
// Times are the server's: each record counts from when the server stored it. A process
// takes the time of the last thing it heard of as the server's, so that nothing is early;
// it may be late by the time of a message's way.
//
// The fence is the server's as far as records go: a write under a lease that another has
// taken over, or that is known to be over to anybody who asked, is refused by it. That
// the time of a lease is over is seen by who writes, before it writes: a settlement that
// was on its way then is made, if nobody has looked at the job meanwhile. A lease that was
// on its way when the job's time to live ended is none.
//
// A write whose answer is lost with the connection is asked for again when the connection
// is back, and made once. If it is not back within [Options].Timeout, nobody knows whether
// the write was made: the error is of class unknown.
//
// # What it costs
//
// A job is three writes: put, taken, settled; two if it is claimed by who submits it. Who
// takes asks the server first how far it is, and so does who claims. The payload is in
// the record, and is written again with each. Puts with a Capacity are made one after
// another. A put has at most 900 jobs, and with their keys and unique names at most 1000; a
// payload is a little less than half of the server's max_payload.
//
// A queue's records are held in memory by each process that uses it, one that only
// submits as well: a job that waits or is worked on takes its payload and about 2 kB,
// which Capacity bounds and nothing else; one that has ended 2 kB, and payload and result
// if these are of no more than a kilobyte. A queue without jobs takes some 10 kB.
//
// # What to mind
//
// What cannot be fenced is what a worker does elsewhere after its lease is over. A job of
// a group may be handed out while a settlement on its way brings one before it back,
// whose time to live had ended with its lease.
//
// Processes of several releases may have one bucket. What a later release wrote in a format
// of its own an earlier one leaves as it is and tells; who waits for such a job there gets
// an error of class unknown, and its key, unique name and place in a group are not seen.
// Fields that a later release appended to a format an earlier one does not read, and drops
// when it writes the record.
//
// The connection is yours: close it after the backend.
//
// # What is told
//
// Observers get these events. Kind is the queue, ID the job's.
//
//	nats.stalled    a queue's records cannot be followed, because of Err
//	nats.resumed    and can again, after Duration
//	nats.contended  others were quicker Count times in a row
//	nats.unread     a record cannot be read, because of Err, and harms nobody
//
// # In tests
//
// Tests of work need no server: on queue.Memory it behaves alike, in virtual time. Where
// one is wanted, package github.com/nats-io/nats-server/v2/server runs it in the process.
package natsqueue
