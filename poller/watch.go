package poller

import (
	"context"
	"iter"
)

// Watch is [Wait] that shows what it sees: each observation, and in the end the one of
// the end, with the error if it did not succeed. If nobody looks any more, a
// [PollError] comes with the last that was seen.
//
// An error is always the last that is yielded: polls that failed and are repeated, and
// what comes from the past or before an end is confirmed, are for the Observer alone.
// Leaving the loop ends the polling. The next poll is made when the body of the loop
// has come back; each loop over the sequence begins anew.
func Watch[T any](ctx context.Context, c Check[T], o *Options) iter.Seq2[Status[T], error] {
	return func(yield func(Status[T], error) bool) {
		left := false
		last, err := follow(ctx, c, o, func(st Status[T]) bool {
			left = !yield(st, nil)
			return !left
		})
		if !left {
			yield(last, err)
		}
	}
}
