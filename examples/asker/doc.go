// Package asker puts a whole interface into the future tense: mockery
// (https://github.com/vektra/mockery) renders asker.templ for Books, and out comes
// BooksAsker, whose methods return futures.
//
// To have the same for an interface of yours, copy asker.templ and its schema next to
// it, and name both in a .mockery.yml as the one here:
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
//	Close() error                     Close() error, as it is
//
// The first of these is a future.Asker[Q, R] as a method value.
package asker

//go:generate go tool mockery --log-level=warn
