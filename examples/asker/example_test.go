package asker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/examples/asker"
	"github.com/antiphon-go/antiphon/future"
)

// shelf is a Books that answers at once.
type shelf []string

func (s shelf) Title(_ context.Context, number int64) (string, error) {
	if number < 0 || number >= int64(len(s)) {
		return "", &antiphon.Error{Code: antiphon.CodeNotFound, Message: fmt.Sprintf("no book %d", number)}
	}
	return s[number], nil
}

func (s shelf) Count(context.Context) (int, error)                     { return len(s), nil }
func (s shelf) Return(ctx context.Context, n int64) error              { _, err := s.Title(ctx, n); return err }
func (s shelf) Sync(context.Context) error                             { return errors.ErrUnsupported }
func (s shelf) Name() string                                           { return "the shelf by the door" }
func (s shelf) Close() error                                           { return nil }
func (s shelf) Newest(context.Context, ...asker.Option) (int64, error) { return int64(len(s)) - 1, nil }

func (s shelf) Lend(_ context.Context, number int64, reader string, d time.Duration) (time.Time, error) {
	return time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).Add(d), nil
}

func (s shelf) Search(_ context.Context, _ string, opts ...asker.Option) ([]int64, error) {
	search := asker.Search{Limit: len(s)}
	for _, opt := range opts {
		opt(&search)
	}
	return []int64{0, 1, 2}[:search.Limit], nil
}

func (s shelf) Position(_ context.Context, number int64) (string, int, error) {
	return s.Name(), int(number), nil
}

func Example() {
	ctx := context.Background()
	books := asker.NewBooksAsker(shelf{"Iliad", "Odyssey", "Theogony"}, &future.Policy{Limit: 10})

	titles := future.All(books.Title(ctx, 0), books.Title(ctx, 1)) // asked for at once
	count := books.Count(ctx)
	found := books.Search(ctx, "gods", asker.AtMost(2))
	due := books.Lend(ctx, 2, "Hesiod", 14*24*time.Hour)
	missing := books.Return(ctx, 99)

	fmt.Println(titles.Await(ctx))
	fmt.Println(count.Await(ctx))
	fmt.Println(found.Await(ctx))
	day, err := due.Await(ctx)
	fmt.Println(day.Format(time.DateOnly), err)
	_, err = missing.Await(ctx)
	fmt.Println(err)
	fmt.Println(books.Name()) // takes no context, and is passed through
	// Output:
	// [Iliad Odyssey] <nil>
	// 3 <nil>
	// [0 1] <nil>
	// 2026-05-15 <nil>
	// no book 99
	// the shelf by the door
}

// A method with one argument is an Asker, for whatever takes one.
func Example_asker() {
	ctx := context.Background()
	books := asker.NewBooksAsker(shelf{"Iliad", "Odyssey", "Theogony"}, nil)

	var title future.Asker[int64, string] = books.Title
	for text, err := range future.ParallelSeq(ctx, 2, numbers, future.Block(title)) {
		fmt.Println(text, err)
	}
	// Output:
	// Theogony <nil>
	// Iliad <nil>
}

func numbers(yield func(int64) bool) { _ = yield(2) && yield(0) }
