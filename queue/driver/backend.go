package driver

import (
	"context"
	"time"

	"github.com/antiphon-go/antiphon"
)

// A Backend is a store of jobs, of any number of queues.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Ownership: what is passed in belongs to the backend from then on where it is a
// payload, header or result, and to the caller where it is the slice around them.
// What is returned is shared and not modified by either side.
//
// Cancellation: a call that ctx ends has had no effect, or its effect is unknown:
// all calls may be made again. Take that was cancelled leases nothing that it does
// not return.
//
// Closing: Close ends what the backend started, and waits for it. It closes no
// client, pool or file that was handed to it. Calls fail with ErrClosed then. It may
// be called again.
//
// Errors: ErrClosed, ErrTooLarge of package antiphon for what exceeds
// Capabilities.MaxPayload, the errors named below, and those of the store, with code
// unavailable where trying again may help.
type Backend interface {
	// Capabilities says what the backend can do. It does not change.
	Capabilities() Capabilities

	// Put stores all jobs of r, or none of them, and fails then. It returns nil if
	// every job was stored under its own ID, otherwise one Placed for each.
	//
	// If r.Capacity would be exceeded, it fails with ErrFull, waits until it is not,
	// or drops waiting jobs, as r.Overflow says. Jobs that are placed as duplicates
	// take no room. It fails with ErrKeyReused if a Key is taken by a job of another
	// payload.
	Put(ctx context.Context, r PutRequest) ([]Placed, error)

	// Take waits until at least one job can be handed out, and appends at most r.Max
	// of them to into. If none comes within r.Wait, it returns into as it is.
	//
	// Of the jobs that are ready, those of the highest priority go first, and of
	// those the one that was ready first. A job whose lease has run out is ready
	// again. Of the jobs of one group, in the order in which they were put, only the
	// first that has not ended is handed out. What has expired is not, and ends as
	// expired. A paused queue hands out nothing.
	//
	// Each hand-out counts the job's attempt, and makes its earlier leases void.
	Take(ctx context.Context, into []Leased, r TakeRequest) ([]Leased, error)

	// Extend makes leases last for another while, counted from now, and stores what
	// the work has to say. It returns nil if all went well, otherwise an error or
	// nil for each: ErrLeaseLost, or ErrCanceled if the lease was extended and
	// somebody wishes the job to end.
	Extend(ctx context.Context, queue string, x []Extension) []error

	// Settle ends leases. It returns nil if all went well, otherwise an error or nil
	// for each: ErrLeaseLost if the lease was not there any more. A settlement that
	// was made before under the same lease is made again without an effect and
	// without an error, as long as the job is known.
	Settle(ctx context.Context, queue string, s []Settlement) []error

	// Stats counts what is there. What cannot be known is -1.
	Stats(ctx context.Context, queue string) (Stats, error)

	Close() error
}

// An Envelope is a job as it is put.
type Envelope struct {
	// ID names the job, and is chosen by whoever puts it: unguessable, at most 64
	// bytes. Putting an ID again that is known is a duplicate of itself.
	ID string
	// Kind says what the payload is. Backends keep it.
	Kind    string
	Payload []byte
	Header  map[string]string // at most 64 entries, 16 KiB
	// Key is the idempotency key, or empty. As long as the job is known, another
	// with the same Key is its duplicate if the payload is the same bytes, and a
	// mistake otherwise.
	Key string
	// Unique is the name that this job alone may have, or empty: another is its
	// duplicate, whatever the payload, until the job has ended and UniqueFor has
	// passed since it was put.
	Unique    string
	UniqueFor time.Duration
	// Group is whose order is kept, or empty: at most one of a group is leased.
	Group    string
	Priority int // higher goes first; within Capabilities.Priorities
	// Delay is how long the job is not handed out.
	Delay time.Duration
	// TTL is when the job expires if it has not ended; 0 is never. A job that is
	// leased then is not disturbed, but not handed out again.
	TTL time.Duration
	// Keep is how long it is known how the job ended; 0 means not at all.
	Keep time.Duration
}

