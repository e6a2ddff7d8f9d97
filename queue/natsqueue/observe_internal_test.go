package natsqueue

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
)

// That the store cannot be followed is told once, and that it can again; that others are
// quicker at each doubling.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []antiphon.Event
		q := alone(func(e antiphon.Event) { all = append(all, e) })
		defer q.b.die()
		time.Sleep(time.Second)
		q.goesOn()
		why := errors.New("why")
		q.stalls(why)
		q.stalls(errors.New("what followed"))
		time.Sleep(time.Second)
		q.goesOn()
		q.goesOn()
		q.stalls(why)
		q.receive(message{subject: q.prefix + "c", seq: 1, at: time.Now()})
		for n := range 40 {
			q.contends(n, "job")
		}
		want := []antiphon.Event{
			{Name: "nats.stalled", Kind: "q", Err: why}, {Name: "nats.resumed", Kind: "q", Duration: time.Second},
			{Name: "nats.stalled", Kind: "q", Err: why}, {Name: "nats.resumed", Kind: "q"},
			{Name: "nats.contended", Kind: "q", ID: "job", Count: 8},
			{Name: "nats.contended", Kind: "q", ID: "job", Count: 16},
			{Name: "nats.contended", Kind: "q", ID: "job", Count: 32},
		}
		if !slices.EqualFunc(all, want, func(a, b antiphon.Event) bool {
			return a.Name == b.Name && a.Kind == b.Kind && a.ID == b.ID && a.Count == b.Count && a.Err == b.Err && a.Duration == b.Duration
		}) {
			t.Errorf("told %+v, want %+v", all, want)
		}
		q.b.die()
		q.stalls(why)
		if len(all) != len(want) {
			t.Error("told after the end")
		}
	})
}
