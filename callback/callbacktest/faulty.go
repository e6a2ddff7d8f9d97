package callbacktest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// FaultOptions say what goes wrong on a [Faulty] transport. The zero value is a wire
// without faults. Chances are from 0 to 1, and are those of each message on each of
// its ways; what comes and what is sent meets the same. A chance or a time that is
// none is a mistake: Send and Listen fail with an error of code invalid_argument
// that names it.
type FaultOptions struct {
	// Seed decides over all that is left to chance.
	Seed uint64
	// Loss is the chance that a message is lost. Whoever sends it is told that it
	// was accepted; on a wire that settles deliveries it comes again.
	Loss float64
	// Duplication is the chance that a message comes twice, the second time at
	// some moment within Delay.
	Duplication float64
	// Delay is how long a message is held up at most. All keep their order.
	Delay time.Duration
	// Reordering is the chance that others overtake a message, which is held up
	// for as long as Delay says, or 10 ms at most.
	Reordering float64
	// Corruption is the chance that one bit of a message's envelope is flipped.
	// It comes as what that makes of it: another message, or, where it is none any
	// more, callback.ErrMalformed at the end that is faulty, and nothing at the
	// other.
	Corruption float64
	// Cuts is how long a connection lasts until it breaks, in the mean. 0 means
	// until [FaultyTransport.Cut].
	Cuts time.Duration
	// Down is how long such a break lasts. 0 means that there is another
	// connection at once.
	Down time.Duration

	// Strike says whether a message may be lost, doubled, delayed, reordered or
	// corrupted: only answers, for example. It must not block nor modify the
	// message. nil means all.
	Strike func(*callback.Message) bool
	// Observer is told of faulty.lost, faulty.doubled, faulty.reordered,
	// faulty.corrupted and faulty.cut; Kind is that of the message. nil means
	// nobody.
	Observer antiphon.Observer
}

// A FaultyTransport is a transport on which things go wrong: one to test programs
// with. It can be connected again even if the transport in it cannot: a break is
// one of its own, which loses what is on its way through it, and which the transport
// in it, and the other end, know nothing of.
//
// Of what transports may be able to do beside that, it does what the one in it does:
// ListenGroup fails with errors.ErrUnsupported, and TrySend takes nothing, where
// that has none. Its inboxes are no callback.Feeder.
//
// What happens is decided by the seed: the n-th message of a kind that is sent, and
// that is received, meets with the same on each run. In a testing/synctest bubble
// all times are exact, too.
//
// Concurrency, Ownership: as callback.Transport says. The transport in it is its
// own from the moment that it is made.
//
// Closing: Close ends the transport in it, drops what is on its way, and leaves
// nothing behind.
//
// Delivery and order: about 1024 messages of each sort (answers, requests, events) are
// held up at most, each way; then Send waits, or nothing more is received.
//
// Zero value: none; use Faulty.
type FaultyTransport struct {
	inner callback.Transport
	try   callback.TrySender // nil if inner is none
	opts  FaultOptions
	wrong error
	plain bool // nothing happens to messages

	mu      sync.Mutex
	count   [2][256]uint64 // messages by direction and kind
	out     [sorts]sky
	inboxes map[*faultyInbox]struct{}
	own     *faultyInbox // for whose reader to know of a break, sends wait
	down    bool
	breaks  int   // so far
	cause   error // of the last
	closed  bool
	change  chan struct{} // closed when any of these changes
	cuts    *rand.Rand
	timer   *time.Timer // for the next cut, or its end

	life    context.Context // ends with Close
	die     context.CancelFunc
	conn    context.Context // ends with the connection
	drop    context.CancelFunc
	writers sync.WaitGroup
}

// Faulty returns a transport on which that happens to messages on their way to t and
// from it which o says. nil options mean that nothing happens before Cut is called.
func Faulty(t callback.Transport, o *FaultOptions) *FaultyTransport {
	f := &FaultyTransport{inner: t, inboxes: map[*faultyInbox]struct{}{}, change: make(chan struct{})}
	if o != nil {
		f.opts = *o
	}
	f.try, _ = t.(callback.TrySender)
	f.wrong = f.opts.mistake()
	f.plain = f.opts.plain()
	f.life, f.die = context.WithCancel(context.Background())
	f.conn, f.drop = context.WithCancel(f.life)
	for i := range f.out {
		f.out[i].wake = make(chan struct{}, 1)
	}
	if f.opts.Cuts > 0 && f.wrong == nil {
		f.cuts = rand.New(rand.NewPCG(f.opts.Seed, 1))
		f.mu.Lock()
		f.schedule()
		f.mu.Unlock()
	}
	return f
}

func (o *FaultOptions) plain() bool {
	return o.Loss == 0 && o.Duplication == 0 && o.Delay == 0 && o.Reordering == 0 && o.Corruption == 0
}

