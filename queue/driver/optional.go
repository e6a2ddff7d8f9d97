package driver

import (
	"context"

	"github.com/antiphon-go/antiphon"
)

// Capabilities are what a backend can do, and what it promises.
type Capabilities struct {
	// Name is for messages, such as "memory".
	Name       string
	Durability Durability
	// InProcess: all calls return without waiting for anything outside the process,
	// and the jobs end with it.
	InProcess bool
	// Delays, Groups, Keys, Uniques and Capacity say whether these fields of
	// Envelope and PutRequest are heeded.
	Delays, Groups, Keys, Uniques, Capacity bool
	// MinPriority and MaxPriority bound Envelope.Priority.
	MinPriority, MaxPriority int
	// MaxPayload is how many bytes a payload, result, or checkpoint may have. 0
	// means no limit.
	MaxPayload int
}

// Durability is what accepted jobs survive.
type Durability uint8

// The classes, each with those before it.
const (
	None        Durability = iota // nothing: they end with the process
	ProcessKill                   // that any process is killed at any time
	PowerLoss                     // that the machine loses power: Put and Settle return after the data is on the disk
)

// String returns "none", "process kill" or "power loss".
func (d Durability) String() string {
	switch d {
	case None:
		return "none"
	case ProcessKill:
		return "process kill"
	case PowerLoss:
		return "power loss"
	}
	return "unknown"
}

// A Record is what is known of a job.
type Record struct {
	antiphon.Operation
	// Payload, Header, Key, Unique and Group are as they were put; the payload is
	// nil unless it was asked for and is still there.
	Payload            []byte
	Header             map[string]string
	Key, Unique, Group string
	Priority           int
}

// Results is a Backend that knows how jobs are and how they ended. Without it no
// result can be awaited from another process.
type Results interface {
	// Lookup returns what is known of ids, in any order, without those that are not
	// known (any more).
	Lookup(ctx context.Context, queue string, ids []string, payload bool) ([]Record, error)
	// List returns what is known, without payloads, the latest put first.
	List(ctx context.Context, queue string, r ListRequest) ([]Record, error)
	// Forget makes jobs that have ended unknown, dead letters too, and returns how
	// many it were.
	Forget(ctx context.Context, queue string, ids []string) (int, error)
}

// A ListRequest is a page of a list.
type ListRequest struct {
	State antiphon.State // empty means any
	Kind  string         // empty means any
	After string         // the ID that the page before ended with, or empty
	Limit int            // at least 1
}

// A Morgue is a Backend whose dead letters can be looked at and brought back.
type Morgue interface {
	// Dead returns dead letters with their payloads, the oldest first, after the one
	// of ID after.
	Dead(ctx context.Context, queue, after string, limit int) ([]Record, error)
	// Redrive makes dead letters ready again, as if they had just been put, with no
	// attempts counted, and returns how many it were; nil ids means all. A redriven
	// job is no dead letter any more, its old end is forgotten, and it does not expire.
	Redrive(ctx context.Context, queue string, ids []string) (int, error)
	// Purge forgets dead letters, and returns how many it were; nil ids means all.
	Purge(ctx context.Context, queue string, ids []string) (int, error)
}

// A Controller is a Backend whose jobs and queues can be stopped.
type Controller interface {
	// Cancel ends a job that waits, as canceled, and marks one that is leased: its
	// holder is told by Extend. It returns what became of it; cancelling again, or
	// what has ended, changes nothing. It fails with ErrUnknownJob.
	Cancel(ctx context.Context, queue, id string) (Record, error)
	// Pause stops, or resumes, handing out jobs of a queue, for all who take from
	// it, until it is called again.
	Pause(ctx context.Context, queue string, paused bool) error
}

// A Watcher is a Backend that tells of changes. These are hints: what depends on one
// also looks by itself now and then.
type Watcher interface {
	// Watch begins to watch a queue.
	Watch(queue string) (Watch, error)
}

// A Watch tells of the changes of one queue.
//
// Concurrency: Next is called by one goroutine at a time; Close by any.
type Watch interface {
	// Next waits for changes and appends them to into. If there were more than it
	// could keep since the last call, the zero Change is among them. It fails with
	// ErrClosed after Close.
	Next(ctx context.Context, into []Change) ([]Change, error)
	Close() error
}

// A Change says that a job has another record than before.
type Change struct {
	ID              string
	State           antiphon.State
	CancelRequested bool
	// Progress: the work has reported.
	Progress bool
}

// A TxPutter is a Backend that can put within a transaction of the caller's, of type
// Tx: the jobs are there when that commits, and not if it does not.
type TxPutter[Tx any] interface {
	PutTx(ctx context.Context, tx Tx, r PutRequest) ([]Placed, error)
}
