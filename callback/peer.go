package callback

import (
	"context"
	"errors"
	"fmt"
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
	// each of three sorts: answers and the like, requests, and events. 0 means
	// 1024.
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
	epoch atomic.Uint32
	out   outbox
	inbox atomic.Pointer[string] // the address of our own inbox, once it is open

	life context.Context // ends with Close
	die  context.CancelCauseFunc

	heard  atomic.Int64 // moment of the last message, for the heartbeat
	mu     sync.Mutex
	serves map[string]*service
	jobs   jobs
	state  state
	wrong  []error
	closed chan struct{} // when Close has begun
	inners sync.WaitGroup
	run    *running
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
)

// NewPeer returns a peer on t, which is the peer's from then on. Nothing is sent or
// received before Run; what is asked before that waits.
func NewPeer(t Transport, o *PeerOptions) *Peer {
	p := &Peer{transport: t, closed: make(chan struct{})}
	if o != nil {
		p.opts = *o
	}
	o = &p.opts
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
	} {
		p.option(f.name, *f.value < 0)
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
		p.option(f.name, *f.value < 0)
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
		p.wrong = append(p.wrong, misuse("transport", "NewPeer needs a transport"))
	} else {
		p.caps = t.Caps()
		p.try, _ = t.(TrySender)
	}
	p.maxBody = o.MaxBody
	if n := p.caps.MaxBody; n > 0 && n < p.maxBody {
		p.maxBody = n
	}
	p.clock = o.Clock
	p.table = newTable(o.Clock, o.MaxPending)
	p.life, p.die = context.WithCancelCause(context.Background())
	p.out.peer, p.out.held = p, true
	p.jobs.init(p)
	return p
}

func (p *Peer) option(name string, negative bool) {
	if negative {
		p.wrong = append(p.wrong, misuse("options", "PeerOptions."+name+" is negative"))
	}
}

// mistake is what was wrong about setting p up.
func (p *Peer) mistake() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.wrong...)
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

// running is what Run has going.
type running struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	others map[*service]Inbox
}

// Run receives until ctx ends or the peer is closed, and closes it in the end. It
// returns nil after Shutdown or Close, otherwise what ended it: the cause of ctx,
// an error of the transport, or the mistakes made in setting the peer up. It may be
// called once.
//
// The contexts of the work carry the values of ctx.
func (p *Peer) Run(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := p.mistake(); err != nil {
		_ = p.Close()
		return err
	}
	r := &running{others: map[*service]Inbox{}}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	own, err := p.begin(r)
	if err == nil && own != nil {
		err = p.read(r, own, nil)
	}
	if p.ended() {
		err = nil
	} else if cause := context.Cause(r.ctx); cause != nil {
		err = cause
	}
	p.end(err)
	r.cancel(ErrClosed)
	p.inners.Wait()
	return err
}

// begin opens the inboxes and starts the readers of all but our own.
func (p *Peer) begin(r *running) (Inbox, error) {
	p.mu.Lock()
	switch p.state {
	case down:
		p.mu.Unlock()
		return nil, nil
	case fresh:
		p.state = up
	default:
		p.mu.Unlock()
		return nil, misuse("running", "Run may be called once")
	}
	p.run = r
	p.jobs.base = context.WithoutCancel(r.ctx)
	todo := make([]*service, 0, len(p.serves))
	for _, s := range p.serves {
		todo = append(todo, s)
	}
	p.mu.Unlock()
	own, err := p.transport.Listen(r.ctx, "")
	if err != nil {
		return nil, fmt.Errorf("callback: opening the inbox: %w", err)
	}
	addr := own.Addr()
	p.inbox.Store(&addr)
	for _, s := range todo {
		if err := p.open(r, s); err != nil {
			_ = own.Close()
			return nil, err
		}
	}
	p.out.release()
	if p.opts.Heartbeat > 0 && p.caps.PointToPoint {
		p.beat(r)
	}
	return own, nil
}

// open starts to receive what is for s, on wires where that does not come to our
// own inbox.
func (p *Peer) open(r *running, s *service) error {
	if p.caps.PointToPoint {
		return nil
	}
	var in Inbox
	var err error
	if s.opts.Group != "" {
		g, ok := p.transport.(GroupListener)
		if !ok {
			return fmt.Errorf("callback: serving %q in a group: %w", s.name, errors.ErrUnsupported)
		}
		in, err = g.ListenGroup(r.ctx, s.name, s.opts.Group)
	} else {
		in, err = p.transport.Listen(r.ctx, s.name)
	}
	if err != nil {
		return fmt.Errorf("callback: serving %q: %w", s.name, err)
	}
	p.mu.Lock()
	if p.state >= draining {
		p.mu.Unlock()
		return in.Close()
	}
	r.others[s] = in
	p.inners.Add(1)
	p.mu.Unlock()
	go func() {
		defer p.inners.Done()
		if err := p.read(r, in, s); err != nil {
			r.cancel(err)
		}
	}()
	return nil
}

func (p *Peer) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == down
}

// Close ends the peer at once: asks fail with an error of class unknown that is
// ErrClosed, the contexts of work end, what waits to be sent is dropped, and the
// transport is closed. It does not wait for work that does not heed its context.
// It returns what the transport's Close does, and may be called again.
func (p *Peer) Close() error {
	p.end(nil)
	return nil
}

// end closes everything, for the reason why, which may be nil.
func (p *Peer) end(why error) {
	p.mu.Lock()
	if p.state == down {
		p.mu.Unlock()
		return
	}
	p.state = down
	close(p.closed)
	r := p.run
	p.mu.Unlock()
	if r != nil {
		r.cancel(ErrClosed)
	}
	p.die(because(ErrClosed, notAccepted, why))
	p.out.close()
	p.jobs.cancel(because(ErrClosed, unknown, why))
	p.jobs.times.close()
	if p.transport != nil {
		_ = p.transport.Close()
	}
	p.out.done.Wait()
	left := p.table.close()
	if len(left) == 0 {
		return
	}
	unknown := because(ErrClosed, unknown, why)
	for _, e := range left {
		a := e.(asked)
		a.core().drop()
		if a.core().unsent() {
			a.settle(because(ErrClosed, notAccepted, why))
		} else {
			a.settle(unknown)
		}
	}
}

// Shutdown ends the peer politely: it refuses new requests, with an error that
// says that asking elsewhere is safe, waits until the work under way is done and
// its answers are sent, and then closes. Asks of the peer's own go on meanwhile.
// If ctx ends before, it closes at once and returns what ended ctx.
func (p *Peer) Shutdown(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	p.mu.Lock()
	if p.state == down {
		p.mu.Unlock()
		return nil
	}
	first := p.state < draining
	p.state = draining
	var others []Inbox
	if first && p.run != nil {
		for _, in := range p.run.others {
			others = append(others, in)
		}
	}
	running := p.run != nil
	p.mu.Unlock()
	if !running {
		p.end(nil)
		return nil
	}
	for _, in := range others {
		_ = in.Close()
	}
	var err error
	for _, idle := range []func() <-chan struct{}{p.jobs.idle, p.out.idle} {
		select {
		case <-idle():
			continue
		case <-p.closed:
		case <-ctx.Done():
			err = gaveUp(ctx, unknown)
		}
		break
	}
	if f, ok := p.transport.(Flusher); ok && err == nil && f.Flush(ctx) != nil {
		err = gaveUp(ctx, unknown)
	}
	p.end(err)
	return err
}
