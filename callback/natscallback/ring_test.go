package natscallback

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A ring is a slice to which is appended, and of which any may be taken.
func TestRing(t *testing.T) {
	var r ring[int]
	var model []int
	for i := range 20_000 {
		switch n := rand.IntN(5); {
		case n < 2 || n < 3 && i%1000 < 500: // now it grows, now it shrinks
			r.push(i)
			model = append(model, i)
		case n < 4 && len(model) > 0:
			if v := r.pop(); v != model[0] {
				t.Fatal(v, model[0])
			}
			model = model[1:]
		case n == 4:
			want := i - rand.IntN(50)
			v, ok := r.take(func(v *int) bool { return *v >= want })
			at := slices.IndexFunc(model, func(v int) bool { return v >= want })
			if ok != (at >= 0) || ok && v != model[at] {
				t.Fatal(v, ok, at)
			}
			if ok {
				model = slices.Delete(slices.Clone(model), at, at+1)
			}
		}
		if r.n != len(model) {
			t.Fatal(r.n, len(model))
		}
	}
}
