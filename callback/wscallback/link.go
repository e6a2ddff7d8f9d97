package wscallback

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
)

// A link is one of the connections of a Conn, which has one after the other. The
// lock of the Conn guards what is not atomic.
type link struct {
	ws   *websocket.Conn
	wire io.Closer     // what is under ws
	gone chan struct{} // closed when the Conn has given it up

	clock clock.Clock
	born  time.Time     // moments are since then
	every time.Duration // how long it may be silent

	up      moment       // when it became that of the Conn
	heard   atomic.Int64 // moment when something came
	blocked atomic.Bool  // it is not read, because the inbox is full
	pulse   *clock.Timer

	more  chan struct{} // wakes the writer, which waits; nil if there is none
	since moment        // when the write that is under way began, or 0
	idle  bool          // nothing was written since watch looked last
	watch *clock.Timer
}

// A moment is a time since a link was made.
type moment = time.Duration

func newLink(o *Options, every time.Duration) *link {
	return &link{gone: make(chan struct{}), clock: o.Clock, born: o.Clock.Now(), every: every}
}

func (l *link) now() moment { return l.clock.Since(l.born) }

// hear notes that something came.
func (l *link) hear() { l.heard.Store(int64(l.now())) }

// pinged is told of pings of the other end, which are signs of life.
func (l *link) pinged(context.Context, []byte) bool {
	l.hear()
	return true
}

// steady is for how long a connection has to last to count as one that works: the
// next attempts to connect begin with short waits then.
const steady = 5 * time.Second

// cut ends l at once, whatever is under way. It does not wait.
func (l *link) cut() {
	if l.wire != nil {
		_ = l.wire.Close() // ws.CloseNow would wait for a Close that waits
	}
}

// end ends l, and tells the other end why if the reason is a refusal.
func (l *link) end(cause error) {
	if v := (*refusal)(nil); errors.As(cause, &v) {
		timer := l.clock.AfterFunc(closeTimeout, l.cut)
		_ = l.ws.Close(v.status, v.text)
		timer.Stop()
	}
	l.cut()
	_ = l.ws.CloseNow()
}

// A refusal is why a connection is not gone on with, as the other end is told.
type refusal struct {
	status websocket.StatusCode
	text   string
}

func (r *refusal) Error() string { return "wscallback: " + r.text }

var (
	errFraming  = &refusal{websocket.StatusProtocolError, "a length that exceeds its message"}
	errForm     = &refusal{websocket.StatusUnsupportedData, "a message that is not of the form that was agreed upon"}
	errSession  = &refusal{websocket.StatusProtocolError, "a session frame out of place"}
	errProtocol = &refusal{websocket.StatusProtocolError, "no common subprotocol: use " + callback.Subprotocol}
	errCrowded  = &refusal{websocket.StatusTryAgainLater, "too many connections"}
)

// stop stops the timers of l. The caller holds the lock.
func (l *link) stop() {
	halt(&l.pulse)
	halt(&l.watch)
}

func halt(t **clock.Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}

// startPulse looks after the silence of the other end in a while. The caller holds
// the lock.
func (c *Conn) startPulse(l *link, after time.Duration) {
	l.pulse = c.opts.Clock.AfterFunc(after, func() { c.beat(l) })
}

// beat pings the other end if it is silent, and gives the connection up if it
// remains so.
func (c *Conn) beat(l *link) {
	every := l.every
	c.mu.Lock()
	if c.link != l || c.closed {
		c.mu.Unlock()
		return
	}
	now := l.now()
	silent := now - moment(l.heard.Load())
	if silent < every || l.blocked.Load() || l.since != 0 {
		if silent >= every {
			silent = 0 // we do not listen, or it has something to read: watch looks after that
		}
		c.startPulse(l, every-silent)
		c.mu.Unlock()
		return
	}
	c.tasks.Add(1)
	c.mu.Unlock()
	defer c.tasks.Done()
	ctx, cancel := context.WithCancelCause(c.life)
	timer := c.opts.Clock.AfterFunc(every, func() { cancel(errSilent) })
	err := l.ws.Ping(ctx)
	timer.Stop()
	silence := context.Cause(ctx) == errSilent
	cancel(nil)
	switch {
	case err == nil:
		l.hear()
	case silence && moment(l.heard.Load()) <= now && !l.blocked.Load():
		c.lost(l, errSilent)
		return
	} // what else is wrong, the reader or the writer finds out
	c.mu.Lock()
	if c.link == l && !c.closed {
		c.startPulse(l, every)
	}
	c.mu.Unlock()
}

var errSilent = errors.New("wscallback: the other end does not answer pings")

// begin notes that a write begins, and sees to it that somebody looks whether it
// ends in time. The caller holds the lock.
func (c *Conn) begin(l *link) {
	l.since = max(l.now(), 1)
	l.idle = false
	if l.watch == nil {
		l.watch = c.opts.Clock.AfterFunc(min(c.opts.WriteTimeout, linger), func() { c.watch(l) })
	}
}

// linger is about how long a writer stays without anything to write.
const linger = time.Second

// watch gives l up if a write takes too long, and sends the writer home if there was
// none for a while. One timer serves many writes.
func (c *Conn) watch(l *link) {
	c.mu.Lock()
	if c.link != l {
		c.mu.Unlock()
		return
	}
	again := linger
	if l.since != 0 {
		again = min(again, c.opts.WriteTimeout-(l.now()-l.since))
	}
	l.watch = nil
	switch {
	case again <= 0:
		c.mu.Unlock()
		c.lost(l, errStuck)
		return
	case l.idle && !c.out.writing:
		close(l.more)
		l.more = nil
	default:
		l.idle = l.since == 0
		l.watch = c.opts.Clock.AfterFunc(again, func() { c.watch(l) })
	}
	c.mu.Unlock()
}

var errStuck = errors.New("wscallback: the other end does not read")
