package suite

import (
	"runtime"
	"time"
)

// LeavesNothing does do that often, after a few times before, and fails the test if a
// goroutine is left each time: other tests may run beside this one.
func (t *Trial) LeavesNothing(times int, do func(i int)) {
	t.Helper()
	for i := range 3 { // whatever is kept for good exists now
		do(i)
	}
	before := t.goroutines()
	for i := range times {
		do(i)
	}
	now := 0
	for limit := time.Now().Add(t.Patience); time.Now().Before(limit); {
		if now = t.goroutines(); now < before+max(times/2, 1) {
			return
		}
	}
	t.Errorf("%d goroutines before it was done %d times, %d after", before, times, now)
}

// goroutines counts them once the number has stayed the same for a moment.
func (t *Trial) goroutines() int {
	n := runtime.NumGoroutine()
	limit := time.Now().Add(t.Patience)
	for calm := 0; calm < 5 && time.Now().Before(limit); {
		t.Pause(2 * time.Millisecond)
		now := runtime.NumGoroutine()
		if calm++; now != n {
			n, calm = now, 0
		}
	}
	return n
}
