package future_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/future"
)

const pendingProfile = "github.com/antiphon-go/antiphon/future.Pending"

// debugged runs this test again in a process with ANTIPHON_DEBUG set, in which
// it calls body, and returns what that process printed.
func debugged(t *testing.T, words string, body func()) string {
	t.Helper()
	if os.Getenv("ANTIPHON_DEBUGGED") == t.Name() {
		body()
		os.Exit(0)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "ANTIPHON_DEBUG="+words, "ANTIPHON_DEBUGGED="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = append(out, "\nended with "+err.Error()...)
	}
	return string(out)
}

// A logBuffer may be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func expect(t *testing.T, out string, wanted, unwanted []string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(out, w) {
			t.Errorf("%q is missing in\n%s", w, out)
		}
	}
	for _, u := range unwanted {
		if strings.Contains(out, u) {
			t.Errorf("%q is not to be in\n%s", u, out)
		}
	}
}

func TestDebugPendingProfile(t *testing.T) {
	out := debugged(t, " pending ,other", func() {
		var p future.Promise[int]
		f := p.Future()
		if p.Future() != f {
			fmt.Println("a promise has two futures")
		}
		gate := make(chan struct{})
		g := future.Go(context.Background(), func(context.Context) (int, error) { <-gate; return 1, nil })
		ask := future.Lift(func(context.Context, int) (int, error) { <-gate; return 1, nil }, &future.Policy{Concurrency: 1})(context.Background(), 1)
		show := func() {
			profile := pprof.Lookup(pendingProfile)
			fmt.Println("pending:", profile.Count())
			_ = profile.WriteTo(os.Stdout, 1)
		}
		show()
		close(gate)
		p.Resolve(7)
		fmt.Println(future.All(f, g, ask).Await(context.Background()))
		fmt.Println("pending:", pprof.Lookup(pendingProfile).Count())
	})
	expect(t, out, []string{"pending: 3", "debug_test.go", "[7 1 1] <nil>", "pending: 0"}, []string{"two futures", "ended with"})
}

func TestDebugAbandonedPromise(t *testing.T) {
	out := debugged(t, "pending", func() {
		type holder struct {
			name string
			p    future.Promise[int]
		}
		abandon := func() *future.Future[int] {
			h := &holder{name: "embedded"}
			return future.Map(h.p.Future(), func(i int) (int, error) { return i, nil })
		}
		f := abandon()
		for range 50 {
			runtime.GC()
			if r, ok := f.Peek(); ok {
				fmt.Println("abandoned:", errors.Is(r.Err, future.ErrAbandoned))
				return
			}
			<-time.After(10 * time.Millisecond)
		}
	})
	expect(t, out, []string{"abandoned: true"}, []string{"ended with"})
}

func TestDebugUnseenFailures(t *testing.T) {
	out := debugged(t, "pending", func() {
		var logged logBuffer
		slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
		fail := func(text string, look func(*future.Future[int])) {
			f := future.Go(context.Background(), func(context.Context) (int, error) { return 0, errors.New(text) })
			look(f)
		}
		background := context.Background()
		fail("nobody looked", func(*future.Future[int]) {})
		for range 100 { // also at the moment of settling
			fail("peeked at", func(f *future.Future[int]) {
				for _, ok := f.Peek(); !ok; _, ok = f.Peek() {
					runtime.Gosched()
				}
			})
		}
		fail("awaited", func(f *future.Future[int]) { _, _ = f.Await(background) })
		fail("mapped", func(f *future.Future[int]) {
			_, _ = future.Map(f, func(i int) (int, error) { return i, nil }).Await(background)
		})
		fail("in all", func(f *future.Future[int]) { _, _ = future.All(f).Await(background) })
		fail("settled late", func(f *future.Future[int]) {
			<-time.After(10 * time.Millisecond)
			_, _ = f.Await(background)
		})
		collect := func(until func() bool) {
			for i := 0; i < 500 && !until(); i++ {
				runtime.GC()
				<-time.After(5 * time.Millisecond)
			}
		}
		collect(func() bool { return strings.Contains(logged.String(), "nobody looked at a failure") })
		rounds := 0
		collect(func() bool { rounds++; return rounds > 5 }) // what else there might be
		fmt.Println(logged.String())
	})
	expect(t, out, []string{"nobody looked at a failure", `error="nobody looked"`, "debug_test.go"},
		[]string{"peeked at", "awaited", "mapped", "in all", "settled late", "ended with"})
}

