package future

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// ring is what the model is compared with: the real one, or a planted mistake.
type ring interface {
	link(i int) bool
	unlink(i int) bool
	settle() []int // whom it told, in order
}

type realRing struct {
	f     Future[int]
	links [16]told
	order []int
}

type told struct {
	link
	i int
	r *realRing
}

func (l *told) settled(any) (*link, any) {
	l.r.order = append(l.r.order, l.i)
	return nil, nil
}

func (r *realRing) link(i int) bool {
	l := &r.links[i]
	l.i, l.r = i, r
	return r.f.link(&l.link, l)
}
func (r *realRing) unlink(i int) bool { return r.f.unlink(&r.links[i].link) }
func (r *realRing) settle() []int     { r.f.settle(1, nil); return r.order }

// model is a list; nothing could be simpler.
type model struct {
	list []int
	over bool
	told []int
}

func (m *model) link(i int) bool {
	if m.over {
		return false
	}
	m.list = append(m.list, i)
	return true
}

func (m *model) unlink(i int) bool {
	at := slices.Index(m.list, i)
	if m.over || at < 0 {
		return false
	}
	m.list = slices.Delete(m.list, at, at+1)
	return true
}

func (m *model) settle() []int {
	if !m.over {
		m.told, m.over = m.list, true
	}
	return m.told
}

// compare runs a random history on both and says where they first differ.
func compare(r ring, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 5))
	var m model
	var history strings.Builder
	for range rng.IntN(60) {
		i := rng.IntN(16)
		var got, want any
		switch op := rng.IntN(20); {
		case op < 10:
			if slices.Contains(m.list, i) {
				continue // a link hangs once at a time
			}
			fmt.Fprintf(&history, " link %d", i)
			want, got = m.link(i), r.link(i)
		case op < 19:
			fmt.Fprintf(&history, " unlink %d", i)
			want, got = m.unlink(i), r.unlink(i)
		default:
			history.WriteString(" settle")
			want, got = fmt.Sprint(m.settle()), fmt.Sprint(r.settle())
		}
		if got != want {
			return fmt.Sprintf("seed %d:%s: %v, want %v", seed, history.String(), got, want)
		}
	}
	if got, want := fmt.Sprint(r.settle()), fmt.Sprint(m.settle()); got != want {
		return fmt.Sprintf("seed %d:%s, settle: told %s, want %s", seed, history.String(), got, want)
	}
	return ""
}

func TestRingAgainstAModel(t *testing.T) {
	for seed := range uint64(5000) {
		if diff := compare(new(realRing), seed); diff != "" {
			t.Fatal(diff)
		}
	}
}

// Mistakes that the model must see; each is one that could be made here.
type mistaken struct {
	model
	what string
}

func (m *mistaken) link(i int) bool {
	if m.what == "links first, not last" && !m.over {
		m.list = slices.Insert(m.list, 0, i)
		return true
	}
	if m.what == "links after settling" && m.over {
		return true
	}
	return m.model.link(i)
}

func (m *mistaken) unlink(i int) bool {
	at := slices.Index(m.list, i)
	switch {
	case m.what == "forgets head" && at == 0 && len(m.list) > 1:
		return true
	case m.what == "empties the ring with its head" && at == 0:
		m.list = nil
		return true
	case m.what == "unlinks after settling" && m.over && at >= 0:
		return true
	case m.what == "loses the neighbour" && at >= 0 && at+1 < len(m.list):
		m.list = slices.Delete(m.list, at, at+2)
		return true
	}
	return m.model.unlink(i)
}

func (m *mistaken) settle() []int {
	switch {
	case m.what == "settles twice":
		m.told = append(m.told, m.list...)
		m.over = true
		return m.told
	case m.what == "misses the last" && !m.over && len(m.list) > 0:
		m.list = m.list[:len(m.list)-1]
	}
	return m.model.settle()
}

func TestModelSeesPlantedMistakes(t *testing.T) {
	for _, what := range []string{
		"links first, not last", "links after settling", "forgets head", "empties the ring with its head",
		"unlinks after settling", "loses the neighbour", "settles twice", "misses the last",
	} {
		found := false
		for seed := uint64(0); seed < 5000 && !found; seed++ {
			found = compare(&mistaken{what: what}, seed) != ""
		}
		if !found {
			t.Errorf("not seen: %s", what)
		}
	}
}

func TestSlotsHandOutInOrder(t *testing.T) {
	s := newSlots(1, 3)
	var got []int
	turns := make([]turn, 5)
	for i := range turns {
		turns[i].begin = func() bool { got = append(got, i); return true }
	}
	if ok, err := s.take(&turns[0]); !ok || err != nil {
		t.Fatal("the first has to wait")
	}
	for i := 1; i <= 3; i++ {
		if ok, err := s.take(&turns[i]); ok || err != nil {
			t.Fatalf("turn %d: %t, %v", i, ok, err)
		}
	}
	if _, err := s.take(&turns[4]); err != ErrFull {
		t.Errorf("one too many: %v", err)
	}
	if s.spare() {
		t.Error("a slot is spare while somebody waits")
	}
	if !s.leave(&turns[2]) || s.leave(&turns[2]) {
		t.Error("leaving is to succeed once")
	}
	if ok, err := s.take(&turns[4]); ok || err != nil {
		t.Errorf("the place that was left is not free: %t, %v", ok, err)
	}
	for range 3 {
		s.give()
	}
	if !slices.Equal(got, []int{1, 3, 4}) || s.spare() {
		t.Errorf("in order %v", got)
	}
	s.give()
	if !s.spare() || s.spare() {
		t.Error("the slot is not back, or twice")
	}
}
