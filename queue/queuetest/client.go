package queuetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A client does what it likes.
type client struct {
	*population
	*side
	who   int
	rand  *rand.Rand
	puts  []driver.Envelope // whose answers were lost
	held  []*holding
	stale []*holding // crashed over, lost, or ended
}

// A holding is a lease that a client has, or has had.
type holding struct {
	driver.Leased
	said  *driver.Settlement // how it was settled
	times int
}

// units is a time of 1 to n units; whole ones, so that much happens at one moment.
func (c *client) units(n int) time.Duration { return time.Duration(1+c.rand.IntN(n)) * c.unit }

func (c *client) pauses() {
	if n := c.rand.IntN(4); n > 0 {
		c.Pause(time.Duration(n) * c.unit / 2)
	}
}

// lost reports whether the answer of a call does not reach the client.
func (c *client) lost() bool { return c.rand.IntN(8) == 0 }

// given is the context of a call, which is now and then given up.
func (c *client) given() (context.Context, context.CancelFunc) {
	if c.rand.IntN(32) == 0 {
		return context.WithTimeout(c.side.Context(), time.Duration(c.rand.Int64N(int64(c.unit))))
	}
	return context.WithTimeout(c.side.Context(), c.store.Patience)
}

func (c *client) acts() {
	switch n := c.rand.IntN(20); {
	case n < 5:
		c.put()
	case n < 10:
		ctx, cancel := c.given()
		defer cancel()
		c.takes(ctx, 1+c.rand.IntN(3), c.units(longest), c.units(3))
	case n < 13:
		c.extends()
	case n < 17:
		c.settles()
	case n == 17:
		c.crashes()
	case n == 18:
		c.cancels()
	default:
		c.looks()
	}
}

func (c *client) put() {
	jobs := c.puts
	c.puts = nil
	if len(jobs) == 0 {
		for range 1 + c.rand.IntN(2) {
			jobs = append(jobs, c.envelope())
		}
	}
	r := c.request(jobs...)
	if c.rand.IntN(4) == 0 {
		r.Claim, r.Lease = 1, c.units(longest)
	}
	ctx, cancel := c.given()
	defer cancel()
	from := c.now()
	placed, err := c.b.Put(ctx, r)
	to := c.now()
	for i := range jobs {
		e := &event{what: wasPut, from: from, order: i, who: c.who, envelope: &jobs[i]}
		if placed != nil {
			e.duplicate = placed[i].Duplicate
		}
		if e.ended(to, err) {
			c.add(jobs[i].ID, e)
		}
		if placed != nil && placed[i].Leased != nil {
			c.got(from, to, i, *placed[i].Leased, r.Lease)
		}
	}
	if err != nil || c.lost() {
		c.puts = jobs
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range jobs {
		if !slices.Contains(c.ids, e.ID) {
			c.ids = append(c.ids, e.ID)
		}
	}
}

func (c *client) envelope() driver.Envelope {
	e := c.job("soak")
	if c.delays && c.rand.IntN(3) == 0 {
		e.Delay = c.units(longest)
	}
	if c.groups && c.rand.IntN(4) == 0 {
		e.Group = fmt.Sprint(c.rand.IntN(2))
	}
	if c.levels && c.rand.IntN(4) == 0 {
		e.Priority = 1
	}
	if c.rand.IntN(8) == 0 {
		e.TTL = c.units(2 * longest)
	}
	return e
}

// got notes that a job was handed out.
func (c *client) got(from, to time.Duration, order int, l driver.Leased, lease time.Duration) {
	c.add(l.ID, &event{what: wasHandedOut, from: from, to: to, order: order, who: c.who, leased: &l, lease: lease})
	c.held = append(c.held, &holding{Leased: l})
}

func (c *client) takes(ctx context.Context, n int, lease, wait time.Duration) int {
	from := c.now()
	got, err := c.b.Take(ctx, nil, driver.TakeRequest{Queue: c.queue, Max: n, Lease: lease, Wait: wait})
	to := c.now()
	for i, l := range got {
		c.got(from, to, i, l, lease)
	}
	if len(got) == 0 && err == nil {
		c.foundNothing(from, to)
	}
	if len(got) > n {
		c.Errorf("Take of at most %d returned %d", n, len(got))
	}
	return len(got)
}

// one is a lease that the client has, or now and then one that it has had.
func (c *client) one() *holding {
	from := c.held
	if len(c.stale) > 0 && (len(from) == 0 || c.rand.IntN(4) == 0) {
		from = c.stale
	}
	if len(from) == 0 {
		return nil
	}
	return from[c.rand.IntN(len(from))]
}

func (c *client) extends() {
	h := c.one()
	if h == nil {
		return
	}
	x := driver.Extension{Lease: h.Lease, For: c.units(longest)}
	if c.rand.IntN(2) == 0 {
		x.Checkpoint = fmt.Append(nil, c.rand.IntN(100))
	}
	e := &event{what: wasExtended, who: c.who, extension: &x}
	ctx, cancel := c.given()
	defer cancel()
	e.from = c.now()
	errs := c.b.Extend(ctx, c.queue, []driver.Extension{x})
	if e.ended(c.now(), each(errs)) {
		c.add(h.ID, e)
	}
}

func each(errs []error) error {
	if errs == nil {
		return nil
	}
	return errs[0]
}

func (c *client) settles() {
	h := c.one()
	if h == nil {
		return
	}
	if h.said == nil {
		x := by(allOutcomes[c.rand.IntN(len(allOutcomes))], h.Leased)
		if (x.Outcome == driver.Retry || x.Outcome == driver.Release) && c.delays && c.rand.IntN(2) == 0 {
			x.Delay = c.units(longest)
		}
		h.said = &x
	}
	for { // again if the answer is lost
		ctx, cancel := c.given()
		e := &event{what: wasSettled, from: c.now(), order: h.times, who: c.who, settlement: h.said}
		errs := c.b.Settle(ctx, c.queue, []driver.Settlement{*h.said})
		cancel()
		if e.ended(c.now(), each(errs)) {
			c.add(h.ID, e)
		}
		h.times++
		if !c.lost() {
			break
		}
		c.pauses()
	}
	c.drops(h)
}

// drops makes a lease one that the client has had.
func (c *client) drops(h *holding) {
	c.held = slices.DeleteFunc(c.held, func(o *holding) bool { return o == h })
	if !slices.Contains(c.stale, h) {
		c.stale = append(c.stale, h)
	}
}

// crashes forgets all leases; another of that name uses them now and then.
func (c *client) crashes() {
	for len(c.held) > 0 {
		c.drops(c.held[0])
	}
}

// any is the id of some job.
func (c *client) any() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) == 0 {
		return ""
	}
	return c.ids[c.rand.IntN(len(c.ids))]
}

