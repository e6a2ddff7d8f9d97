package poller

import (
	"context"

	"github.com/antiphon-go/antiphon"
)

// Operations is what keeps the operations that a [Server] shows: requests and results
// are encoded bytes. The Operations method of a queue.Queue returns one, and
// pollertest.TestOperations tells whether another is right.
//
// Concurrency: all methods are called by any number of goroutines.
//
// Ownership: neither side modifies what it was given or has given.
//
// Errors: an id that is not known, or not any more, is code not_found; no room for
// another operation code resource_exhausted, a request that cannot be meant
// invalid_argument, and a key that belongs to another request already_exists, all of
// class not accepted. What an implementation cannot do is errors.ErrUnsupported.
type Operations interface {
	// Submit accepts a request: when it returns an operation, that is stored. The
	// operation expires with ctx's deadline, and ending ctx after Submit has returned
	// does nothing else. Of info, Key and Header count: as long as the operation is
	// known, another Submit of an equal payload with the same Key, which may be empty
	// for none, returns it, with known; and Header, which reaches the work, is the
	// Metadata of the operation.
	Submit(ctx context.Context, payload []byte, info antiphon.Info) (op antiphon.Operation, known bool, err error)
	// Get returns the operation as it is.
	Get(ctx context.Context, id string) (antiphon.Operation, error)
	// Wait is Get that waits until Version is greater than after, or the operation has
	// ended, or ctx has: then it returns the operation as it was last, and no error.
	Wait(ctx context.Context, id string, after int64) (antiphon.Operation, error)
	// Cancel wishes an operation to end, and returns it. It changes nothing about one
	// that has.
	Cancel(ctx context.Context, id string) (antiphon.Operation, error)
	// Delete forgets an operation that has ended. It fails with code
	// failed_precondition if it has not.
	Delete(ctx context.Context, id string) error
	// List returns operations, the latest submitted first: at most limit (1 or more) of
	// those in a state (empty: any), after the one of ID after (empty: from the first
	// on). An ID after that is not known gives none, or an error of code not_found.
	List(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error)
}
