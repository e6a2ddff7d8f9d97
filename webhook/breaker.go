package webhook

import (
	"math/rand/v2"
	"time"

	"github.com/antiphon-go/antiphon"
)

// An endpoint is an Endpoint with what is known of how it does. The sender's lock
// guards it.
//
// How many attempts it gets at once grows as it answers, from one to its Concurrency,
// and is one again after a failure. After several failures in a row it is left alone
// for a while; the one attempt that comes then tells whether it is back.
type endpoint struct {
	Endpoint
	key      string // in callbacks; empty for one that was added
	open     int    // how many attempts may be under way
	busy     int    // how many are
	failures int    // in a row
	since    time.Time
	broken   int       // how often in a row it was left alone
	until    time.Time // it is left alone
	next     time.Time // the next attempt may begin, by its Rate
	disabled error     // why it gets nothing any more
	pace     pacer
}

func newEndpoint(e Endpoint) *endpoint { return &endpoint{Endpoint: e, open: 1} }

// admission is what becomes of a delivery whose turn it is: it is attempted, and counts
// in a lane, or waits for a while. Whoever waits holds no place in the worker.
type admission struct {
	wait     time.Duration // 0 if it is attempted
	troubled bool
}

// admit decides. The caller holds the lock.
func (s *Sender) admit(e *endpoint, attempt int, now time.Time) admission {
	a := admission{troubled: attempt > 1 || e.failures > 0}
	lane := max(s.opts.Concurrency/4, 1)
	switch {
	case now.Before(e.until):
		a.wait = e.until.Sub(now) + rand.N(time.Second) // one of them soon, to tell
	case e.busy >= e.open:
		a.wait = e.pace.turn(now, e.open, e.interval())
	case now.Before(e.next):
		a.wait = max(e.next.Sub(now), e.pace.turn(now, e.open, e.interval()))
	case a.troubled && s.troubled >= lane:
		a.wait = s.trouble.turn(now, lane, 0)
	default:
		e.busy++
		e.next = now.Add(e.interval())
		if a.troubled {
			s.troubled++
		}
	}
	return a
}

// interval is how far apart attempts are, by the Rate.
func (e *Endpoint) interval() time.Duration {
	if e.Rate == 0 {
		return 0
	}
	return time.Duration(min(float64(time.Second)/e.Rate, float64(time.Hour)))
}

// settle counts an attempt that was admitted, and returns what there is to tell. hold is
// how long the endpoint asked to be left alone, and gone that it says it is gone for
// good. The caller holds the lock.
func (s *Sender) settle(e *endpoint, a admission, err error, gone bool, took, hold time.Duration, now time.Time) (tell []antiphon.Event) {
	e.busy--
	e.pace.took(took)
	if gone && e.key != "" { // the URL of one callback, at a host that answers
		err = nil
	}
	if a.troubled {
		s.troubled--
		s.trouble.took(took)
	}
	if s.removed(e) { // nobody asks it any more
		return nil
	}
	if err == nil {
		e.failures, e.broken, e.until = 0, 0, time.Time{}
		e.open = min(2*e.open, e.Concurrency)
		return nil
	}
	if e.failures++; e.failures == 1 {
		e.since = now
	}
	e.open = 1
	switch {
	case e.disabled != nil:
		return nil
	case gone || now.Sub(e.since) >= s.opts.DisableAfter:
		e.disabled, e.until = err, now.Add(disabledCallback)
		return []antiphon.Event{{Name: "webhook.disabled", Kind: e.ID, Count: e.failures, Duration: now.Sub(e.since), Err: err}}
	case hold > 0:
		e.until = later(e.until, now.Add(hold))
	case e.failures >= s.opts.BreakAfter && !now.Before(e.until):
		e.broken++
		d := alone(e.broken)
		e.until = now.Add(d)
		return []antiphon.Event{{Name: "webhook.broken", Kind: e.ID, Count: e.failures, Duration: d, Err: err}}
	}
	return nil
}

// disabledCallback is for how long a host of callbacks is disabled, until one attempt
// tells whether it is back.
const disabledCallback = time.Hour

// alone is for how long an endpoint is left alone.
var alone = antiphon.EqualJitter(antiphon.Geometric(30*time.Second, 5*time.Minute, 2))

// removed reports whether e was taken away while an attempt was under way. Another of its
// name may be there by then. The caller holds the lock.
func (s *Sender) removed(e *endpoint) bool { return e.key == "" && s.endpoints[e.ID] != e }

// release takes back an admission under which nothing was attempted to the end. The
// caller holds the lock.
func (s *Sender) release(e *endpoint, a admission) {
	e.busy--
	if a.troubled {
		s.troubled--
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// A pacer tells those who have to wait when to come back: one after the other, as
// places become free, so that none is looked at more often than there is a use in.
type pacer struct {
	each time.Duration // how long a place is taken, on average
	next time.Time     // the next turn that is not given away
}

// The bounds of a turn: a crowd that waits for longer than the most comes back then,
// spread over half of it.
const (
	leastTurn = 100 * time.Microsecond
	mostTurn  = 30 * time.Second
)

// took notes for how long a place was taken.
func (p *pacer) took(d time.Duration) {
	if p.each == 0 {
		p.each = d
	}
	p.each += (d - p.each) / 8
}

// turn returns how long to wait, where there are so many places and turns are at least
// interval apart.
func (p *pacer) turn(now time.Time, places int, interval time.Duration) time.Duration {
	each := p.each
	if each == 0 {
		each = 10 * time.Millisecond // until it is known
	}
	// Somewhat early: who comes too early gets another turn, while a place that is
	// free too early stays empty.
	each = each / time.Duration(places) * 3 / 4
	p.next = later(p.next, now).Add(max(each, interval, leastTurn))
	d := p.next.Sub(now)
	if d > mostTurn {
		p.next = now.Add(mostTurn)
		d = mostTurn/2 + rand.N(mostTurn/2)
	}
	return d
}
