package queue

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// An index holds what was added and not removed, however it grew and shrank.
func TestIndexAgainstAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var x index[record, *record]
	model := map[*record]bool{}
	var all []*record
	check := func() {
		t.Helper()
		seen := map[*record]bool{}
		x.each(random.IntN(100), func(r *record) bool { seen[r] = true; return true })
		if len(seen) != len(model) || x.n != len(model) {
			t.Fatalf("%d entries, said to be %d, of %d", len(seen), x.n, len(model))
		}
		for r := range model {
			found := 0
			for e := x.find(r.id); e != nil; e = x.after(e) {
				if e.id != r.id {
					t.Fatal(e.id, "is not", r.id)
				}
				if e == r {
					found++
				}
			}
			if !seen[r] || found != 1 {
				t.Fatal(r.id, found, seen[r])
			}
		}
	}
	for round := range 40 {
		grow := round%4 < 2
		for range 3000 {
			if n := len(all); n > 0 && (random.IntN(10) < 2) == grow {
				i := random.IntN(n)
				r := all[i]
				all[i] = all[n-1]
				all = all[:n-1]
				delete(model, r)
				if !x.remove(r) || x.remove(r) || r.chain != nil {
					t.Fatal("it was in, and is not")
				}
				continue
			}
			r := &record{id: strconv.Itoa(random.IntN(10000))} // some come twice
			x.add(r)
			model[r] = true
			all = append(all, r)
		}
		check()
		if n := len(all); n > 0 {
			id, took := all[random.IntN(n)].id, 0
			for r := x.removeAll(id); r != nil; r = r.chain {
				if r.id != id || !model[r] {
					t.Fatal("another is taken out", r.id, id)
				}
				delete(model, r)
				took++
			}
			before := len(all)
			all = slices.DeleteFunc(all, func(r *record) bool { return r.id == id })
			if took != before-len(all) {
				t.Fatal(took, "taken out")
			}
			check()
		}
		if x.find("x") != nil || x.remove(&record{id: "7"}) {
			t.Fatal("it was never in")
		}
		if x.chains > 4*x.n+fewChains || len(x.parts) > x.chains>>partBits+2 {
			t.Fatalf("%d entries have %d chains in %d parts", x.n, x.chains, len(x.parts))
		}
	}
	for _, r := range all {
		x.remove(r)
	}
	if x.chains > fewChains || x.n != 0 {
		t.Error("it stays large")
	}
}

// each goes on where it left off.
func TestIndexGoesRound(t *testing.T) {
	var x index[record, *record]
	for i := range 1000 {
		x.add(&record{id: strconv.Itoa(i)})
	}
	seen := map[*record]bool{}
	for from, rounds := 0, 0; len(seen) < 1000; rounds++ {
		if rounds > 20 {
			t.Fatal(len(seen))
		}
		left := 100
		from = x.each(from, func(r *record) bool { left--; seen[r] = true; return left >= 0 })
	}
}
