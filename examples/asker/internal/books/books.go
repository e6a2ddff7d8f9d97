// Package books stands for a library that you have, or that others have made.
package books

import (
	"context"
	"time"
)

// Books is a synchronous interface as you have it, with a method of every shape.
type Books interface {
	Title(ctx context.Context, number int64) (string, error)
	Count(ctx context.Context) (int, error)
	Return(ctx context.Context, number int64) error
	Sync(ctx context.Context) error
	Lend(ctx context.Context, number int64, reader string, d time.Duration) (time.Time, error)
	Search(ctx context.Context, words string, opts ...Option) ([]int64, error)
	Newest(context.Context, ...Option) (int64, error)

	// These do not fit, and are passed through.

	Name() string
	Close() error
	Position(ctx context.Context, number int64) (shelf string, place int, err error)
}

// An Option narrows a search.
type Option func(*Search)

// A Search is what options change.
type Search struct{ Limit int }

// AtMost is an Option.
func AtMost(n int) Option { return func(s *Search) { s.Limit = n } }

// A Store is an interface with type parameters: those become parameters of the
// asker too.
type Store[K comparable, V any] interface {
	Get(ctx context.Context, key K) (V, error)
	Put(ctx context.Context, key K, value V) error
}
