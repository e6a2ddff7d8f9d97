package queue

import (
	"math/rand/v2"
	"testing"
)

// What is due first is found, in whatever order moments were set, changed and cleared;
// what comes in order is not in the heap.
func TestTimelineAgainstASearch(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var line timeline
	var all []*record
	for range 300 {
		all = append(all, &record{expires: never})
	}
	set := map[*record]bool{}
	clock := moment(0)
	for range 20_000 {
		clock += random.Int64N(3)
		r := all[random.IntN(len(all))]
		if random.IntN(3) == 0 {
			line.clear(r)
			delete(set, r)
		} else {
			if !set[r] || r.phase != leased { // a lease may be extended where it is
				line.clear(r)
				r.phase = []phase{leased, delayed, ready, blocked}[random.IntN(4)]
			}
			at := clock + 100
			if random.IntN(4) == 0 {
				at = clock + random.Int64N(1000)
			}
			if r.ready, r.expires = at, never; r.phase != leased && random.IntN(2) == 0 {
				r.expires = at + random.Int64N(3) - 1
			}
			line.set(r)
			set[r] = r.moment() != never
		}
		least := never
		for r, in := range set {
			if in {
				least = min(least, r.moment())
			}
			if in != (r.place != 0) {
				t.Fatal("it is not where it was set")
			}
		}
		if first, at := line.first(); at != least || (first == nil) != (least == never) || first != nil && first.moment() != at {
			t.Fatalf("%v at %d, not %d", first, at, least)
		}
	}
	for i := range line.lists {
		last := moment(0)
		for r := line.lists[i].head; r != nil; r = r.later {
			if r.moment() < last || r.place != int32(-1-i) {
				t.Fatal("a list is out of order")
			}
			last = r.moment()
		}
	}
	for r := range set {
		line.clear(r)
	}
	if first, _ := line.first(); first != nil || len(line.heap) > 0 {
		t.Error("something is left")
	}
	for i := range 100 {
		line.set(&record{phase: leased, ready: moment(i)})
	}
	if len(line.heap) > 0 {
		t.Error("what comes in order needs no heap")
	}
}