func (o *FaultOptions) mistake() error {
	for name, chance := range map[string]float64{"Loss": o.Loss, "Duplication": o.Duplication, "Reordering": o.Reordering, "Corruption": o.Corruption} {
		if !(chance >= 0 && chance <= 1) {
			return misuse(fmt.Sprintf("FaultOptions.%s is no chance: %v", name, chance))
		}
	}
	for name, d := range map[string]time.Duration{"Delay": o.Delay, "Cuts": o.Cuts, "Down": o.Down} {
		if d < 0 {
			return misuse(fmt.Sprintf("FaultOptions.%s is negative", name))
		}
	}
	return nil
}

func misuse(text string) error {
	return &antiphon.Error{
		Code:      antiphon.CodeInvalidArgument,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "callbacktest.options",
		Message:   "callbacktest: " + text,
		Permanent: true,
	}
}

// Caps returns those of the transport in it, but for RepliesSurvive: a cut loses
// what is on its way.
func (f *FaultyTransport) Caps() callback.Caps {
	caps := f.inner.Caps()
	caps.RepliesSurvive = false
	return caps
}

// Cut breaks the connection, until Heal: what is on its way is lost, Receive fails
// with callback.ErrDisconnected, once in each inbox, and Send waits. It does nothing
// if the connection is broken.
func (f *FaultyTransport) Cut() { _ = f.cut(nil) }

// cut reports whether there was a connection to break.
func (f *FaultyTransport) cut(cause error) bool {
	f.mu.Lock()
	cut := !f.down && !f.closed
	if cut {
		f.down, f.cause = true, cause
		f.breaks++
		for i := range f.out {
			f.out[i].clear()
		}
		for in := range f.inboxes {
			in.air.clear()
		}
		f.drop()
		f.conn, f.drop = context.WithCancel(f.life)
		f.changed()
	}
	f.mu.Unlock()
	if cut {
		f.opts.Observer.Emit(antiphon.Event{Name: "faulty.cut", Err: cause})
	}
	return cut
}

// Heal ends what Cut began. What is sent from then on waits until the reader of the
// transport's own inbox has been told of the break.
func (f *FaultyTransport) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		f.down = false
		f.changed()
	}
}

// Reconnect has the transport in it connect again if that can, and else breaks the
// connection for a moment.
func (f *FaultyTransport) Reconnect(cause error) {
	if r, ok := f.inner.(callback.Reconnector); ok {
		r.Reconnect(cause)
		return
	}
	if f.cut(cause) {
		f.Heal()
	}
}

// schedule sets the timer for the next cut. The caller holds the lock.
func (f *FaultyTransport) schedule() {
	if f.closed {
		return
	}
	f.timer = time.AfterFunc(time.Duration(f.cuts.ExpFloat64()*float64(f.opts.Cuts)), func() {
		ours := f.cut(nil)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.closed {
			return
		}
		f.timer = time.AfterFunc(f.opts.Down, func() {
			if ours {
				f.Heal()
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.schedule()
		})
	})
}

// changed lets everybody look again. The caller holds the lock.
func (f *FaultyTransport) changed() {
	close(f.change)
	f.change = make(chan struct{})
	for in := range f.inboxes {
		if in.interrupt != nil {
			in.interrupt()
		}
	}
}

// Flush waits until what was accepted has been given to the transport in it, and
// until that has flushed it, if it can.
func (f *FaultyTransport) Flush(ctx context.Context) error {
	for i := range f.out {
		for {
			f.mu.Lock()
			change, busy := f.change, f.out[i].writing
			f.mu.Unlock()
			if !busy {
				break
			}
			select {
			case <-change:
			case <-ctx.Done():
				return gaveUp(ctx)
			}
		}
	}
	if inner, ok := f.inner.(callback.Flusher); ok {
		return inner.Flush(ctx)
	}
	return nil
}

// Close ends the transport in it, and all that was on its way.
func (f *FaultyTransport) Close() error {
	f.mu.Lock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	for i := range f.out {
		f.out[i].clear()
	}
	f.changed()
	f.mu.Unlock()
	f.die()
	err := f.inner.Close()
	f.writers.Wait()
	return err
}

// gaveUp is the error of who waited in vain: the message was not taken.
func gaveUp(ctx context.Context) error {
	err := antiphon.Errorf(antiphon.CodeOf(ctx.Err()), "callbacktest: gave up: %w", context.Cause(ctx))
	err.Class = antiphon.ClassNotAccepted
	return err
}

func (f *FaultyTransport) disconnected(cause error) error {
	if cause == nil {
		return callback.ErrDisconnected
	}
	err := antiphon.Errorf(antiphon.CodeUnavailable, "%w: %w", callback.ErrDisconnected, cause)
	err.Class = antiphon.ClassUnknown
	return err
}
