package poller

import (
	"context"
	"time"

	"github.com/antiphon-go/antiphon"
)

// A Status is one observation of something that takes long.
//
// Zero value: nothing is known yet.
type Status[T any] struct {
	// State is how far it is. A word that is not known is no end.
	State antiphon.State
	// Value is the result, if State is succeeded; before that it may be what there
	// is so far, for Watch to show.
	Value T
	// Err is why it failed, was canceled or has expired. Nil means that nobody said.
	Err *antiphon.Error
	// Percent is how far it says to be, from 0 to 100.
	Percent float64
	// Message says so to people.
	Message string
	// After is how long to wait before asking again, as far as whoever was asked has a
	// wish, or 0.
	After time.Duration
	// Version counts the changes of what is observed, or is 0 if nobody counts them.
	// What is older than what was seen before is ignored.
	Version int64
}

// A Check asks once. An error means that this poll failed: what it asked about may be
// as before, and is asked about again unless the error is one that will not pass (see
// Options.Retryable). It returns soon after its context has ended.
type Check[T any] func(context.Context) (Status[T], error)
