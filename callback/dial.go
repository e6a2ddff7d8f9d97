package callback

import (
	"context"
	"maps"
	"math"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// DialOptions say how to ask. A zero field means its default, nil options mean all
// of them. A negative field is a mistake: every ask fails with an error of code
// invalid_argument that names it.
type DialOptions struct {
	// Timeout is how long an answer may take at most; it travels with the request
	// and is the deadline of the work. If the asker's context ends before, that
	// counts. 0 means PeerOptions.Timeout.
	Timeout time.Duration
	// Idle is how long the answerer may be silent: progress and parts make it
	// start again. 0 means as long as Timeout.
	Idle time.Duration
	// Attempts is how often the request is sent if nothing comes back, or the wire
	// refuses it for the moment. All have the same id, so the answerer does the
	// work once, and the ask outlives a connection that breaks. 0 means 1.
	Attempts int
	// Backoff is how long to wait before it is sent again. nil means
	// antiphon.Exponential(time.Second, 30*time.Second), in equal jitter.
	Backoff antiphon.Backoff
	// Header is sent along, beside what the context carries; see [WithHeader].
	Header map[string]string
	// Codec encodes the request and decodes the answer. nil means
	// PeerOptions.Codec.
	Codec antiphon.Codec
	// Window is how many parts of a stream may be on their way or waiting for the
	// asker. 0 means 64.
	Window int
}

// A dialed is a name that a peer asks, and how.
type dialed struct {
	peer  *Peer
	name  string
	opts  DialOptions
	codec antiphon.Codec
	wrong error
}

func (p *Peer) dial(name string, o *DialOptions) *dialed {
	d := &dialed{peer: p, name: name}
	if o != nil {
		d.opts = *o
		d.opts.Header = maps.Clone(o.Header)
	}
	switch o := &d.opts; {
	case name == "":
		d.wrong = misuse("name", "Dial needs a name")
	case o.Timeout < 0:
		d.wrong = misuse("options", "DialOptions.Timeout is negative")
	case o.Idle < 0:
		d.wrong = misuse("options", "DialOptions.Idle is negative")
	case o.Attempts < 0:
		d.wrong = misuse("options", "DialOptions.Attempts is negative")
	case o.Window < 0:
		d.wrong = misuse("options", "DialOptions.Window is negative")
	}
	if d.opts.Timeout == 0 {
		d.opts.Timeout = p.opts.Timeout
	}
	if d.opts.Backoff == nil {
		d.opts.Backoff = antiphon.EqualJitter(antiphon.Geometric(time.Second, 30*time.Second, 2))
	}
	if d.opts.Window == 0 {
		d.opts.Window = 64
	}
	d.opts.Window = min(d.opts.Window, math.MaxInt32)
	if d.codec = d.opts.Codec; d.codec == nil {
		d.codec = p.opts.Codec
	}
	return d
}

// Dial returns an Asker of what is served as name at the other end, or at one of
// the other ends, of p's transport. An ask is an entry in a table until its answer
// comes: no goroutine, no timer.
//
// Nothing is sent or received before p.Run is called. The context of an ask bounds the
// ask; that of Await only the wait.
//
// Errors of the work keep code and class, and errors.Is works for sentinels that are an
// antiphon.Error with a Reason and for those of the standard library; one of errors.New
// arrives as its text. An ask also fails with
// ErrExpired when its time is over (at a deadline of its context either with that or with
// the context's cause, and always with context.DeadlineExceeded); with ErrUndeliverable, ErrFull or ErrClosed,
// of class not accepted, if the request has surely not been taken; with
// ErrDisconnected, of class unknown, if the connection broke after it was sent;
// and, when its context ends, with what ended that, of class not accepted if the
// request had not left, else unknown. It then settles at once, and the work's
// context is cancelled as soon as the message is there.
//
// The value is encoded before the Asker returns, and the answer is decoded on the
// goroutine that reads for p, if it is short: MarshalJSON and the like must not
// block.
func Dial[Q, R any](p *Peer, name string, o *DialOptions) future.Asker[Q, R] {
	d := p.dial(name, o)
	return func(ctx context.Context, q Q) *future.Future[R] {
		if ctx == nil {
			ctx = context.Background()
		}
		body, err := marshal(d.codec, q)
		if err != nil {
			return future.Failed[R](untried(err))
		}
		a := &ask[R]{}
		f := a.promise.Future()
		if _, err := d.start(ctx, a, body, 0); err != nil {
			a.promise.Reject(err)
		}
		return f
	}
}
