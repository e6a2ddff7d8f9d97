package callback_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// A badDesk is a plain registry with one mistake planted in it; without one, the
// oracle has nothing to say. An id is the number of a slot, and how often
// something was put into it.
type badDesk struct {
	mistake string
	opts    callback.RegistryOptions

	mu     sync.Mutex
	slots  []*badSlot
	free   []int
	n      int
	closed bool
	ended  map[callback.ID]error
}

type badSlot struct {
	number, nonce int
	entry         *badEntry // nil if it is free
}

type badEntry struct {
	promise future.Promise[int]
	id      callback.ID
	at      time.Time // when it is due
	timer   *time.Timer
	stop    func() bool
	touched int
}

func badID(number, nonce int) callback.ID {
	return callback.ID{byte(nonce), byte(nonce >> 8), 1, 15: byte(number)}
}

func newBadDesk(mistake string) func(*callback.RegistryOptions) desk {
	return func(o *callback.RegistryOptions) desk {
		return &badDesk{mistake: mistake, opts: *o, ended: map[callback.ID]error{}}
	}
}

func (d *badDesk) does(mistake string) bool { return d.mistake == mistake }

func (d *badDesk) limit() int {
	switch {
	case d.does("lets one too many in"):
		return d.opts.MaxPending + 1
	case d.does("lets one too few in"):
		return d.opts.MaxPending - 1
	}
	return d.opts.MaxPending
}

func (d *badDesk) Expect(ctx context.Context, ttl time.Duration) (callback.ID, *future.Future[int], error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if ctx.Err() != nil {
		return callback.ID{}, nil, &antiphon.Error{Code: antiphon.CodeCanceled, Class: antiphon.ClassNotAccepted}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed && !d.does("lets in after the end") {
		return callback.ID{}, nil, callback.ErrClosed
	}
	if d.n >= d.limit() {
		return callback.ID{}, nil, callback.ErrFull
	}
	d.n++
	if len(d.free) == 0 {
		d.free = append(d.free, len(d.slots))
		d.slots = append(d.slots, &badSlot{number: len(d.slots)})
	}
	s := d.slots[d.free[0]]
	d.free = d.free[1:]
	if !d.does("uses an ID again") {
		s.nonce++
	}
	e := &badEntry{id: badID(s.number, s.nonce)}
	s.entry = e
	delete(d.ended, e.id)
	if d.does("expires early") {
		ttl -= time.Millisecond
	}
	if d.does("expires late") {
		ttl += time.Millisecond
	}
	e.at = time.Now().Add(ttl)
	e.timer = time.AfterFunc(ttl, func() { d.due(s, e) })
	e.stop = func() bool { return true }
	if !d.does("overlooks the context") {
		e.stop = context.AfterFunc(ctx, func() {
			d.end(e.id, callback.ErrLate, false, func(p *future.Promise[int]) {
				p.Reject(&antiphon.Error{Code: antiphon.CodeCanceled, Class: antiphon.ClassUnknown})
			})
		})
	}
	return e.id, e.promise.Future(), nil
}

// due: the time of what was in s is over.
func (d *badDesk) due(s *badSlot, e *badEntry) {
	d.mu.Lock()
	id := e.id
	if d.does("forgets to take it off the list of deadlines") && s.entry != nil {
		id = s.entry.id // of whoever is in its slot now
		s.entry.at = time.Time{}
	}
	d.mu.Unlock()
	expired := d.end(id, callback.ErrExpired, false, func(p *future.Promise[int]) { p.Reject(callback.ErrExpired) })
	if expired == nil && !d.does("does not tell of what expires") {
		d.opts.Observer.Emit(antiphon.Event{Name: "callback.expired"})
	}
}

var errTouched = errors.New("touched")

// end takes the entry of id out, or says why there is none.
func (d *badDesk) end(id callback.ID, why error, answer bool, settle func(*future.Promise[int])) error {
	d.mu.Lock()
	var s *badSlot
	if n := int(id[15]); n < len(d.slots) {
		s = d.slots[n]
	}
	if s == nil || s.entry == nil || s.entry.id != id && !(answer && d.does("does not check the nonce")) {
		err := d.ended[id]
		if err == nil || d.does("remembers nobody") {
			err = callback.ErrUnknownID
		}
		if err != callback.ErrUnknownID && d.does("takes late for duplicate") {
			err = callback.ErrDuplicate
		}
		d.mu.Unlock()
		if answer {
			d.tell(err)
		}
		if answer && err == callback.ErrDuplicate && d.does("says nil to all") {
			return nil
		}
		return err
	}
	e := s.entry
	if why == callback.ErrExpired {
		if why = callback.ErrLate; time.Now().Before(e.at) {
			d.mu.Unlock()
			return errTouched
		}
	}
	if d.does("settles before it frees") {
		d.mu.Unlock()
		settle(&e.promise)
		d.mu.Lock()
		if s.entry != e {
			d.mu.Unlock()
			return callback.ErrDuplicate
		}
	}
	if answer && d.does("leaves the entry") {
		d.ended[id] = why
		d.mu.Unlock()
		settle(&e.promise)
		return nil
	}
	s.entry = nil
	if !answer || !d.does("does not count who leaves") {
		d.n--
	}
	d.free = append(d.free, s.number)
	d.ended[e.id] = why
	if !d.does("forgets to take it off the list of deadlines") {
		e.timer.Stop()
	}
	d.mu.Unlock()
	e.stop()
	if !d.does("settles before it frees") && !(answer && d.does("strands who is answered")) {
		settle(&e.promise)
	}
	return nil
}

func (d *badDesk) tell(err error) {
	name := "callback.unknown"
	switch err {
	case callback.ErrLate:
		name = "callback.late"
	case callback.ErrDuplicate:
		name = "callback.duplicate"
	}
	if d.does("does not tell of orphans") {
		return
	}
	d.opts.Observer.Emit(antiphon.Event{Name: name})
	if d.does("tells of orphans twice") {
		d.opts.Observer.Emit(antiphon.Event{Name: name})
	}
}

func (d *badDesk) Resolve(id callback.ID, v int) error {
	if d.does("gives another value") {
		v++
	}
	return d.end(id, callback.ErrDuplicate, true, func(p *future.Promise[int]) { p.Resolve(v) })
}

func (d *badDesk) Reject(id callback.ID, err error) error {
	return d.end(id, callback.ErrDuplicate, true, func(p *future.Promise[int]) { p.Reject(err) })
}

func (d *badDesk) Touch(id callback.ID, ttl time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := int(id[15])
	if n >= len(d.slots) || d.slots[n].entry == nil || d.slots[n].entry.id != id {
		if d.does("touches what has ended") {
			return nil
		}
		return callback.ErrLate
	}
	e := d.slots[n].entry
	if d.does("does not touch") {
		return nil
	}
	if d.does("touches once") {
		if e.touched++; e.touched > 1 {
			return nil
		}
	}
	e.at = time.Now().Add(ttl)
	e.timer.Reset(ttl)
	return nil
}

func (d *badDesk) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

func (d *badDesk) Close(error) {
	d.mu.Lock()
	d.closed = true
	var ids []callback.ID
	for _, s := range d.slots {
		if s.entry != nil {
			ids = append(ids, s.entry.id)
		}
	}
	d.mu.Unlock()
	if d.does("closes all but one") && len(ids) > 0 {
		ids = ids[1:]
	}
	if d.does("ends nobody when it closes") {
		return
	}
	for _, id := range ids {
		d.end(id, callback.ErrLate, false, func(p *future.Promise[int]) {
			p.Reject(&antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassUnknown, Reason: "callback.closed"})
		})
	}
}

