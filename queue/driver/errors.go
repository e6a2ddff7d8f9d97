package driver

import "github.com/antiphon-go/antiphon"

// Sentinels, for errors.Is. Package queue has them under the same names.
var (
	// ErrLeaseLost: the lease is over, and nothing was changed.
	ErrLeaseLost error = &antiphon.Error{
		Code:    antiphon.CodeAborted,
		Class:   antiphon.ClassUnknown,
		Reason:  "queue.lease_lost",
		Message: "queue: the lease is over",
	}
	// ErrCanceled: somebody wishes the job to end.
	ErrCanceled error = &antiphon.Error{
		Code:    antiphon.CodeCanceled,
		Class:   antiphon.ClassUnknown,
		Reason:  "queue.canceled",
		Message: "queue: the job was canceled",
	}
	// ErrFull: there is no room for the jobs. Of class not accepted.
	ErrFull error = &antiphon.Error{
		Code:    antiphon.CodeResourceExhausted,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "queue.full",
		Message: "queue: full",
	}
	// ErrDropped: the job had to give way to newer ones.
	ErrDropped error = &antiphon.Error{
		Code:      antiphon.CodeResourceExhausted,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "queue.dropped",
		Message:   "queue: dropped for newer jobs",
		Permanent: true,
	}
	// ErrKeyReused: the idempotency key belongs to a job with another payload.
	ErrKeyReused error = &antiphon.Error{
		Code:      antiphon.CodeAlreadyExists,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "queue.key_reused",
		Message:   "queue: the idempotency key is taken by another payload",
		Permanent: true,
	}
	// ErrUnknownJob: there is no such job, or it ended too long ago to be known.
	ErrUnknownJob error = &antiphon.Error{
		Code:      antiphon.CodeNotFound,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "queue.unknown_job",
		Message:   "queue: no such job, or not any more",
		Permanent: true,
	}
	// ErrExpired: the job's time to live was over before it had ended.
	ErrExpired error = &antiphon.Error{
		Code:    antiphon.CodeDeadlineExceeded,
		Class:   antiphon.ClassUnknown,
		Reason:  "queue.expired",
		Message: "queue: expired",
	}
	// ErrClosed: the backend, or the queue, is closed. Of class not accepted.
	ErrClosed error = &antiphon.Error{
		Code:    antiphon.CodeUnavailable,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "queue.closed",
		Message: "queue: closed",
	}
)
