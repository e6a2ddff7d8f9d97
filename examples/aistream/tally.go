package main

import "sync"

// A tally is what is counted in a phase, by several goroutines.
type tally[T any] struct {
	mu  sync.Mutex
	now T
}

func (t *tally[T]) count(f func(*T)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.now)
}

// take returns what was counted since it was last called.
func (t *tally[T]) take() T {
	t.mu.Lock()
	defer t.mu.Unlock()
	var none, n T
	n, t.now = t.now, none
	return n
}
