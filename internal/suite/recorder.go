package suite

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// A Recorder is a testing.TB that keeps failures to itself: a suite that finds nothing in
// what is broken proves nothing, and that is tested with one.
type Recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

// Helper does nothing.
func (r *Recorder) Helper() {}

// Log does nothing.
func (r *Recorder) Log(...any) {}

// Logf does nothing.
func (r *Recorder) Logf(string, ...any) {}

// Error notes a failure.
func (r *Recorder) Error(a ...any) { r.fail(fmt.Sprint(a...)) }

// Errorf notes a failure.
func (r *Recorder) Errorf(s string, a ...any) { r.fail(fmt.Sprintf(s, a...)) }

// Fatal notes a failure, and ends the goroutine.
func (r *Recorder) Fatal(a ...any) {
	r.Error(a...)
	r.FailNow()
}

// Fatalf notes a failure, and ends the goroutine.
func (r *Recorder) Fatalf(s string, a ...any) {
	r.Errorf(s, a...)
	r.FailNow()
}

// FailNow ends the goroutine, after a failure that was noted.
func (r *Recorder) FailNow() { runtime.Goexit() }

// Failed reports whether there was a failure.
func (r *Recorder) Failed() bool { return len(r.Failures()) > 0 }

// Failures are those that were noted.
func (r *Recorder) Failures() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.failures)
}

func (r *Recorder) fail(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, s)
}

// Faults is what r finds wrong in the trial that begin begins.
func (r Rule[T, H]) Faults(tb testing.TB, begin func(testing.TB) T) []string {
	rec := &Recorder{TB: tb}
	done := make(chan struct{})
	go func() { // FailNow ends the goroutine that it is called on
		defer close(done)
		r.Run(begin(rec))
	}()
	<-done
	return rec.Failures()
}

// Named returns the rule of that name, or ends the test.
func Named[T Trier, H any](tb testing.TB, rules []Rule[T, H], name string) Rule[T, H] {
	tb.Helper()
	for _, r := range rules {
		if r.Name == name {
			return r
		}
	}
	tb.Fatalf("there is no rule %q", name)
	panic("unreachable")
}

// Sound fails the test if two rules have one name, if one gives no reason, or if none of
// the planted mistakes, by the names of the rules they break, is for it.
func Sound[T Trier, H any](tb testing.TB, rules []Rule[T, H], planted map[string]bool) {
	tb.Helper()
	names := map[string]bool{}
	for _, r := range rules {
		switch {
		case names[r.Name]:
			tb.Errorf("two rules are called %s", r.Name)
		case r.Why == "":
			tb.Errorf("rule %s gives no reason", r.Name)
		case !planted[r.Name]:
			tb.Errorf("no mistake is planted for rule %s", r.Name)
		}
		names[r.Name] = true
	}
}