// A PutRequest is what to put, and where.
type PutRequest struct {
	Queue string
	Jobs  []Envelope
	// Capacity is how many jobs may wait, delayed ones included, or 0 for as many
	// as there are.
	Capacity int
	Overflow Overflow
	// Claim is how many of the jobs may be leased at once for Lease, to whoever puts
	// them; only such as would be handed out next anyway. A backend may lease fewer.
	Claim int
	Lease time.Duration
}

// Overflow is what Put does when there is no room.
type Overflow uint8

// The policies.
const (
	Reject     Overflow = iota // fail with ErrFull
	Block                      // wait until there is, or ctx ends
	DropOldest                 // end the jobs that have waited longest as failed, with ErrDropped
)

// Placed says what became of a job that was put.
type Placed struct {
	ID        string // its own, or that of the job of which it is a duplicate
	Duplicate bool
	Leased    *Leased // if it was claimed
}

// A TakeRequest is how much to take, from where, and for how long.
type TakeRequest struct {
	Queue string
	Max   int           // at least 1
	Lease time.Duration // how long each job is the taker's
	Wait  time.Duration // how long to wait for the first; 0 is as long as ctx lasts
}

// A Lease names a job and one hand-out of it.
type Lease struct {
	ID string
	// Fence counts the hand-outs of the job, those that were released too. So it
	// tells two leases of the same attempt apart.
	Fence int64
}

// Leased is a job that was handed out.
type Leased struct {
	Lease
	Kind     string
	Payload  []byte
	Header   map[string]string
	Key      string
	Group    string
	Priority int
	// Attempt counts the hand-outs that were not released, from 1.
	Attempt int
	// Checkpoint is what the last Extend that had one stored, of any attempt.
	Checkpoint []byte
	// Age is how long ago the job was put.
	Age time.Duration
	// Left is how long the job has before it expires; 0 if it does not.
	Left time.Duration
	// CancelRequested says that somebody wishes the job to end.
	CancelRequested bool
}

// An Extension makes a lease last.
type Extension struct {
	Lease
	For time.Duration
	// Progress is how far the work says it has come, or nil. Its Data is []byte or
	// nil.
	Progress *antiphon.Progress
	// Checkpoint replaces what is stored for the next attempt; nil leaves it.
	Checkpoint []byte
}

// A Settlement ends a lease.
type Settlement struct {
	Lease
	Outcome Outcome
	// State is how a job that is Done or Buried ended: succeeded, failed, canceled
	// or expired.
	State antiphon.State
	// Result and ContentType are the answer of a job that succeeded.
	Result      []byte
	ContentType string
	// Err is why it did not; of a Retry, why this attempt did not. It is kept with
	// the job.
	Err *antiphon.Error
	// Delay is how long a job that is given back is not handed out.
	Delay time.Duration
}

// Outcome is what becomes of a job whose lease ends.
type Outcome uint8

// The outcomes.
const (
	// Done: the job has ended in State. Its payload may be forgotten.
	Done Outcome = iota
	// Retry: the job is handed out again after Delay. The attempt counts.
	Retry
	// Release: the same, but as if it had not been handed out: the attempt does not
	// count.
	Release
	// Bury: the job has ended in State and is a dead letter: its payload is kept
	// until it is redriven or purged.
	Bury
)

// Stats are the numbers of a queue. -1 is for what a backend does not know.
type Stats struct {
	Ready    int // could be handed out now, if the queue is not paused
	Delayed  int // not yet: delayed, to be tried again, or behind others of their group
	Running  int // leased
	Dead     int // dead letters
	Kept     int // ended and still known, dead letters among them
	Oldest   time.Duration
	Paused   bool
	Capacity int // 0 if the backend does not know one
	// Since the backend began, or the store: how many ended how, and how many
	// hand-outs there were.
	Succeeded, Failed, Canceled, Expired, Taken int64
}