func TestDebugPanicsAreLetThrough(t *testing.T) {
	out := debugged(t, "panics", func() {
		_, err := future.Go(context.Background(), func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }).Await(context.Background())
		fmt.Println(err)
		_, _ = future.Go(context.Background(), func(context.Context) (int, error) { panic("let me through") }).Await(context.Background())
		fmt.Println("still here")
	})
	expect(t, out, []string{"runtime.Goexit", "panic: let me through", "debug_test.go", "ended with"}, []string{"still here"})
}

func TestWithoutDebugNothingIsKept(t *testing.T) {
	if os.Getenv("ANTIPHON_DEBUG") != "" {
		t.Skip("NOT CHECKED: that nothing is kept without ANTIPHON_DEBUG, for it is set")
	}
	var p future.Promise[int]
	_ = p.Future()
	future.Go(t.Context(), func(context.Context) (int, error) { return 0, errBoom })
	var out bytes.Buffer
	if profile := pprof.Lookup(pendingProfile); profile != nil && profile.Count() > 0 {
		_ = profile.WriteTo(&out, 1)
		t.Errorf("%s", out.String())
	}
}

//go:noinline
func makesAPromise(p *future.Promise[int]) *future.Future[int] { return p.Future() }

//go:noinline
func makesATask(gate chan struct{}) *future.Future[int] {
	return future.Go(context.Background(), func(context.Context) (int, error) { <-gate; return 1, nil })
}

// The profile shows who made what is pending, from the caller up.
func TestDebugProfileShowsTheMaker(t *testing.T) {
	out := debugged(t, "pending", func() {
		var p future.Promise[int]
		gate := make(chan struct{})
		fs := []*future.Future[int]{makesAPromise(&p), makesATask(gate)}
		_ = pprof.Lookup(pendingProfile).WriteTo(os.Stdout, 1)
		close(gate)
		p.Resolve(1)
		fmt.Println(future.All(fs...).Await(context.Background()))
	})
	expect(t, out, []string{"makesAPromise", "makesATask", "[1 1] <nil>"}, []string{"ended with"})
}

// A promise has one future for life, whoever asks for it and when.
func TestDebugOneFutureForEachPromise(t *testing.T) {
	out := debugged(t, "pending", func() {
		for range 1000 {
			var p future.Promise[int]
			fs := make([]*future.Future[int], 4)
			var all sync.WaitGroup
			for i := range fs {
				all.Go(func() { fs[i] = p.Future() })
			}
			all.Wait()
			p.Reject(errBoom)
			for _, f := range fs {
				if f != p.Future() {
					fmt.Println("a promise has two futures")
				}
			}
		}
		var p future.Promise[int]
		p.Resolve(3)
		f, again := p.Future(), p.Future() // asked for only now
		fmt.Println(f == again, <-f.Done())
		fmt.Println(f.Await(context.Background()))
		fmt.Println("pending:", pprof.Lookup(pendingProfile).Count())
	})
	expect(t, out, []string{"true {}", "3 <nil>", "pending: 0"}, []string{"two futures", "ended with"})
}

