package main

import (
	"context"
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/examples/asker/internal/books"
)

// shelf stands for the client that you have: a books.Books that knows nothing of futures.
type shelf []string

func (s shelf) Title(_ context.Context, number int64) (string, error) {
	if number < 0 || number >= int64(len(s)) {
		return "", antiphon.Errorf(antiphon.CodeNotFound, "there is no book %d", number)
	}
	return s[number], nil
}

func (s shelf) Count(context.Context) (int, error) { return len(s), nil }

func (s shelf) Return(ctx context.Context, number int64) error {
	_, err := s.Title(ctx, number)
	return err
}

func (s shelf) Sync(context.Context) error { return errors.ErrUnsupported }

func (s shelf) Lend(ctx context.Context, number int64, _ string, d time.Duration) (time.Time, error) {
	_, err := s.Title(ctx, number)
	return time.Date(2026, time.May, 1, 0, 0, 0, 0, time.UTC).Add(d), err
}

func (s shelf) Search(_ context.Context, _ string, opts ...books.Option) ([]int64, error) {
	search := books.Search{Limit: len(s)}
	for _, opt := range opts {
		opt(&search)
	}
	var found []int64
	for i := range min(search.Limit, len(s)) {
		found = append(found, int64(i))
	}
	return found, nil
}

func (s shelf) Newest(context.Context, ...books.Option) (int64, error) { return int64(len(s)) - 1, nil }

func (s shelf) Position(_ context.Context, number int64) (string, int, error) {
	return s.Name(), int(number), nil
}

func (s shelf) Name() string { return "the shelf by the door" }
func (s shelf) Close() error { return nil }
