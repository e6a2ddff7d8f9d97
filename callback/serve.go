package callback

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// ServeOptions say how to answer. A zero field means its default, nil options mean
// all of them. A negative field is a mistake, which Run returns.
type ServeOptions struct {
	// Concurrency is how many calls may be under way at once. 0 means 64.
	Concurrency int
	// Queue is how many requests wait for a turn; one more is refused with
	// ErrFull. As many events wait, and one more drops the oldest. 0 means 1024.
	Queue int
	// Group makes several answerers at one name share its requests, on a
	// transport that is a [GroupListener]. Empty means that each gets all.
	Group string
	// Codec decodes requests and encodes answers. nil means PeerOptions.Codec.
	Codec antiphon.Codec
}

// A service is what is served under one name.
type service struct {
	peer  *Peer
	name  string
	opts  ServeOptions
	codec antiphon.Codec
	// work answers j; it sends the parts of a stream itself. It returns the
	// encoded answer.
	work func(j *job, ctx context.Context) ([]byte, error)
	// streams says that answers come in parts.
	streams bool

	mu      sync.Mutex
	running int
	waiting fifo // requests
	late    fifo // events
}

// Serve answers what is asked as name with f, which may be any synchronous method.
// The context of a call ends when the asker gives up, with the asker's deadline
// ([Delivery] in time that remains, so clocks need not agree), and with the peer;
// it carries antiphon.InfoFrom and takes antiphon.Report. What f returns, its panic
// too, is the answer; see [antiphon.FromError] for how much of an error is told.
//
// Events sent with [Notify] under the name are f's as well; its answer to them is
// dropped, and an error observed.
//
// Serve before Run, or later: what came for an unknown name has been refused, as
// unimplemented and not accepted. A name that is empty or taken, a nil f, and
// negative options are mistakes that Run returns.
func Serve[Q, R any](p *Peer, name string, f future.Func[Q, R], o *ServeOptions) {
	if f == nil {
		p.mistaken("nil_func", fmt.Sprintf("Serve(%q) needs a function", name))
		return
	}
	p.serve(name, o, false, func(j *job, ctx context.Context) ([]byte, error) {
		q, err := unmarshal[Q](j.service.codec, j.d.Body)
		if err != nil {
			return nil, notUnderstood(err)
		}
		r, err := f(ctx, q)
		if err != nil || j.d.Kind == Event {
			return nil, err
		}
		body, err := marshal(j.service.codec, r)
		return body, unsendable(err)
	})
}

// notUnderstood says that a request was not even tried.
func notUnderstood(err error) error {
	d := *antiphon.FromError(err)
	d.Class, d.Permanent = notAccepted, true
	return &d
}

// unsendable says of an answer that err keeps from being sent that the work was done.
func unsendable(err error) error {
	if err == nil {
		return nil
	}
	d := *antiphon.FromError(err)
	d.Class, d.Permanent = antiphon.ClassFailed, true
	return &d
}

func (p *Peer) mistaken(reason, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, misuse(reason, text))
}

func (p *Peer) serve(name string, o *ServeOptions, streams bool, work func(*job, context.Context) ([]byte, error)) {
	s := &service{peer: p, name: name, work: work, streams: streams}
	if o != nil {
		s.opts = *o
	}
	p.mu.Lock()
	taken := p.serves[name] != nil
	p.mu.Unlock()
	switch {
	case name == "" || len(name) > MaxAddress:
		p.mistaken("name", fmt.Sprintf("Serve needs a name of 1 to %d bytes", MaxAddress))
		return
	case taken:
		p.mistaken("name", fmt.Sprintf("%q is served already", name))
		return
	case s.opts.Concurrency < 0 || s.opts.Queue < 0:
		p.mistaken("options", "ServeOptions has a negative field")
		return
	}
	if s.opts.Concurrency == 0 {
		s.opts.Concurrency = 64
	}
	if s.opts.Queue == 0 {
		s.opts.Queue = 1024
	}
	if s.codec = s.opts.Codec; s.codec == nil {
		s.codec = p.opts.Codec
	}
	p.mu.Lock()
	if p.serves == nil {
		p.serves = map[string]*service{}
	}
	p.serves[name] = s
	r, state := p.run, p.state
	p.mu.Unlock()
	if state == up {
		if err := p.open(r, s); err != nil {
			r.cancel(err)
		}
	}
}

func (p *Peer) served(name string) *service {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serves[name]
}

// enqueue gives j a goroutine, or a place in the queue. It reports false if there
// is none; dropped is an event that had to give way.
func (s *service) enqueue(j *job) (ok bool, dropped *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	event := j.d.Kind == Event
	switch {
	case s.running < s.opts.Concurrency:
		s.running++
		go s.run(j)
	case event:
		if s.late.n == s.opts.Queue {
			dropped = s.late.pop()
		}
		s.late.push(j)
	case s.waiting.n == s.opts.Queue:
		return false, nil
	default:
		s.waiting.push(j)
	}
	return true, dropped
}

// next returns what is to be done now: requests before events.
func (s *service) next() *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.waiting.n > 0:
		return s.waiting.pop()
	case s.late.n > 0:
		return s.late.pop()
	}
	s.running--
	return nil
}

// run is the goroutine of one of the slots of s.
func (s *service) run(j *job) {
	var exited = true
	defer func() {
		if exited { // the work called runtime.Goexit
			if j = s.next(); j != nil {
				go s.run(j)
			}
		}
	}()
	for j != nil {
		s.do(j)
		j = s.next()
	}
	exited = false
}

// do does j and sends the answer.
func (s *service) do(j *job) {
	var body []byte
	err := future.ErrGoexit
	defer func() {
		if v := recover(); v != nil {
			err = &future.PanicError{Value: v, Stack: debug.Stack()}
		}
		j.finish(body, err)
	}()
	var ctx context.Context
	if ctx, err = j.begin(); err != nil {
		return
	}
	err = future.ErrGoexit
	body, err = s.work(j, ctx)
}

// A fifo is a queue of jobs.
type fifo struct {
	q []*job
	n int
	h int
}

func (f *fifo) push(j *job) {
	if f.h > 32 && f.h > len(f.q)/2 {
		f.q = append(f.q[:0:0], f.q[f.h:]...)
		f.h = 0
	}
	f.q = append(f.q, j)
	f.n++
}

func (f *fifo) pop() *job {
	j := f.q[f.h]
	f.q[f.h] = nil
	f.h++
	f.n--
	if f.n == 0 {
		*f = fifo{}
	}
	return j
}