func (c *client) cancels() {
	id := c.any()
	control, ok := c.b.(driver.Controller)
	if id == "" || !ok {
		return
	}
	ctx, cancel := c.given()
	defer cancel()
	e := &event{what: wasCanceled, from: c.now(), who: c.who}
	r, err := control.Cancel(ctx, c.queue, id)
	e.record = &r
	if err != nil {
		e.record = nil
	}
	if e.ended(c.now(), err) {
		c.add(id, e)
	}
}

func (c *client) looks() {
	for range 3 {
		id := c.any()
		if id == "" || !c.results {
			return
		}
		r := c.look(id)
		if m, ok := c.b.(driver.Morgue); ok && r != nil && r.State == antiphon.StateFailed {
			c.redrives(m, id)
		}
	}
}

func (c *client) look(id string) *driver.Record {
	e := &event{what: wasLookedUp, from: c.now(), who: c.who}
	if r, ok := c.lookup(id); ok {
		e.record = &r
	}
	e.to = c.now()
	c.add(id, e)
	return e.record
}

func (c *client) redrives(m driver.Morgue, id string) {
	ctx, cancel := c.given()
	defer cancel()
	e := &event{what: wasRedriven, from: c.now(), who: c.who}
	n, err := m.Redrive(ctx, c.queue, []string{id})
	if e.ended(c.now(), err) && (n > 0 || err != nil) {
		c.add(id, e)
	}
}

// drain takes and settles until all must have ended.
func (c *client) drain() {
	for c.takes(c.side.Context(), 16, time.Hour, 2*longest*c.unit+c.store.Slack) > 0 {
		for len(c.held) > 0 {
			h := c.held[0]
			x := driver.Settlement{Lease: h.Lease, Outcome: driver.Done, State: antiphon.StateSucceeded}
			e := &event{what: wasSettled, from: c.now(), who: c.who, settlement: &x}
			ctx, cancel := context.WithTimeout(c.side.Context(), c.store.Patience)
			errs := c.b.Settle(ctx, c.queue, []driver.Settlement{x})
			cancel()
			if e.ended(c.now(), each(errs)) {
				c.add(h.ID, e)
			}
			c.drops(h)
		}
	}
	if c.results {
		for _, id := range c.ids {
			c.look(id)
		}
	}
}
