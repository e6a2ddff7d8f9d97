package callback

import "github.com/antiphon-go/antiphon"

// What askCore.sent may be, beside 0 and an epoch + 1.
const (
	tries = 1 << 31
	lost  = ^uint32(0)
)

// A trip is one attempt to send a request.
type trip struct {
	ask       *askCore
	before, s uint32 // what sent was, and will be if the transport takes it
}

// leaves notes that the transport is asked to take the request, unless that is lost.
func (c *askCore) leaves(p *Peer) (trip, bool) {
	for {
		now := c.sent.Load()
		if now == lost {
			return trip{}, false
		}
		t := trip{c, now &^ tries, (p.epoch.Load() + 1) &^ tries}
		if c.sent.CompareAndSwap(now, t.s|tries) {
			return t, true
		}
	}
}

// ends notes what has become of it: err, or if it is nil, that the transport has
// taken the request. If it has surely not, an attempt before this one may have left.
// A break of the connection meanwhile has passed the ask over, and is made up for.
func (t trip) ends(p *Peer, id ID, err error) {
	now := t.s
	if antiphon.ClassOf(err) == notAccepted {
		now = t.before
	}
	if t.ask.sent.CompareAndSwap(t.s|tries, now) && p.epoch.Load()+1 != t.s && t.ask.broken(p) {
		p.lose(id, t.ask)
	}
}

// broken reports whether the request went over a connection that has broken.
func (c *askCore) broken(p *Peer) bool {
	sent := c.sent.Load()
	return sent != 0 && sent < tries && sent <= p.epoch.Load() && !p.caps.RepliesSurvive
}

// unsent reports whether the request has not left, and sees to it that it never
// will.
func (c *askCore) unsent() bool {
	return c.sent.CompareAndSwap(0, lost) || c.sent.Load() == lost
}
