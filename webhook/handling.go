package webhook

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/lifetime"
	"github.com/antiphon-go/antiphon/internal/trace"
)

// A handling is one message that is being handled, and the context of that.
type handling struct {
	lifetime.Context
	r     *Receiver
	m     Message
	keys  [2]string // the second may be empty
	owner string
	began time.Time

	over   chan struct{} // closed when there is an answer
	answer answer        // set by then

	phase atomic.Int32
	stop  chan struct{} // closed when the claim need not be kept; set before it is
	kept  chan struct{} // closed when it is not
}

// The phases of a handling.
const (
	claiming int32 = iota
	working        // the handler has it
	keeping        // the same, and the claim is kept for it
	ended          // the handler has returned in time
)

// An answer is a status, and when to push again if that is to be said.
type answer struct {
	status int
	retry  time.Duration
}

// When to push again.
const (
	busyRetry = 3 * time.Second // while another delivery is handled
	fullRetry = time.Second     // when there is no room, or a store failed
)

// handle has m handled, and returns what to answer as soon as that is known.
func (r *Receiver) handle(ctx context.Context, m Message) answer {
	if !r.enter() {
		r.observe(ctx, "webhook.received", &m, 0, r.refusal())
		return answer{http.StatusServiceUnavailable, fullRetry}
	}
	h := &handling{r: r, m: m, owner: r.owners.Next(), began: r.clock.Now(), over: make(chan struct{})}
	h.keys[0], h.keys[1] = m.keys()
	info := antiphon.Info{ID: m.ID, Kind: m.Endpoint, Key: h.keys[0], Header: trace.Of(m.Header)}
	h.Begin(antiphon.WithInfo(context.WithoutCancel(ctx), info), h.began.Add(r.opts.Inline), ErrOverrun)
	timer := r.clock.Timer(r.opts.Inline)
	defer timer.Stop()
	go h.run()
	select {
	case <-h.over:
		return h.answer
	case <-timer.C:
		return h.abandon(ErrOverrun)
	case <-r.quit:
		return h.abandon(ErrClosed)
	}
}

// enter takes the room for a message, if there is some. Only then it looks whether the
// receiver is closed: Shutdown, which closes it first, waits for whoever got in.
func (r *Receiver) enter() bool {
	if !r.room.TryAcquire(1) {
		return false
	}
	if r.closed.Load() {
		r.room.Release(1)
		return false
	}
	return true
}

// refusal is why there is no room for a message.
func (r *Receiver) refusal() error {
	if r.closed.Load() {
		return ErrClosed
	}
	return errTooMany
}

var errTooMany = &antiphon.Error{
	Code:    antiphon.CodeResourceExhausted,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "webhook.too_many",
	Message: "webhook: too many messages are being handled",
}

// abandon ends the handler's context, and does not wait for it. Nobody else gets the
// message before it has returned.
func (h *handling) abandon(why error) answer {
	h.Cancel(why)
	if !h.keptAtOnce() {
		h.stop, h.kept = make(chan struct{}), make(chan struct{})
		if h.phase.CompareAndSwap(working, keeping) {
			go h.keep()
		}
	}
	select {
	case <-h.over: // just in time
		return h.answer
	default:
	}
	h.r.observe(h, "webhook.received", &h.m, h.r.clock.Since(h.began), why)
	return answer{http.StatusServiceUnavailable, busyRetry}
}

// keptAtOnce reports whether the lease may be over before, or soon after, the time for
// the answer is. Otherwise the claim is kept from then on, as most handlers have returned
// by then.
func (h *handling) keptAtOnce() bool { return h.r.opts.Lease/2 < h.r.opts.Inline }

// keep renews the claim until the handler has returned.
func (h *handling) keep() {
	defer close(h.kept)
	ticker := h.r.clock.Ticker(max(h.r.opts.Lease/3, 1))
	defer ticker.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-ticker.C:
			h.eachKey(len(h.keys), func(ctx context.Context, key string) error {
				_, err := h.r.opts.Seen.Claim(ctx, key, h.owner, h.r.opts.Lease)
				return err
			})
		}
	}
}

// unkept makes sure that nobody else touches the claim any more.
func (h *handling) unkept() {
	if !h.phase.CompareAndSwap(working, ended) {
		close(h.stop)
		<-h.kept
	}
}

// run is the goroutine of a handling.
func (h *handling) run() {
	h.answer.status = http.StatusInternalServerError // if what follows does not come back
	defer func() {
		_ = recover()
		h.Cancel(nil)
		close(h.over)
		h.r.room.Release(1)
	}()
	if h.claim() {
		h.work()
	}
}

// claim claims all keys, or none and has the answer.
func (h *handling) claim() bool {
	for i, key := range h.keys {
		if key == "" {
			break
		}
		state := SeenBusy
		err := safely(func() (err error) {
			state, err = h.r.opts.Seen.Claim(h, key, h.owner, h.r.opts.Lease)
			return err
		})
		if err == nil && state == SeenNew {
			continue
		}
		h.release(i)
		switch {
		case err != nil:
			h.answer = answer{http.StatusServiceUnavailable, fullRetry}
			h.r.observe(h, "webhook.store_failed", &h.m, 0, err)
			return false
		case state == SeenDone:
			h.answer = answer{status: http.StatusNoContent}
		default:
			h.answer = answer{http.StatusConflict, busyRetry}
		}
		h.r.observe(h, "webhook.duplicate", &h.m, 0, nil)
		return false
	}
	if h.keptAtOnce() {
		h.stop, h.kept = make(chan struct{}), make(chan struct{})
		h.phase.Store(keeping)
		go h.keep()
	} else {
		h.phase.Store(working)
	}
	if h.Err() == nil {
		return true
	}
	h.unkept() // it took so long that nobody waits
	h.release(len(h.keys))
	return false
}

// work calls the handler. Neither a panic nor runtime.Goexit is the end.
func (h *handling) work() {
	var returned bool
	var err error
	defer func() {
		if !returned {
			err = caught(recover())
		}
		h.unkept()
		h.settle(err)
	}()
	err = h.r.handler(h, h.m)
	returned = true
}

// settle says what became of the message.
func (h *handling) settle(err error) {
	var v outcome
	if mad := safely(func() error { v = outcomeOf(err); return nil }); mad != nil {
		v, err = outcomeOf(mad), mad // the methods of err are the user's too
	}
	if v.done {
		h.eachKey(len(h.keys), h.r.opts.Seen.Done)
	} else {
		h.release(len(h.keys))
	}
	h.answer = v.answer
	h.r.observe(h, v.event, &h.m, h.r.clock.Since(h.began), err)
}

func (h *handling) release(n int) {
	h.eachKey(n, func(ctx context.Context, key string) error {
		return h.r.opts.Seen.Release(ctx, key, h.owner)
	})
}

// eachKey calls the store for the first n keys, also when nobody waits for the handler
// any more. If the store fails, the lease ends the claim.
func (h *handling) eachKey(n int, do func(ctx context.Context, key string) error) {
	for _, key := range h.keys[:n] {
		if key == "" {
			break
		}
		err := errLate
		if h.Err() == nil {
			err = safely(func() error { return do(h, key) })
		}
		if err != nil && h.Err() != nil {
			err = safely(func() error {
				ctx, cancel := lifetime.WithTimeout(context.WithoutCancel(h), h.r.clock, h.r.opts.Lease, errLate)
				defer cancel()
				return do(ctx, key)
			})
		}
		if err != nil {
			h.r.observe(h, "webhook.store_failed", &h.m, 0, err)
		}
	}
}

// errLate stands for a call that h was too late for.
var errLate = errors.New("webhook: late")
