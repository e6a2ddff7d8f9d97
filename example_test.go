package antiphon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/antiphon-go/antiphon"
)

// ErrNoSuchBook is a sentinel: it has a Reason, and keeps it across a wire.
var ErrNoSuchBook = &antiphon.Error{
	Code:    antiphon.CodeNotFound,
	Reason:  "library.no_such_book",
	Message: "no such book",
}

func ExampleError() {
	sent, _ := json.Marshal(antiphon.FromError(fmt.Errorf("shelf 7: %w", ErrNoSuchBook)))
	fmt.Println(string(sent))

	received := new(antiphon.Error)
	_ = json.Unmarshal(sent, received)
	fmt.Println(received, errors.Is(received, ErrNoSuchBook))
	// Output:
	// {"code":"not_found","message":"shelf 7: no such book","class":"failed","reason":"library.no_such_book","marks":["library.no_such_book"]}
	// shelf 7: no such book true
}

func ExampleClassOf() {
	for _, err := range []error{
		&antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassNotAccepted},
		errors.New("out of paper"),
		context.DeadlineExceeded,
	} {
		switch antiphon.ClassOf(err) {
		case antiphon.ClassNotAccepted:
			fmt.Println("not done: ask again")
		case antiphon.ClassFailed:
			fmt.Println("done, and ended badly:", err)
		case antiphon.ClassUnknown:
			fmt.Println("done or not: look before you ask again")
		}
	}
	// Output:
	// not done: ask again
	// done, and ended badly: out of paper
	// done or not: look before you ask again
}

func ExampleErrorf() {
	err := antiphon.Errorf(antiphon.CodeInvalidArgument, "page %d of %d", 9, 8)
	fmt.Println(err, antiphon.CodeOf(err))
	// Output: page 9 of 8 invalid_argument
}

func ExamplePermanent() {
	err := antiphon.Permanent(errors.New("the book is burnt"))
	fmt.Println(err, antiphon.Retryable(err))
	// Output: the book is burnt false
}

func ExampleRetryAfter() {
	err := antiphon.RetryAfter(errors.New("closed for lunch"), time.Hour)
	after, _ := antiphon.RetryDelay(err)
	fmt.Println(err, after)
	// Output: closed for lunch 1h0m0s
}

func ExampleGeometric() {
	b := antiphon.Geometric(time.Second, 5*time.Second, 2)
	fmt.Println(b(1), b(2), b(3), b(4), b(1_000_000))
	// Output: 1s 2s 4s 5s 5s
}

func ExampleExponential() {
	b := antiphon.Exponential(100*time.Millisecond, 10*time.Second)
	d := b(3) // anything from 0 to 400 ms
	fmt.Println(d >= 0, d <= 400*time.Millisecond)
	// Output: true true
}

func ExampleEqualJitter() {
	b := antiphon.EqualJitter(antiphon.Constant(time.Second))
	d := b(1) // anything from half a second to a second
	fmt.Println(d >= 500*time.Millisecond, d <= time.Second)
	// Output: true true
}

func ExampleFullJitter() {
	b := antiphon.FullJitter(antiphon.Constant(time.Second))
	fmt.Println(b(1) <= time.Second)
	// Output: true
}

func ExampleConstant() {
	fmt.Println(antiphon.Constant(time.Second)(7))
	// Output: 1s
}

func ExampleReport() {
	render := func(ctx context.Context) {
		antiphon.Report(ctx, 50, "half way", nil)
	}
	ctx := antiphon.WithProgress(context.Background(), func(p antiphon.Progress) {
		fmt.Printf("%.0f %%: %s\n", p.Percent, p.Message)
	})
	render(ctx)
	// Output: 50 %: half way
}

func ExampleDataAs() {
	ctx := antiphon.WithProgress(context.Background(), func(p antiphon.Progress) {
		fmt.Println(antiphon.DataAs[[]string](p, nil))
	})
	antiphon.Report(ctx, 50, "", []string{"chapter 1", "chapter 2"})
	// Output: [chapter 1 chapter 2] <nil>
}

func ExampleInfoFrom() {
	ctx := antiphon.WithInfo(context.Background(), antiphon.Info{Attempt: 2})
	fmt.Println(antiphon.InfoFrom(ctx).Attempt)
	// Output: 2
}

func ExampleOperation() {
	data, _ := json.Marshal(antiphon.Operation{ID: "7", State: antiphon.StateSucceeded, Percent: 100, Result: []byte(`{"pages":8}`)})
	fmt.Println(string(data))
	// Output: {"id":"7","status":"Succeeded","done":true,"percentComplete":100,"version":0,"result":{"pages":8}}
}

func ExampleJSON() {
	strict := antiphon.JSON{MaxDepth: 2}
	var v any
	err := strict.Unmarshal([]byte(`[[["deep"]]]`), &v)
	fmt.Println(errors.Is(err, antiphon.ErrTooLarge))
	// Output: true
}

func ExampleSlogObserver() {
	plain := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	count := func(antiphon.Event) { fmt.Println("counted") }
	observer := antiphon.Observers(antiphon.SlogObserver(slog.New(plain)), count)
	observer.Emit(antiphon.Event{Name: "future.retry", Attempt: 1, Err: errors.New("busy")})
	// Output:
	// level=WARN msg=future.retry attempt=1 code=unknown class=failed error=busy
	// counted
}