// There are many ways to look, before and after.
func TestDebugSeenFailures(t *testing.T) {
	out := debugged(t, "pending", func() {
		var logged logBuffer
		slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
		cancellable, cancel := context.WithCancel(context.Background())
		defer cancel()
		looks := map[string]func(*future.Future[int]){
			"seen by nobody":   func(*future.Future[int]) {},
			"seen by Await":    func(f *future.Future[int]) { _, _ = f.Await(cancellable) },
			"seen by Parked":   func(f *future.Future[int]) { _, _ = f.Await(context.Background()) },
			"seen by Done":     func(f *future.Future[int]) { <-f.Done() },
			"seen by OnDone":   func(f *future.Future[int]) { f.OnDone(func(future.Result[int]) {}) },
			"seen by Map":      func(f *future.Future[int]) { future.Map(f, inc) },
			"seen by Recover":  func(f *future.Future[int]) { future.Recover(f, func(error) (int, error) { return 0, nil }) },
			"seen by Then":     func(f *future.Future[int]) { future.Then(f, func(int) *future.Future[int] { return nil }) },
			"seen by All":      func(f *future.Future[int]) { future.All(f) },
			"seen by Race":     func(f *future.Future[int]) { future.Race(f) },
			"seen by Settled":  func(f *future.Future[int]) { future.Settled(f, f) },
			"seen by AsCompl.": func(f *future.Future[int]) { completed(context.Background(), f) },
		}
		for text, look := range looks {
			for _, when := range []string{" before", " after", " again"} {
				p := new(future.Promise[int])
				f := p.Future()
				if when == " before" {
					var looked sync.WaitGroup
					looked.Go(func() { look(f) })
					<-time.After(time.Millisecond)
					p.Reject(errors.New(text + when))
					looked.Wait()
					continue
				}
				p.Reject(errors.New(text + when))
				look(f)
				if when == " again" {
					p.Future() // this view of it is not looked at
				}
			}
		}
		for range 40 {
			runtime.GC()
			<-time.After(5 * time.Millisecond)
		}
		fmt.Println(logged.String())
	})
	expect(t, out, []string{"seen by nobody before", "seen by nobody after", "seen by nobody again"},
		[]string{"seen by A", "seen by P", "seen by D", "seen by O", "seen by M", "seen by R", "seen by T", "seen by S", "ended with"})
}

func completed(ctx context.Context, fs ...*future.Future[int]) (order []int) {
	for i := range future.AsCompleted(ctx, fs...) {
		order = append(order, i)
	}
	return order
}

// The collector works outside of every bubble, and must not reach into one.
func TestDebugX2_DroppedPromiseInABubble(t *testing.T) {
	var out string
	if os.Getenv("ANTIPHON_DEBUGGED") == "" {
		out = debugged(t, "pending", nil)
		expect(t, out, []string{"gave up"}, []string{"ended with", "fatal"})
		return
	}
	bubble(t, func(t *testing.T) {
		for range 10 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			f := new(future.Promise[int]).Future()
			if _, err := f.Await(ctx); errors.Is(err, future.ErrPending) {
				fmt.Println("gave up")
			}
			for range 5 {
				runtime.GC()
				time.Sleep(time.Second)
			}
			runtime.KeepAlive(f)
		}
	})
}

// A write end that somebody holds is not abandoned, however often the collector
// runs; nor is one that has settled.
func TestDebugHeldPromiseIsNotAbandoned(t *testing.T) {
	out := debugged(t, "pending", func() {
		p := new(future.Promise[int])
		f := p.Future()
		g := func() *future.Future[int] {
			q := new(future.Promise[int])
			defer q.Resolve(2)
			return q.Future()
		}()
		for range 20 {
			runtime.GC()
			<-time.After(time.Millisecond)
		}
		_, early := f.Peek()
		fmt.Println("early:", early, "decided:", p.Resolve(1))
		fmt.Println(future.All(f, g).Await(context.Background()))
	})
	expect(t, out, []string{"early: false decided: true", "[1 2] <nil>"}, []string{"ended with"})
}

func TestDebugPanicsOfTransformsAndCallbacksAreLetThrough(t *testing.T) {
	for name, body := range map[string]func(){
		"Map":    func() { future.Map(future.Of(1), func(int) (int, error) { panic("let me through") }) },
		"OnDone": func() { future.Of(1).OnDone(func(future.Result[int]) { panic("let me through") }) },
		"First": func() {
			future.First(context.Background(), func(context.Context) *future.Future[int] { panic("let me through") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := debugged(t, "pending,panics", func() {
				body()
				<-time.After(time.Second)
				fmt.Println("still here")
			})
			expect(t, out, []string{"panic: let me through", "debug_test.go", "ended with"}, []string{"still here"})
		})
	}
}
