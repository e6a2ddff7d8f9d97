package poller_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
)

// A build takes a few looks until it is done.
func build(name string) poller.Check[string] {
	looks := 0
	return func(context.Context) (poller.Status[string], error) {
		looks++
		if looks < 3 {
			return poller.Status[string]{State: antiphon.StateRunning, Percent: float64(looks) * 40}, nil
		}
		return poller.Status[string]{State: antiphon.StateSucceeded, Percent: 100, Value: name + ".tar.gz"}, nil
	}
}

var often = &poller.Options{Min: time.Millisecond, Max: 2 * time.Millisecond}

func ExampleWait() {
	artifact, err := poller.Wait(context.Background(), build("antiphon"), often)
	fmt.Println(artifact, err)
	// Output: antiphon.tar.gz <nil>
}

// What ended badly, a poll that will not pass, and a limit are three things.
func ExampleWait_errors() {
	ctx := context.Background()
	for _, check := range []poller.Check[string]{
		func(context.Context) (poller.Status[string], error) {
			return poller.Status[string]{State: antiphon.StateFailed, Message: "tests are red"}, nil
		},
		func(context.Context) (st poller.Status[string], err error) {
			return st, antiphon.Errorf(antiphon.CodeNotFound, "no such build")
		},
		func(context.Context) (st poller.Status[string], err error) {
			return poller.Status[string]{State: "brewing"}, nil
		},
	} {
		_, err := poller.Wait(ctx, check, &poller.Options{Name: "build 7", Min: 1, Max: 1, MaxPolls: 3})
		fmt.Println(err)
		fmt.Println(antiphon.ClassOf(err), errors.Is(err, poller.ErrPolls))
	}
	// Output:
	// poller: build 7 ended as failed: tests are red
	// failed false
	// poller: gave up on build 7 after 1 poll (the last poll failed: no such build)
	// unknown false
	// poller: gave up on build 7 after 3 polls, last seen brewing: poller: asked as often as allowed
	// unknown true
}

func ExampleWatch() {
	for st, err := range poller.Watch(context.Background(), build("antiphon"), often) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%s %.0f%% %q\n", st.State, st.Percent, st.Value)
	}
	// Output:
	// running 40% ""
	// running 80% ""
	// succeeded 100% "antiphon.tar.gz"
}

// Many builds cost an entry in a table each, and a goroutine while they are asked.
func ExampleSubmit() {
	var s poller.Scheduler // of the whole program
	defer s.Close()

	ctx := context.Background()
	linux := poller.Submit(ctx, &s, build("linux"), often)
	darwin := poller.Submit(ctx, &s, build("darwin"), often)

	artifacts, err := future.All(linux, darwin).Await(ctx)
	fmt.Println(artifacts, err)
	// Output: [linux.tar.gz darwin.tar.gz] <nil>
}

// The same with calls that wait, one after the other.
func ExampleSubmit_synchronous() {
	ctx := context.Background()
	linux, err := poller.Wait(ctx, build("linux"), often)
	fmt.Println(linux, err)
	darwin, err := poller.Wait(ctx, build("darwin"), often)
	fmt.Println(darwin, err)
	// Output:
	// linux.tar.gz <nil>
	// darwin.tar.gz <nil>
}

func ExampleScheduler() {
	s := poller.Scheduler{Concurrency: 8, MaxPending: 1} // eight at a time, for one
	first := poller.Submit(context.Background(), &s, build("first"), nil)
	second := poller.Submit(context.Background(), &s, build("second"), nil)
	s.Close()

	_, err := first.Await(context.Background())
	fmt.Println(errors.Is(err, poller.ErrClosed), antiphon.ClassOf(err))
	_, err = second.Await(context.Background())
	fmt.Println(errors.Is(err, poller.ErrFull), antiphon.ClassOf(err))
	// Output:
	// true unknown
	// true not_accepted
}

// Of a hundred builds none is asked about alone.
func ExampleBatch() {
	var s poller.Scheduler
	defer s.Close()
	calls := 0
	check := poller.Batch(&s, 20*time.Millisecond, 100, func(_ context.Context, ids []string) (map[string]poller.Status[string], error) {
		calls++
		builds := map[string]poller.Status[string]{}
		for _, id := range ids {
			builds[id] = poller.Status[string]{State: antiphon.StateSucceeded, Value: id + ".tar.gz"}
		}
		return builds, nil
	})

	ctx := context.Background()
	var all []*future.Future[string]
	for i := range 100 {
		all = append(all, poller.Submit(ctx, &s, check(fmt.Sprint("build-", i)), &poller.Options{First: -1}))
	}
	artifacts, err := future.All(all...).Await(ctx)
	fmt.Println(len(artifacts), artifacts[42], err)
	fmt.Println("calls:", calls)
	// Output:
	// 100 build-42.tar.gz <nil>
	// calls: 1
}
