package callback

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"sync"
	"unicode/utf8"

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
	works   func() // run, made once: a go statement makes one each time

	mu       sync.Mutex
	workers  int  // goroutines
	busy     int  // of them, those that work
	starting bool // one of them has yet to begin, or looks again before it goes
	waiting  fifo // requests
	late     fifo // events
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
			return nil, untried(misfit("request", name, err))
		}
		r, err := f(ctx, q)
		if err != nil || j.d.Kind == Event {
			return nil, err
		}
		body, err := marshal(j.service.codec, r)
		return body, unsendable(err)
	})
}

// mistaken has Run return a mistake, whether it runs already or not.
func (p *Peer) mistaken(reason, text string) {
	err := misuse(reason, text)
	p.mu.Lock()
	r := p.run
	if r == nil {
		p.wrong = append(p.wrong, err)
	}
	p.mu.Unlock()
	if r != nil {
		r.cancel(err)
	}
}

func (p *Peer) serve(name string, o *ServeOptions, streams bool, work func(*job, context.Context) ([]byte, error)) {
	s := &service{peer: p, name: name, work: work, streams: streams}
	s.works = s.run
	if o != nil {
		s.opts = *o
	}
	switch {
	case name == "" || len(name) > MaxAddress || !utf8.ValidString(name):
		p.mistaken("name", fmt.Sprintf("Serve needs a name of 1 to %d bytes of UTF-8", MaxAddress))
		return
	case s.opts.Concurrency < 0:
		p.mistaken("options", "ServeOptions.Concurrency is negative")
		return
	case s.opts.Queue < 0:
		p.mistaken("options", "ServeOptions.Queue is negative")
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
	all := map[string]*service{}
	if old := p.serves.Load(); old != nil {
		all = maps.Clone(*old)
	}
	taken := all[name] != nil
	if !taken {
		all[name] = s
		p.serves.Store(&all)
	}
	r := p.run
	runs := p.state == up && r.open
	p.mu.Unlock()
	switch {
	case taken:
		p.mistaken("name", fmt.Sprintf("%q is served already", name))
	case runs:
		if err := p.open(r, s); err != nil {
			r.cancel(err)
		}
	}
}

func (p *Peer) served(name string) *service {
	if all := p.serves.Load(); all != nil {
		return (*all)[name]
	}
	return nil
}

// enqueue gives j a turn, or a place in the queue. It reports false if there is
// none; dropped is an event that had to give way.
func (s *service) enqueue(j *job) (ok bool, dropped *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	turns := max(s.opts.Concurrency-s.busy-s.waiting.n, 0) // that are free
	switch {
	case j.d.Kind == Event:
		if s.late.n >= s.opts.Queue+turns {
			dropped = s.late.pop()
		}
		s.late.push(j)
	case turns == 0 && s.waiting.n >= s.opts.Queue+s.opts.Concurrency-s.busy:
		return false, nil
	default:
		s.waiting.push(j)
	}
	s.hire()
	return true, dropped
}

// hire starts a worker if there is something to do, and none is about to begin: it
// hires the next if there is more. So many short calls share few goroutines, whose
// stacks have grown, and long ones get one each. The caller holds the lock.
func (s *service) hire() {
	if s.starting || s.workers == s.opts.Concurrency || s.waiting.n+s.late.n == 0 {
		return
	}
	s.starting = true
	s.workers++
	go s.works()
}

// next returns what is to be done now: requests before events. The caller holds
// the lock.
func (s *service) next() (j *job) {
	switch {
	case s.waiting.n > 0:
		j = s.waiting.pop()
	case s.late.n > 0:
		j = s.late.pop()
	}
	return j
}

// run is the goroutine of a worker.
func (s *service) run() {
	grow()
	exited := false
	defer func() {
		if exited { // the work called runtime.Goexit
			s.mu.Lock()
			s.busy--
			s.workers--
			s.hire()
			s.mu.Unlock()
		}
	}()
	s.mu.Lock()
	s.starting = false
	for {
		j := s.next()
		if j == nil && !s.starting {
			// Whoever reads may be about to bring more: a goroutine that is here
			// already, with its grown stack, is the cheapest to begin with it.
			s.starting = true
			s.mu.Unlock()
			runtime.Gosched()
			s.mu.Lock()
			s.starting = false
			j = s.next()
		}
		if j == nil {
			s.workers--
			s.mu.Unlock()
			return
		}
		s.busy++
		s.hire()
		s.mu.Unlock()
		exited = true
		s.do(j)
		exited = false
		s.mu.Lock()
		s.busy--
	}
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
		if f.h = 0; cap(f.q) > 64 {
			f.q = nil
		}
		f.q = f.q[:0]
	}
	return j
}
