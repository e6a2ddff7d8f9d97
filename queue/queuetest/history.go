package queuetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A what is what was done to a job.
type what uint8

const (
	wasPut what = iota
	wasHandedOut
	wasExtended
	wasSettled
	wasCanceled
	wasLookedUp
	wasRedriven
)

// An event is one job's part in a call, and what the backend said. What it did was
// done at one moment between from and to.
type event struct {
	what     what
	from, to time.Duration // since the history began
	order    int           // in the answer of its call
	who      int           // of the clients
	maybe    bool          // the outcome is unknown: it was done once, at any time after from, or not at all
	err      error

	envelope   *driver.Envelope // put
	duplicate  bool
	leased     *driver.Leased // handed out
	lease      time.Duration
	extension  *driver.Extension
	settlement *driver.Settlement
	record     *driver.Record // canceled, looked up; nil if the job was not known
}

const forever = time.Duration(1<<63 - 1)

// A history is what was done to the jobs of one queue. Its methods may be called by
// any number of goroutines.
type history struct {
	start     time.Time
	precision time.Duration

	mu    sync.Mutex
	jobs  map[string][]*event
	empty []interval // of the Takes that returned nothing
}

type interval struct{ from, to time.Duration }

func newHistory(precision time.Duration) *history {
	return &history{start: time.Now(), precision: precision, jobs: map[string][]*event{}}
}

func (h *history) now() time.Duration { return time.Since(h.start) }

func (h *history) add(id string, e *event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.jobs[id] = append(h.jobs[id], e)
}

func (h *history) foundNothing(from, to time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.empty = append(h.empty, interval{from, to})
}

// ended fills in how a call ended. It reports false if it has had no effect.
func (e *event) ended(to time.Duration, err error) bool {
	e.to, e.err = to, err
	switch {
	case err == nil, errors.Is(err, driver.ErrLeaseLost), errors.Is(err, driver.ErrCanceled), errors.Is(err, driver.ErrUnknownJob):
		return true
	case antiphon.ClassOf(err) == antiphon.ClassNotAccepted:
		return false
	}
	e.maybe, e.to = true, forever
	return true
}

// sorted returns what was done to a job in the order of its beginning.
func (h *history) sorted(id string) []*event {
	all := slices.Clone(h.jobs[id])
	slices.SortStableFunc(all, func(a, b *event) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	return all
}

func (e *event) String() string {
	var b strings.Builder
	to := e.to.String()
	if e.to == forever {
		to = "?"
	}
	fmt.Fprintf(&b, "%v..%s client %d: ", e.from, to, e.who)
	switch e.what {
	case wasPut:
		fmt.Fprintf(&b, "Put, delay %v, TTL %v, group %q, priority %d", e.envelope.Delay, e.envelope.TTL, e.envelope.Group, e.envelope.Priority)
		if e.duplicate {
			b.WriteString(": a duplicate")
		}
	case wasHandedOut:
		fmt.Fprintf(&b, "Take for %v: fence %d, attempt %d, checkpoint %q, to be canceled %v", e.lease, e.leased.Fence, e.leased.Attempt, e.leased.Checkpoint, e.leased.CancelRequested)
	case wasExtended:
		fmt.Fprintf(&b, "Extend of fence %d for %v, checkpoint %q", e.extension.Fence, e.extension.For, e.extension.Checkpoint)
	case wasSettled:
		fmt.Fprintf(&b, "Settle of fence %d: %s, delay %v", e.settlement.Fence, outcomes[e.settlement.Outcome], e.settlement.Delay)
	case wasCanceled:
		b.WriteString("Cancel")
	case wasLookedUp:
		b.WriteString("Lookup")
	case wasRedriven:
		b.WriteString("Redrive")
	}
	if r := e.record; r != nil {
		fmt.Fprintf(&b, ": %s, attempt %d, to be canceled %v", r.State, r.Attempt, r.CancelRequested)
	}
	if e.err != nil {
		fmt.Fprintf(&b, ": %v", e.err)
	}
	return b.String()
}
