package natsqueue

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"sort"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// errNoRoom is that of a Put that is to wait.
var errNoRoom error = &antiphon.Error{Code: antiphon.CodeResourceExhausted, Message: "natsqueue: no room yet"}

// Put stores jobs in one write, or in an atomic batch.
func (b *Backend) Put(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
	q, err := b.replica(ctx, r.Queue)
	if err != nil {
		return nil, err
	}
	for i := range r.Jobs {
		if err := b.tooLarge(len(r.Jobs[i].Payload)); err != nil {
			return nil, err
		}
	}
	if len(r.Jobs) > maxJobs {
		return nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "natsqueue: %d jobs in one Put, of at most %d", len(r.Jobs), maxJobs)
	}
	for {
		placed, room, err := q.tryPut(ctx, &r)
		if err != errNoRoom {
			return placed, err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return nil, b.readError(ctx, ctx.Err())
		case <-b.life.Done():
			return nil, driver.ErrClosed
		}
	}
}

// tryPut puts, or fails with errNoRoom and a channel that is closed when there may be.
func (q *replica) tryPut(ctx context.Context, r *driver.PutRequest) ([]driver.Placed, chan struct{}, error) {
	if r.Capacity > 0 { // those of one process need not find out who is first by failing
		select {
		case q.turn <- struct{}{}:
			defer func() { <-q.turn }()
		case <-ctx.Done():
			return nil, nil, q.b.readError(ctx, ctx.Err())
		case <-q.b.life.Done():
			return nil, nil, driver.ErrClosed
		}
	}
	synced := r.Capacity <= 0 && r.Claim <= 0
	for i := range r.Jobs {
		synced = synced && r.Jobs[i].Key == "" && r.Jobs[i].Unique == ""
	}
	sure, lost := false, 0
	for {
		if !synced {
			if err := q.sync(ctx); err != nil {
				return nil, nil, err
			}
			synced, sure = true, true
		}
		q.mu.Lock()
		now := q.b.now()
		q.promote(now)
		p := plan{q: q, r: r, now: now}
		err := p.make()
		room := q.news
		q.mu.Unlock()
		if !sure && (err != nil || p.fresh < len(r.Jobs)) { // perhaps not any more
			synced = false
			continue
		}
		if err != nil || len(p.writes) == 0 {
			return p.placed, room, err
		}
		if len(p.writes) > maxWrites {
			return nil, nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "natsqueue: a Put of %d jobs, keys, unique names and jobs to drop, of at most %d", len(p.writes), maxWrites)
		}
		_, err = q.store(p.writes...)
		if err == errConflict {
			if ctx.Err() != nil {
				return nil, nil, q.b.readError(ctx, ctx.Err())
			}
			synced = false
			lost++
			q.contends(lost, r.Jobs[0].ID)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if p.claimed != nil {
			l := p.claimed.leased(q.b.now())
			p.fill()
			p.placed[0].Leased = &l
		}
		return p.placed, nil, nil
	}
}

// A plan is what a Put comes to.
type plan struct {
	q       *replica
	r       *driver.PutRequest
	now     int64
	placed  []driver.Placed
	fresh   int
	writes  []write
	gates   map[string]bool
	claimed *record
}

func (p *plan) fill() {
	if p.placed == nil {
		p.placed = make([]driver.Placed, len(p.r.Jobs))
		for i := range p.r.Jobs {
			p.placed[i].ID = p.r.Jobs[i].ID
		}
	}
}

// make finds out what to write. The caller holds the lock of the replica.
func (p *plan) make() error {
	type first struct {
		id      string
		payload []byte
	}
	within := map[string]first{}
	var fresh []*driver.Envelope
	for i := range p.r.Jobs {
		e := &p.r.Jobs[i]
		id, err := p.known(e)
		if err != nil {
			return err
		}
		if id == "" && len(p.r.Jobs) > 1 {
			for _, n := range [...]string{"i" + e.ID, "k" + e.Key, "u" + e.Unique} {
				f, ok := within[n]
				if !ok || len(n) == 1 {
					continue
				}
				if n[0] == 'k' && !bytes.Equal(f.payload, e.Payload) {
					return driver.ErrKeyReused
				}
				id = f.id
				break
			}
			if id == "" {
				for _, n := range [...]string{"i" + e.ID, "k" + e.Key, "u" + e.Unique} {
					within[n] = first{e.ID, e.Payload}
				}
			}
		}
		if id != "" {
			p.fill()
			p.placed[i] = driver.Placed{ID: id, Duplicate: true}
			continue
		}
		fresh = append(fresh, e)
	}
	p.fresh = len(fresh)
	if p.fresh == 0 {
		return nil
	}
	if err := p.room(); err != nil {
		return err
	}
	for _, e := range fresh {
		if err := p.insert(e); err != nil {
			return err
		}
	}
	return nil
}

