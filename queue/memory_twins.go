package queue

import "github.com/antiphon-go/antiphon/queue/driver"

// twins finds jobs that are put twice in one call, which a store cannot know yet.
type twins struct {
	jobs   []driver.Envelope
	placed []driver.Placed // or nil; what is a duplicate has none
	names  map[twinName]int
}

// A twinName is an ID, Key or Unique name.
type twinName struct {
	kind byte
	text string
}

// fewJobs is how many are compared with each other faster than they are put in a map.
const fewJobs = 32

// of returns the one of the jobs before the i-th of which this is a duplicate, or -1.
// It is asked about each in turn, but for those that the store knows.
func (t *twins) of(i int) int {
	if len(t.jobs) > fewJobs {
		return t.named(i)
	}
	e := &t.jobs[i]
	byKey, byUnique := -1, -1 // an ID counts more than a Key, and that more than Unique
	for j := range i {
		o := &t.jobs[j]
		if t.placed != nil && t.placed[j].Duplicate {
			continue
		}
		if o.ID == e.ID {
			return j
		}
		if byKey < 0 && e.Key != "" && o.Key == e.Key {
			byKey = j
		}
		if byUnique < 0 && e.Unique != "" && o.Unique == e.Unique {
			byUnique = j
		}
	}
	if byKey >= 0 {
		return byKey
	}
	return byUnique
}

func (t *twins) named(i int) int {
	e := &t.jobs[i]
	if t.names == nil {
		t.names = make(map[twinName]int, len(t.jobs))
	}
	names := [...]twinName{{'i', e.ID}, {'k', e.Key}, {'u', e.Unique}}
	for _, n := range names {
		if j, ok := t.names[n]; ok {
			return j
		}
	}
	for _, n := range names {
		if n.text != "" || n.kind == 'i' {
			t.names[n] = i
		}
	}
	return -1
}
