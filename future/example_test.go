package future_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// library stands for a synchronous client.
type library struct{}

// Title looks up a book by its number, and takes its time.
func (library) Title(ctx context.Context, number int) (string, error) {
	select {
	case <-time.After(time.Duration(number) * time.Millisecond):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	titles := []string{"Iliad", "Odyssey", "Theogony", "Works and Days"}
	if number >= len(titles) {
		return "", &antiphon.Error{Code: antiphon.CodeNotFound, Message: fmt.Sprintf("no book %d", number)}
	}
	return titles[number], nil
}

var (
	ctx   = context.Background()
	books library
)

func Example() {
	title := future.Lift(books.Title, nil) // from the present tense into the future

	first, second := title(ctx, 0), title(ctx, 1) // both return at once
	fmt.Println("asked")

	a, err := first.Await(ctx)
	fmt.Println(a, err)
	b, err := second.Await(ctx)
	fmt.Println(b, err)
	// Output:
	// asked
	// Iliad <nil>
	// Odyssey <nil>
}

// The same with calls that wait.
func Example_synchronous() {
	a, err := books.Title(ctx, 0)
	fmt.Println(a, err)
	b, err := books.Title(ctx, 1)
	fmt.Println(b, err)
	fmt.Println("asked")
	// Output:
	// Iliad <nil>
	// Odyssey <nil>
	// asked
}

func ExampleGo() {
	sum := future.Go(ctx, func(context.Context) (int, error) { return 40 + 2, nil })
	fmt.Println(sum.Await(ctx))
	// Output: 42 <nil>
}

func ExampleLift() {
	title := future.Lift(books.Title, &future.Policy{
		Timeout:     time.Second, // for each attempt
		Attempts:    3,
		Concurrency: 10, // calls at once, over all asks
	})
	_, err := title(ctx, 99).Await(ctx)
	fmt.Println(antiphon.CodeOf(err), antiphon.ClassOf(err))
	// Output: not_found failed
}

// The same policy for calls that wait.
func ExampleLift_synchronous() {
	title := future.With(books.Title, &future.Policy{
		Timeout:     time.Second,
		Attempts:    3,
		Concurrency: 10,
	})
	_, err := title(ctx, 99)
	fmt.Println(antiphon.CodeOf(err), antiphon.ClassOf(err))
	// Output: not_found failed
}

func ExampleWith() {
	patient := future.With(books.Title, &future.Policy{Attempts: 3})
	fmt.Println(patient(ctx, 2)) // still a plain call
	// Output: Theogony <nil>
}

func ExampleBlock() {
	title := future.Lift(books.Title, nil)
	fmt.Println(future.Block(title)(ctx, 3))
	// Output: Works and Days <nil>
}

func ExampleCall() {
	title := future.Call(ctx, books.Title, 1)
	fmt.Println(title.Await(ctx))
	// Output: Odyssey <nil>
}

func ExampleCallOpts() {
	type option func(*strings.Builder)
	loudly := func(b *strings.Builder) { b.WriteByte('!') }
	greet := func(_ context.Context, who string, opts ...option) (string, error) {
		b := new(strings.Builder)
		b.WriteString("hail, " + who)
		for _, o := range opts {
			o(b)
		}
		return b.String(), nil
	}
	fmt.Println(future.CallOpts(ctx, greet, "Calliope", loudly).Await(ctx))
	// Output: hail, Calliope! <nil>
}

func ExamplePromise() {
	var answer future.Promise[string]
	go func() { // whoever learns the answer
		answer.Resolve("forty-two")
	}()
	fmt.Println(answer.Future().Await(ctx))
	fmt.Println(answer.Resolve("too late"))
	// Output:
	// forty-two <nil>
	// false
}

func ExampleFuture_OnDone() {
	told := make(chan struct{})
	future.Of("done").OnDone(func(r future.Result[string]) {
		fmt.Println(r.Get())
		close(told)
	})
	<-told
	// Output: done <nil>
}

func ExampleFuture_Await_givingUp() {
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	var answer future.Promise[int] // that nobody settles
	_, err := answer.Future().Await(short)
	fmt.Println(errors.Is(err, future.ErrPending), errors.Is(err, context.DeadlineExceeded))
	// Output: true true
}

func ExampleFailed() {
	f := future.Failed[int](errors.New("out of ink"))
	r, settled := f.Peek()
	fmt.Println(r.Err, settled)
	// Output: out of ink true
}

func ExampleMap() {
	title := future.Call(ctx, books.Title, 0)
	length := future.Map(title, func(s string) (int, error) { return len(s), nil })
	fmt.Println(length.Await(ctx))
	// Output: 5 <nil>
}

func ExampleThen() {
	title := future.Lift(books.Title, nil)
	second := future.Then(title(ctx, 0), func(s string) *future.Future[string] {
		return title(ctx, len(s)-2) // a second ask, depending on the first
	})
	fmt.Println(second.Await(ctx))
	// Output: Works and Days <nil>
}

func ExampleRecover() {
	title := future.Recover(future.Call(ctx, books.Title, 99), func(err error) (string, error) {
		if antiphon.CodeOf(err) == antiphon.CodeNotFound {
			return "(lost)", nil
		}
		return "", err
	})
	fmt.Println(title.Await(ctx))
	// Output: (lost) <nil>
}

func ExampleAll() {
	title := future.Lift(books.Title, nil)
	all := future.All(title(ctx, 1), title(ctx, 0), title(ctx, 2))
	fmt.Println(all.Await(ctx))
	// Output: [Odyssey Iliad Theogony] <nil>
}

func ExampleSettled() {
	title := future.Lift(books.Title, nil)
	rs, _ := future.Settled(title(ctx, 0), title(ctx, 99)).Await(ctx)
	for _, r := range rs {
		fmt.Printf("%q %v\n", r.Value, r.Err)
	}
	// Output:
	// "Iliad" <nil>
	// "" no book 99
}

func ExampleAny() {
	title := future.Lift(books.Title, nil)
	fmt.Println(future.Any(title(ctx, 99), title(ctx, 3)).Await(ctx))
	// Output: Works and Days <nil>
}

func ExampleRace() {
	var never future.Promise[string]
	fmt.Println(future.Race(never.Future(), future.Call(ctx, books.Title, 1)).Await(ctx))
	// Output: Odyssey <nil>
}

func ExampleFirst() {
	lost := make(chan error)
	push := func(ctx context.Context) *future.Future[string] {
		return future.Go(ctx, func(ctx context.Context) (string, error) {
			<-ctx.Done() // the push does not come
			lost <- context.Cause(ctx)
			return "", ctx.Err()
		})
	}
	poll := func(ctx context.Context) *future.Future[string] {
		return future.Call(ctx, books.Title, 2)
	}
	fmt.Println(future.First(ctx, push, poll).Await(ctx))
	fmt.Println("push:", <-lost)
	// Output:
	// Theogony <nil>
	// push: future: another attempt was faster
}

func ExampleAsCompleted() {
	title := future.Lift(books.Title, nil)
	for i, r := range future.AsCompleted(ctx, title(ctx, 30), title(ctx, 3), title(ctx, 0)) {
		fmt.Println(i, r.Value, r.Err)
	}
	// Output:
	// 2 Iliad <nil>
	// 1 Works and Days <nil>
	// 0  no book 30
}

func ExampleRun() {
	var a, b string
	err := future.Run(ctx, func(s *future.Scope) (err error) {
		s.SetLimit(2)
		first, second := future.Call(s, books.Title, 0), future.Call(s, books.Title, 1)
		if a, err = first.Await(s); err != nil {
			return err
		}
		b, err = second.Await(s)
		return err
	}) // whatever was started in it has ended
	fmt.Println(a, b, err)
	// Output: Iliad Odyssey <nil>
}

func ExampleHedge() {
	var calls atomic.Int32
	title := future.Hedge(ctx, 5*time.Millisecond, 2, func(ctx context.Context) (string, error) {
		if calls.Add(1) == 1 { // the first call hangs
			<-ctx.Done()
			return "", ctx.Err()
		}
		return books.Title(ctx, 1)
	})
	fmt.Println(title.Await(ctx))
	// Output: Odyssey <nil>
}

func ExampleParallel() {
	titles, err := future.Parallel(ctx, 2, []int{2, 1, 0}, books.Title)
	fmt.Println(titles, err)
	// Output: [Theogony Odyssey Iliad] <nil>
}

func ExampleParallelSeq() {
	numbers := slices.Values([]int{3, 0, 99, 1})
	for title, err := range future.ParallelSeq(ctx, 2, numbers, books.Title) {
		fmt.Println(title, err)
	}
	// Output:
	// Works and Days <nil>
	// Iliad <nil>
	//  no book 99
}

func ExampleLazy() {
	tries := 0
	catalogue := future.Lazy[string]{New: func(context.Context) (string, error) {
		if tries++; tries == 1 {
			return "", errors.New("the shelf is locked")
		}
		return "catalogue", nil
	}}
	for range 3 {
		fmt.Println(catalogue.Get(ctx))
	}
	fmt.Println("tries:", tries)
	// Output:
	//  the shelf is locked
	// catalogue <nil>
	// catalogue <nil>
	// tries: 2
}

func ExampleGroup() {
	var shared future.Group[int, string]
	title := shared.Lift(func(ctx context.Context, number int) (string, error) {
		fmt.Println("looking up", number)
		return books.Title(ctx, number)
	})
	fmt.Println(future.All(title(ctx, 1), title(ctx, 1), title(ctx, 1)).Await(ctx))
	// Output:
	// looking up 1
	// [Odyssey Odyssey Odyssey] <nil>
}
