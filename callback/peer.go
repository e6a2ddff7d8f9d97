package callback

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// PeerOptions are the limits and habits of a [Peer]. A zero field means its
// default, nil options mean all of them. A negative field is a mistake: Run fails
// with an error of code invalid_argument that names it, and so does every ask.
type PeerOptions struct {
	// MaxPending is how many asks may be pending; one more fails with ErrFull. 0
	// means 1048576.
	MaxPending int
	// MaxBody is how many bytes a body may have, either way. 0 means 4 MiB. If
	// the transport allows less, that counts.
	MaxBody int
	// Outbox is how many messages wait that the transport has no room for, of
	// each of three sorts: answers and what belongs to requests, requests, and
	// events. Of progress, the latest of each request waits. 0 means 1024.
	Outbox int
	// OutboxBytes is how many bytes they may have together; requests and events
	// get half of it at most. 0 means 16 MiB.
	OutboxBytes int
	// Timeout is that of asks without another. 0 means 30 seconds.
	Timeout time.Duration
	// SendTimeout is how long the transport may take for one message. 0 means 30
	// seconds.
	SendTimeout time.Duration
	// Answers is how many answers are kept for requests that come again, until
	// their deadlines. 0 means 1024.
	Answers int
	// AnswerBytes is how many bytes these have together. 0 means 4 MiB.
	AnswerBytes int
	// Backlog is how many bytes the requests and events may have together that
	// were accepted and are not done; what exceeds it is refused with ErrFull, or
	// dropped. One always fits. 0 means 64 MiB.
	Backlog int
	// Heartbeat is how long the other end of a point-to-point wire may be silent
	// before it is asked for a sign of life; if there is none for as long again,
	// the connection is given up. 0 means never: most wires have a heartbeat of
	// their own.
	Heartbeat time.Duration

	// Codec encodes values. nil means antiphon.JSON{}.
	Codec antiphon.Codec
	// Inject adds to the header of what is sent, as propagators of trace context
	// do. nil adds nothing. It must not block.
	Inject func(ctx context.Context, header map[string]string)
	// Extract makes the context of work from the header of its request. nil
	// changes nothing. It must not block.
	Extract func(ctx context.Context, header map[string]string) context.Context
	// Observer is told of the events listed in the package comment. nil means
	// nobody.
	Observer antiphon.Observer
	// Clock measures all times. nil means the real one.
	Clock clock.Clock
}

// A Peer is one end of a conversation over a [Transport]: it asks ([Dial]), answers
// ([Serve]), and does both at once. It owns its transport.
//
// Concurrency: all methods may be called by any number of goroutines. Work runs on
// goroutines of its own, never on the one that reads, so it may ask back.
//
// Cancellation: the context of an ask that ends, ends the work for it at the other
// end.
//
// Closing: Shutdown is the polite way, Close the immediate one. Either settles
// every ask.
//
// Delivery and order: a request is handled at most once for each time that it is
// sent, and once if it is repeated under its id within its deadline, as far as
// PeerOptions.Answers reaches. Events of one name are handled in order if
// ServeOptions.Concurrency is 1. Answers have no order among them.
//
// Zero value: none; use NewPeer.
type Peer struct {
	transport Transport
	try       TrySender // nil if the transport is none
	caps      Caps
	opts      PeerOptions
	clock     clock.Clock
	maxBody   int

	table *table // of the asks
	exit  exit   // of those whose contexts end
	epoch atomic.Uint32
	out   outbox
	inbox atomic.Pointer[string] // the address of our own inbox, once it is open

	life context.Context // ends with Close
	die  context.CancelCauseFunc

	heard  atomic.Int64 // moment of the last message, for the heartbeat
	serves atomic.Pointer[map[string]*service]
	jobs   jobs
	unfit  error // what is wrong with the options

	mu      sync.Mutex
	state   state
	wrong   []error       // what else is, until Run
	listens chan struct{} // closed when all inboxes are open
	closed  chan struct{} // when Close has begun
	ended   chan struct{} // when it is done
	broken  error         // what the transport's Close returned
	inners  sync.WaitGroup
	run     *running
}

// state is how far a peer has come.
type state uint8

const (
	fresh state = iota
	up
	draining
	down
)

const (
	defaultMaxBody = 4 << 20
	defaultOutbox  = 16 << 20
	defaultAnswers = 4 << 20
	defaultBacklog = 64 << 20
)

// NewPeer returns a peer on t, which is the peer's from then on. Nothing is sent or
// received before Run; what is asked before that waits.
func NewPeer(t Transport, o *PeerOptions) *Peer {
	p := &Peer{transport: t, listens: make(chan struct{}), closed: make(chan struct{}), ended: make(chan struct{})}
	if o != nil {
		p.opts = *o
	}
	o = &p.opts
	var wrong []error
	option := func(name string, negative bool) {
		if negative {
			wrong = append(wrong, misuse("options", "PeerOptions."+name+" is negative"))
		}
	}
	for _, f := range []struct {
		name  string
		value *int
		def   int
	}{
		{"MaxPending", &o.MaxPending, defaultMaxPending},
		{"MaxBody", &o.MaxBody, defaultMaxBody},
		{"Outbox", &o.Outbox, 1024},
		{"OutboxBytes", &o.OutboxBytes, defaultOutbox},
		{"Answers", &o.Answers, 1024},
		{"AnswerBytes", &o.AnswerBytes, defaultAnswers},
		{"Backlog", &o.Backlog, defaultBacklog},
	} {
		option(f.name, *f.value < 0)
		if *f.value <= 0 {
			*f.value = f.def
		}
	}
	for _, f := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"Timeout", &o.Timeout, defaultTTL},
		{"SendTimeout", &o.SendTimeout, defaultTTL},
		{"Heartbeat", &o.Heartbeat, 0},
	} {
		option(f.name, *f.value < 0)
		if *f.value <= 0 {
			*f.value = f.def
		}
	}
	if o.Codec == nil {
		o.Codec = antiphon.JSON{}
	}
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	if t == nil {
		wrong = append(wrong, misuse("transport", "NewPeer needs a transport"))
	} else {
		p.caps = t.Caps()
		p.try, _ = t.(TrySender)
	}
	p.maxBody = o.MaxBody
	if n := p.caps.MaxBody; n > 0 && n < p.maxBody {
		p.maxBody = n
	}
	p.clock = o.Clock
	p.table = newTable(o.Clock, o.MaxPending, func(e entry, id ID, now moment) { e.(asked).due(id, now) })
	p.life, p.die = context.WithCancelCause(context.Background())
	p.unfit = errors.Join(wrong...)
	p.out.init(p)
	p.jobs.init(p)
	return p
}

// replyTo is the address of p's inbox.
func (p *Peer) replyTo() string {
	if p.caps.PointToPoint {
		return ""
	}
	if at := p.inbox.Load(); at != nil {
		return *at
	}
	return ""
}

func (p *Peer) observe(e antiphon.Event) {
	if p.opts.Observer != nil {
		p.opts.Observer.Emit(e)
	}
}

// Pending returns how many asks wait for their answers.
func (p *Peer) Pending() int { return int(p.table.count.Load()) }
