package main

import (
	"fmt"
	"time"
)

// step is how exactly lags are remembered.
const step = 10 * time.Microsecond

// lags counts how long things took, in as much memory however many they are.
//
// Zero value: none yet.
type lags struct {
	by  [2 * fresh / step]int // the last one: so long, and longer
	n   int
	max time.Duration
}

func (l *lags) add(d time.Duration) {
	l.by[min(d/step, time.Duration(len(l.by)-1))]++
	l.n++
	l.max = max(l.max, d)
}

// quantile is how long the part q of them took at most.
func (l *lags) quantile(q float64) time.Duration {
	rest := int(q * float64(l.n))
	for i, n := range l.by {
		if rest -= n; rest < 0 {
			return time.Duration(i+1) * step
		}
	}
	return l.max
}

func (l lags) String() string {
	return fmt.Sprintf("%d: p50 %v, p99 %v, p99.9 %v, max %v", l.n, l.quantile(0.5), l.quantile(0.99), l.quantile(0.999), l.max.Round(step))
}
