package poller

import (
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// Options say how often and how long to ask. A zero field means its default, and nil
// options mean all of them.
//
// Ownership: options are not copied. Any number of askings may share them, and they are
// not to be changed meanwhile.
type Options struct {
	// Name is what is asked about, for observers and errors.
	Name string

	// First is how long to wait before the first poll. 0 means a random time up to Min,
	// so that a crowd that begins together does not ask together; negative means at
	// once.
	First time.Duration
	// Min and Max bound the time between the end of a poll and the next, whoever
	// proposed it. 0 means 100 ms and 30 s. Min is at least 1 ms, and Max at least Min.
	Min, Max time.Duration
	// Poll is how long to wait after a poll, by how many there were since something
	// changed; the wish of whoever is asked comes first. Nil means
	// antiphon.EqualJitter(antiphon.Geometric(time.Second, 30*time.Second, 1.5)).
	Poll antiphon.Backoff
	// Error is how long to wait after polls that failed, by how many did in a row. Nil
	// means antiphon.Exponential(500*time.Millisecond, 30*time.Second).
	Error antiphon.Backoff
	// Adaptive asks according to how far it is: half of the time that remains if it goes
	// on as fast as it did so far. It takes the place of Poll once there is progress.
	Adaptive bool

	// PerPoll is how long one poll may take. 0 means 30 s, negative no limit.
	PerPoll time.Duration
	// Elapsed is how long to go on asking: the last poll begins no later. 0 means 24 h,
	// negative no limit.
	Elapsed time.Duration
	// MaxPolls is how often to ask. 0 means no limit.
	MaxPolls int
	// MaxErrors is how many polls in a row may fail. 0 means 10, negative no limit.
	MaxErrors int
	// Confirm is how many polls in a row must see the end before it counts, for
	// whatever answers from several copies that do not agree. The first end that was
	// seen wins; a poll that failed does not break the row. 0 means 1.
	Confirm int
	// Retryable tells whether a poll that failed is worth repeating. Nil means
	// antiphon.Retryable.
	Retryable func(error) bool

	// Observer is told of polls and of giving up. May be nil.
	Observer antiphon.Observer
	// Clock is the source of time. Nil means the real one.
	Clock clock.Clock
}
