package natsqueue

import (
	"time"

	"github.com/antiphon-go/antiphon"
)

func (q *replica) observe(e antiphon.Event) {
	e.Kind = q.name
	q.b.opts.Observer.Emit(e)
}

// stalls notes that the store cannot be followed, for a reason.
func (q *replica) stalls(why error) {
	if !q.b.isClosed() && q.stalled.CompareAndSwap(0, max(int64(time.Since(q.b.began)), 1)) {
		q.observe(antiphon.Event{Name: "nats.stalled", Err: why})
	}
}

// goesOn notes that it can.
func (q *replica) goesOn() {
	if q.stalled.Load() == 0 {
		return
	}
	if since := q.stalled.Swap(0); since != 0 {
		q.observe(antiphon.Event{Name: "nats.resumed", Duration: time.Since(q.b.began) - time.Duration(since)})
	}
}

// contends notes that others were quicker for the nth time in a row of one call.
func (q *replica) contends(n int, id string) {
	if n >= 8 && n&(n-1) == 0 {
		q.observe(antiphon.Event{Name: "nats.contended", ID: id, Count: n})
	}
}
