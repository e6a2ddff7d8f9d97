package queue

import (
	"math/rand/v2"
	"testing"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// Few jobs are compared, many have their names in a map: it comes to the same.
func TestTwins(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(names ...string) string { return names[random.IntN(len(names))] }
	twinsFound := 0
	for range 500 {
		few := twins{}
		for range fewJobs {
			few.jobs = append(few.jobs, driver.Envelope{
				ID:     string(rune('A' + random.IntN(60))),
				Key:    some("", "", "", "", "A", "B", "C", "D", "E"),
				Unique: some("", "", "", "", "A", "B", "C", "D", "E"),
			})
		}
		many := few
		for i := range few.jobs {
			a, b := few.of(i), many.named(i)
			if a != b {
				t.Fatalf("%+v: the %dth is that of %d or %d", few.jobs, i, a, b)
			}
			if a < 0 {
				continue
			}
			twinsFound++
			if few.placed == nil {
				few.placed = make([]driver.Placed, len(few.jobs))
			}
			few.placed[i].Duplicate = true
		}
	}
	if twinsFound < 500 {
		t.Error(twinsFound)
	}
}