// Which mistake is seen by which assertion.
func TestC2_OracleSeesPlantedMistakes(t *testing.T) {
	plain := func(n uint64) uint64 { return 3 * n } // the clock that a badDesk knows; and it does not wait
	for seed := range uint64(500) {
		if wrong := tell(t, plain(seed), newBadDesk("")); wrong != "" {
			t.Fatalf("no mistake, seed %d: %s", seed, wrong)
		}
	}
	for mistake, sees := range map[string]string{
		"uses an ID again":                             "C1",
		"does not check the nonce":                     "C2",
		"says nil to all":                              "C2",
		"gives another value":                          "C2",
		"remembers nobody":                             "C2",
		"takes late for duplicate":                     "C2",
		"does not tell of orphans":                     "C2",
		"tells of orphans twice":                       "C2",
		"does not tell of what expires":                "C2",
		"forgets to take it off the list of deadlines": "C3",
		"expires early":                                "C3",
		"expires late":                                 "C3",
		"overlooks the context":                        "C3",
		"does not touch":                               "C3",
		"touches once":                                 "C3",
		"touches what has ended":                       "C3",
		"settles before it frees":                      "C4",
		"leaves the entry":                             "C4",
		"lets one too many in":                         "C5",
		"lets one too few in":                          "C5",
		"does not count who leaves":                    "C7",
		"lets in after the end":                        "C7",
		"strands who is answered":                      "C7",
		"closes all but one":                           "C3",
		"ends nobody when it closes":                   "C3",
	} {
		found := false
		for seed := uint64(0); seed < 3000 && !found; seed++ {
			found = strings.Contains(tell(t, plain(seed), newBadDesk(mistake)), sees)
		}
		if !found {
			t.Errorf("%s does not see: %s", sees, mistake)
		}
	}
}
