package main

import (
	"slices"
	"sync"
	"time"
)

// latencies remembers how long the last commands took.
//
// Zero value: none yet.
type latencies struct {
	mu   sync.Mutex
	last [1024]time.Duration
	n    int
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.n%len(l.last)] = d
	l.n++
}

// quantiles returns the median and the 99th percentile of the last commands, and how
// many there were in all.
func (l *latencies) quantiles() (p50, p99 time.Duration, n int) {
	l.mu.Lock()
	sorted := slices.Clone(l.last[:min(l.n, len(l.last))])
	n = l.n
	l.mu.Unlock()
	if len(sorted) == 0 {
		return 0, 0, 0
	}
	slices.Sort(sorted)
	return sorted[len(sorted)/2], sorted[len(sorted)*99/100], n
}
