package sqlitequeue

import (
	"context"
	"sync"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// news is what a transaction has to tell when it is committed.
type news struct {
	queues  map[string]bool // in which something is ready, due, or there is room
	changes map[string][]driver.Change
}

// ready: something is ready, or will be at due.
func (n *news) ready(queue string, _ bool, _ int64) { n.room(queue) }

func (n *news) room(queue string) {
	if n.queues == nil {
		n.queues = map[string]bool{}
	}
	n.queues[queue] = true
}

func (n *news) change(queue string, c driver.Change) {
	if n.changes == nil {
		n.changes = map[string][]driver.Change{}
	}
	n.changes[queue] = append(n.changes[queue], c)
}

// A hub is where those wait who want to know what is new.
type hub struct {
	b    *Backend
	came chan struct{} // has room for one: the first who waits has come

	mu      sync.Mutex
	closed  bool
	waiting map[string]*crowd
	watches map[string][]*watch
	n       int // who wait, and watch
}

// A crowd waits for one queue, all on one channel.
type crowd struct {
	c chan struct{}
	n int
}

func (h *hub) init(b *Backend) {
	h.b = b
	h.came = make(chan struct{}, 1)
	h.waiting = map[string]*crowd{}
	h.watches = map[string][]*watch{}
}

// enter counts one who waits. The caller holds the lock.
func (h *hub) enter() {
	h.n++
	if h.n == 1 {
		select {
		case h.came <- struct{}{}:
		default:
		}
	}
}

// waited reports whether anybody waits.
func (h *hub) waited() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n > 0
}

// wait returns a channel that is closed when there is news of a queue.
func (h *hub) wait(queue string) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.waiting[queue]
	if w == nil {
		w = &crowd{c: make(chan struct{})}
		h.waiting[queue] = w
	}
	w.n++
	h.enter()
	return w.c
}

// leave ends a wait.
func (h *hub) leave(queue string, c chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n--
	if w := h.waiting[queue]; w != nil && w.c == c {
		if w.n--; w.n == 0 {
			delete(h.waiting, queue)
		}
	}
}

// wake lets everybody look again who waits for a queue. The caller holds the lock.
func (h *hub) wake(queue string) {
	if w := h.waiting[queue]; w != nil {
		close(w.c)
		delete(h.waiting, queue)
	}
}

// tell passes on what a transaction did.
func (h *hub) tell(n *news) {
	if n == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for q := range n.queues {
		h.wake(q)
	}
	for q, changes := range n.changes {
		for _, w := range h.watches[q] {
			for _, c := range changes {
				w.tell(c)
			}
		}
	}
}

// foreign: another process has written. Who waits looks again, and watches ask what
// there is.
func (h *hub) foreign() {
	h.mu.Lock()
	for q := range h.waiting {
		h.wake(q)
	}
	for _, ws := range h.watches {
		for _, w := range ws {
			w.foreign = true
			w.signal()
		}
	}
	h.mu.Unlock()
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for q := range h.waiting {
		h.wake(q)
	}
	for _, ws := range h.watches {
		for _, w := range ws {
			w.signal()
		}
	}
}

// Watch tells of what this process does as it does it, and of what others do within a
// few milliseconds: that a job has ended, was reported on, or is wished to end.
func (b *Backend) Watch(queue string) (driver.Watch, error) {
	w := &watch{b: b, queue: queue, wake: make(chan struct{}, 1)}
	// From here on: what was there before is not news.
	err := b.db.QueryRow(`SELECT coalesce((SELECT max(nth) FROM antiphon_ended), 0), coalesce((SELECT max(n) FROM antiphon_reports_made), 0)`).Scan(&w.nth, &w.reported)
	if err != nil {
		return nil, storeError(err)
	}
	h := &b.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, driver.ErrClosed
	}
	h.watches[queue] = append(h.watches[queue], w)
	h.enter()
	return w, nil
}

// maxChanges is how many changes a watch keeps for who is slow to ask.
const maxChanges = 4096

// A watch is guarded by the lock of the hub, but for its cursors, which are Next's.
type watch struct {
	b       *Backend
	queue   string
	wake    chan struct{} // has room for one
	changes []driver.Change
	missed  bool
	foreign bool // others have written
	closed  bool

	nth      int64 // of what has ended, all up to this was told
	reported int64 // likewise
}

func (w *watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watch) tell(c driver.Change) {
	if len(w.changes) >= maxChanges {
		w.missed = true
		return
	}
	w.changes = append(w.changes, c)
	w.signal()
}

func (w *watch) Next(ctx context.Context, into []driver.Change) ([]driver.Change, error) {
	h := &w.b.hub
	n := len(into)
	for {
		h.mu.Lock()
		if w.closed || h.closed {
			h.mu.Unlock()
			return into, driver.ErrClosed
		}
		into = append(into, w.changes...)
		if w.missed {
			into = append(into, driver.Change{})
		}
		foreign := w.foreign
		w.changes, w.missed, w.foreign = nil, false, false
		h.mu.Unlock()
		if foreign {
			var err error
			if into, err = w.ask(ctx, into); err != nil {
				into = append(into, driver.Change{}) // whoever waits has to ask himself
			}
		}
		if len(into) > n {
			return into, nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return into, ctx.Err()
		}
	}
}

// ask reads what is new in the tables, whoever wrote it, some thousands at a time.
func (w *watch) ask(ctx context.Context, into []driver.Change) ([]driver.Change, error) {
	n := len(into)
	into, err := w.read(ctx, into, "SELECT nth, 0, id, state, 0 FROM antiphon_ended WHERE queue = ? AND nth > ? ORDER BY nth LIMIT ?", w.nth)
	if err != nil {
		return into, err
	}
	ended := len(into) - n
	into, err = w.read(ctx, into, "SELECT 0, reported, id, '', cancel FROM antiphon_jobs WHERE queue = ? AND reported > ? ORDER BY reported LIMIT ?", w.reported)
	if err != nil {
		return into, err
	}
	if ended == maxChanges || len(into)-n-ended == maxChanges { // there is more
		w.b.hub.mu.Lock()
		w.foreign = true
		w.signal()
		w.b.hub.mu.Unlock()
		return into, nil
	}
	return w.read(ctx, into, "SELECT 0, 0, id, '', 1 FROM antiphon_jobs WHERE queue = ? AND cancel = 1 AND seq > ? LIMIT ?", 0)
}

func (w *watch) read(ctx context.Context, into []driver.Change, q string, after int64) ([]driver.Change, error) {
	rows, err := w.b.db.QueryContext(ctx, q, w.queue, after, maxChanges)
	if err != nil {
		return into, err
	}
	defer rows.Close()
	for rows.Next() {
		var nth, reported int64
		var state string
		c := driver.Change{State: antiphon.StateRunning}
		if err := rows.Scan(&nth, &reported, &c.ID, &state, &c.CancelRequested); err != nil {
			return into, err
		}
		if state != "" {
			c.State = antiphon.State(state)
		}
		c.Progress = reported > 0
		w.nth, w.reported = max(w.nth, nth), max(w.reported, reported)
		into = append(into, c)
	}
	return into, rows.Err()
}

func (w *watch) Close() error {
	h := &w.b.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	h.n--
	ws := h.watches[w.queue]
	for i, o := range ws {
		if o == w {
			h.watches[w.queue] = append(ws[:i:i], ws[i+1:]...)
		}
	}
	w.signal()
	return nil
}