// known returns the id of the job of which e is a duplicate, or nothing.
func (p *plan) known(e *driver.Envelope) (string, error) {
	q := p.q
	if q.find(e.ID, p.now) != nil {
		return e.ID, nil
	}
	if j := q.keys[e.Key]; e.Key != "" && j != nil && q.find(j.ID, p.now) != nil {
		if !bytes.Equal(j.Sum, sum(e.Payload)) {
			return "", driver.ErrKeyReused
		}
		return j.ID, nil
	}
	if e.Unique != "" {
		if j := q.uniques[e.Unique]; j != nil {
			if v := q.find(j.ID, p.now); v != nil && (v.Phase == waiting || v.Phase == leased) {
				return j.ID, nil
			}
		}
		if h, ok := q.holds[e.Unique]; ok && p.now < h.until {
			return h.ID, nil
		}
	}
	return "", nil
}

// room sees to it that there is some, by ending others if it must.
func (p *plan) room() error {
	q := p.q
	if p.r.Capacity <= 0 {
		return nil
	}
	p.gate("g", "", hold{}, gateTTL)
	excess := q.count[isReady] + q.count[isDelayed] + q.count[isBlocked] + p.fresh - p.r.Capacity
	switch {
	case excess <= 0:
		return nil
	case p.fresh > p.r.Capacity, p.r.Overflow == driver.Reject:
		return driver.ErrFull
	case p.r.Overflow == driver.Block:
		return errNoRoom
	}
	var wait []*job
	for _, j := range q.jobs {
		if j.class == isReady || j.class == isDelayed || j.class == isBlocked {
			wait = append(wait, j)
		}
	}
	sort.Slice(wait, func(a, b int) bool { return wait[a].Seq < wait[b].Seq })
	for _, j := range wait[:min(excess, len(wait))] {
		c := j.copy()
		c.ends(antiphon.StateFailed, antiphon.FromError(driver.ErrDropped), 0)
		w, err := q.job(c)
		if err != nil {
			return err
		}
		p.writes = append(p.writes, w)
	}
	return nil
}

// gate writes a gate, once.
func (p *plan) gate(kind, name string, h hold, lives time.Duration) {
	if name != "" {
		name = hex.EncodeToString(sum([]byte(name)))
	}
	s := p.q.b.subject(p.q.name, kind, name)
	if p.gates[s] {
		return
	}
	if p.gates == nil {
		p.gates = map[string]bool{}
	}
	p.gates[s] = true
	data, _ := json.Marshal(h)
	p.writes = append(p.writes, write{subject: s, rev: p.q.gates[s].rev, data: data, lives: lives})
}

func (p *plan) insert(e *driver.Envelope) error {
	q := p.q
	r := &record{
		ID: e.ID, Kind: e.Kind, Header: e.Header, Key: e.Key, Unique: e.Unique, Group: e.Group, Priority: e.Priority,
		Payload: e.Payload, TTL: int64(max(e.TTL, 0)), Keep: int64(max(e.Keep, 0)),
	}
	r.in(e.Delay)
	if e.Key != "" {
		r.Sum = sum(e.Payload)
		p.gate("k", e.Key, hold{}, gateTTL)
	}
	if e.Unique != "" {
		lives := gateTTL
		if e.UniqueFor > 0 {
			lives = max(lives, time.Duration(after(int64(e.UniqueFor), int64(2*time.Second))))
		}
		if lives > 10*365*24*time.Hour {
			lives = 0
		}
		p.gate("u", e.Unique, hold{Name: []byte(e.Unique), ID: e.ID, For: int64(max(e.UniqueFor, 0))}, lives)
	}
	if j := q.jobs[e.ID]; j != nil { // not known any more
		r.rev = j.rev
	} else {
		r.rev = q.gates[q.b.subject(q.name, "j", e.ID)].rev
	}
	if p.r.Claim > 0 && len(p.r.Jobs) == 1 && e.Delay <= 0 && !q.paused && q.count[isReady] == 0 && (e.Group == "" || q.groups[e.Group] == nil) {
		r.Phase, r.Attempt, r.Fence = leased, 1, 1
		r.in(p.r.Lease)
		p.claimed = r
	}
	w, err := q.job(r)
	if err != nil {
		return err
	}
	p.writes = append(p.writes, w)
	return nil
}
