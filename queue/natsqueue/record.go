package natsqueue

import (
	"math"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A phase is where a job is.
type phase uint8

const (
	waiting phase = iota
	leased
	ended
	dead // ended, and a dead letter
	gone // not known any more

	unread // never stored: what is stored cannot be read
)

// A record is a job as it is stored. Times are nanoseconds of the server's clock. Those
// that count from when the record is stored are not known before: they are stored as
// how long from then, and known to who reads the record.
type record struct {
	ID       string
	Kind     string
	Header   map[string]string
	Key      string
	Sum      []byte // of the payload, if there is a key
	Unique   string
	Group    string
	Priority int

	Phase   phase
	Seq     uint64 // the revision as which it was put; 0 is this one
	Created int64  // 0 is now
	At      int64  // ready, or the lease over, or ended; 0 is In from now
	In      int64
	Expires int64 // 0 is TTL from now
	TTL     int64 // 0 is never
	Keep    int64

	Attempt  int
	Fence    int64
	Settled  int64 // the fence of the last settlement
	How      driver.Outcome
	Cancel   bool
	Reported bool           // by this change
	State    antiphon.State // if it has ended
	Err      *antiphon.Error

	Percent     float64
	Message     string
	ContentType string

	Payload    []byte
	Checkpoint []byte
	Result     []byte
	Data       []byte

	rev     uint64
	updated int64
	bare    bool // without what is long: it is in the store only
	passed  bool // it is so by the passing of time, and not stored so
}

// after is d after t, and never wraps.
func after(t, d int64) int64 {
	if d > math.MaxInt64-t {
		return math.MaxInt64
	}
	return t + d
}

// stored makes r what it is when it was stored as rev at a time.
func (r *record) stored(rev uint64, at int64) {
	r.rev, r.updated, r.passed = rev, at, false
	if r.Phase == leased && r.At == 0 && r.Expires > 0 && at >= r.Expires { // nobody has this lease
		r.Phase, r.At = waiting, r.Expires
		r.Attempt, r.Fence = r.Attempt-1, r.Fence-1
	}
	if r.Seq == 0 {
		r.Seq = rev
	}
	if r.Created == 0 {
		r.Created = at
	}
	if r.At == 0 {
		r.At = after(at, r.In)
	}
	if r.Expires == 0 && r.TTL > 0 {
		r.Expires = after(at, r.TTL)
	}
}

// in makes the time that counts one that counts from when the record is stored.
func (r *record) in(d time.Duration) { r.At, r.In = 0, int64(max(d, 0)) }

// view is what has become of r by now, by the passing of time alone.
func (r *record) view(now int64) record {
	v := *r
	if v.Phase == leased && now >= v.At {
		v.Phase, v.updated, v.passed = waiting, v.At, true
		if v.Cancel {
			v.ends(antiphon.StateCanceled, antiphon.FromError(driver.ErrCanceled), v.At)
		}
	}
	if v.Phase == waiting && v.Expires > 0 && now >= v.Expires {
		at := v.Expires
		if v.passed {
			at = max(at, v.At)
		}
		why := driver.ErrExpired
		if v.Err != nil { // what the last attempt ended in
			why = antiphon.Errorf(antiphon.CodeDeadlineExceeded, "%w: %w", why, v.Err)
		}
		v.ends(antiphon.StateExpired, antiphon.FromError(why), at)
		v.updated, v.passed = at, true
	}
	if v.Phase == ended && now >= after(v.At, v.Keep) {
		v.Phase = gone
	}
	return v
}

// ends makes r one that has ended.
func (r *record) ends(state antiphon.State, why *antiphon.Error, at int64) {
	r.Phase, r.State, r.Err, r.At, r.In = ended, state, why, at, 0
	r.Payload, r.Checkpoint = nil, nil
}

// next is when the view of r changes; 0 is never.
func (r *record) next() int64 {
	switch {
	case r.Phase == leased:
		return r.At
	case r.Phase == waiting && r.Expires > 0:
		return min(r.At, r.Expires)
	case r.Phase == waiting:
		return r.At
	case r.Phase == ended:
		return after(r.At, r.Keep)
	}
	return 0
}

// copy is r, to be changed and stored.
func (r *record) copy() *record {
	c := *r
	c.Reported = false
	return &c
}

// state is the word for where the job is.
func (r *record) state() antiphon.State {
	switch r.Phase {
	case waiting:
		return antiphon.StateQueued
	case leased:
		return antiphon.StateRunning
	}
	return r.State
}

func (r *record) change() driver.Change {
	return driver.Change{ID: r.ID, State: r.state(), CancelRequested: r.Cancel, Progress: r.Reported}
}

// leased is what a taker gets.
func (r *record) leased(now int64) driver.Leased {
	l := driver.Leased{
		Lease: driver.Lease{ID: r.ID, Fence: r.Fence}, Kind: r.Kind, Payload: r.Payload, Header: r.Header,
		Key: r.Key, Group: r.Group, Priority: r.Priority, Attempt: r.Attempt, Checkpoint: r.Checkpoint,
		Age: time.Duration(max(now-r.Created, 0)), CancelRequested: r.Cancel,
	}
	if r.Expires > 0 {
		l.Left = time.Duration(max(r.Expires-now, 1))
	}
	return l
}

// public is what is known of the job.
func (r *record) public(payload bool) driver.Record {
	p := driver.Record{
		Operation: antiphon.Operation{
			ID: r.ID, Kind: r.Kind, State: r.state(), Percent: r.Percent, Message: r.Message, Data: r.Data,
			CancelRequested: r.Cancel, Attempt: r.Attempt, Version: 2 * int64(r.rev),
			Created: time.Unix(0, r.Created), Updated: time.Unix(0, r.updated),
			Result: r.Result, ContentType: r.ContentType, Err: r.Err,
		},
		Header: r.Header, Key: r.Key, Unique: r.Unique, Group: r.Group, Priority: r.Priority,
	}
	if r.passed {
		p.Version++
	}
	if payload {
		p.Payload = r.Payload
	}
	if r.Phase == ended || r.Phase == dead || r.Phase == unread {
		p.Ended = time.Unix(0, r.At)
	}
	if at := after(r.At, r.Keep); r.Phase == ended && at < math.MaxInt64 {
		p.Expires = time.Unix(0, at)
	}
	return p
}

// lives is how long the server has to keep the stored record; 0 is for good.
func (r *record) lives(now int64) time.Duration {
	left := int64(0)
	switch {
	case r.Phase == gone:
		return gateTTL
	case r.Phase == ended && r.At == 0:
		left = after(r.In, r.Keep)
	case r.Phase == ended:
		left = max(after(r.At, r.Keep)-now, 0)
	case r.Phase == waiting && r.TTL > 0 && r.Expires == 0:
		left = after(r.TTL, r.Keep)
	case r.Phase == waiting && r.Expires > 0:
		left = max(after(r.Expires, r.Keep)-now, 0)
	default:
		return 0
	}
	if left > int64(10*365*24*time.Hour) {
		return 0
	}
	return time.Duration(left) + 2*time.Second
}
