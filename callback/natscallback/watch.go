package natscallback

import (
	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
)

// watch follows the connection until it or the Transport is closed.
func (t *Transport) watch() {
	for {
		select {
		case _, open := <-t.status:
			if !open && !t.nc.IsClosed() {
				return
			}
		case <-t.life.Done():
			return
		}
		if !t.look() {
			t.close()
			return
		}
	}
}

// look finds out how the connection is, and tells of a break since it last did. It
// reports false if the connection is closed.
//
// What nats.go sends to a listener is only the sign to look: it may have been
// connected again by then, which the number of reconnects shows.
func (t *Transport) look() bool {
	var s nats.Status
	var n uint64
	for {
		n = t.nc.Stats().Reconnects
		if s = t.nc.Status(); t.nc.Stats().Reconnects == n {
			break
		}
	}
	up := s == nats.CONNECTED || s == nats.DRAINING_SUBS || s == nats.DRAINING_PUBS
	t.mu.Lock()
	broke := t.up && (!up || n != t.reconnects)
	came := up && (!t.up || broke)
	t.up, t.reconnects = up, n
	if broke {
		t.asked = ring[asked]{}
	}
	all := t.all()
	t.mu.Unlock()
	if broke {
		t.observe(antiphon.Event{Name: "nats.disconnected", Err: t.nc.LastError()})
		for _, in := range all {
			in.broke()
		}
	}
	if came {
		t.observe(antiphon.Event{Name: "nats.connected"})
		signal(t.out.work)
	}
	return s != nats.CLOSED
}
