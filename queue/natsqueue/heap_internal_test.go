package natsqueue

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A heap has whatever was pushed and not taken out, the least first, and knows where.
func TestHeap(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		h := heap{less: first, spot: readySpot}
		in := map[*job]bool{}
		all := make([]*job, 12)
		for i := range all {
			all[i] = &job{record: &record{Priority: rnd.IntN(3), Seq: uint64(i)}}
		}
		for range 200 {
			j := all[rnd.IntN(len(all))]
			switch rnd.IntN(5) {
			case 0, 1:
				h.push(j, rnd.Int64N(4))
				in[j] = true
			case 2, 3:
				h.remove(j)
				delete(in, j)
			case 4:
				if len(in) > 0 {
					delete(in, h.pop())
				}
			}
			if len(h.all) != len(in) {
				t.Fatalf("seed %d: %d are in, want %d", seed, len(h.all), len(in))
			}
			for i, j := range h.all {
				if !in[j] || j.ready.place != i+1 || i > 0 && first(j, h.all[0]) {
					t.Fatalf("seed %d: job %d is at %d, and says %d; it is in: %v", seed, j.Seq, i+1, j.ready.place, in[j])
				}
			}
			for _, j := range all {
				if !in[j] && j.ready != (spot{}) {
					t.Fatalf("seed %d: a job that is out says it is at %+v", seed, j.ready)
				}
			}
		}
		var left []*job
		for len(h.all) > 0 {
			left = append(left, h.pop())
		}
		if !slices.IsSortedFunc(left, func(a, b *job) int { return a.Priority - b.Priority }) {
			slices.Reverse(left)
			if !slices.IsSortedFunc(left, func(a, b *job) int { return a.Priority - b.Priority }) {
				t.Fatalf("seed %d: not in the order of priority", seed)
			}
		}
	}
}
