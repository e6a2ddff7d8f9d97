// Asker puts whole interfaces into the future tense: mockery
// (https://github.com/vektra/mockery) renders asker.templ for books.Books, and out comes
// BooksAsker, whose methods return futures.
//
// To have the same for an interface of yours, or for one from elsewhere, copy
// asker.templ and its schema, and name both in a .mockery.yml as the one here:
//
//	go get -tool github.com/vektra/mockery/v3
//	go tool mockery
//
// What becomes of a method depends on its shape:
//
//	Title(ctx, Q) (R, error)          Title(ctx, Q) *future.Future[R]
//	Count(ctx) (R, error)             Count(ctx) *future.Future[R]
//	Return(ctx, Q) error              Return(ctx, Q) *future.Future[struct{}]
//	Lend(ctx, A, B) (R, error)        Lend(ctx, A, B) *future.Future[R]
//	Search(ctx, Q, ...O) (R, error)   Search(ctx, Q, ...O) *future.Future[R]
//	Close() error                     Close() error: that of the client
//
// The first and the third are Askers as they stand: see title below.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon/examples/asker/internal/books"
	"github.com/antiphon-go/antiphon/future"
)

//go:generate go tool mockery --log-level=warn

func main() {
	ctx := context.Background()
	library := NewBooksAsker(shelf{"Iliad", "Odyssey", "Theogony"}, &future.Policy{Concurrency: 10})

	// Asked for at once; nobody has waited yet.
	titles := future.All(library.Title(ctx, 0), library.Title(ctx, 1))
	count := library.Count(ctx)
	found := library.Search(ctx, "gods", books.AtMost(2))
	due := library.Lend(ctx, 2, "Hesiod", 14*24*time.Hour)
	missing := library.Return(ctx, 99)

	fmt.Println(titles.Await(ctx))
	fmt.Println(count.Await(ctx))
	fmt.Println(found.Await(ctx))
	day, err := due.Await(ctx)
	fmt.Println(day.Format(time.DateOnly), err)
	_, err = missing.Await(ctx)
	fmt.Println(err)
	fmt.Println(library.Name()) // takes no context: that of the shelf

	var title future.Asker[int64, string] = library.Title // for whatever takes one
	fmt.Println(future.Parallel(ctx, 2, []int64{2, 0}, future.Block(title)))
}
