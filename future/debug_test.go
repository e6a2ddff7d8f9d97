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
		ask := future.Lift(func(context.Context, int) (int, error) { <-gate; return 1, nil }, &future.Policy{Limit: 1})(context.Background(), 1)
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
			for _, ok := f.Peek(); text == "peeked at" && !ok; _, ok = f.Peek() {
				runtime.Gosched()
			}
			look(f)
		}
		background := context.Background()
		fail("nobody looked", func(*future.Future[int]) {})
		fail("peeked at", func(*future.Future[int]) {})
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
	var p future.Promise[int]
	_ = p.Future()
	future.Go(t.Context(), func(context.Context) (int, error) { return 0, errBoom })
	var out bytes.Buffer
	if profile := pprof.Lookup(pendingProfile); profile != nil && profile.Count() > 0 {
		_ = profile.WriteTo(&out, 1)
		t.Errorf("%s", out.String())
	}
}
