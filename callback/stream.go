package callback

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// ServeStream answers what is asked as name with the parts that f yields. An error
// ends the stream and is its end. f yields only as far as the asker has room: then
// it waits, and its yield returns false when the asker has left the loop or given
// up, as the context shows too. It is otherwise as Serve.
func ServeStream[Q, R any](p *Peer, name string, f future.Stream[Q, R], o *ServeOptions) {
	if f == nil {
		p.mistaken("nil_func", fmt.Sprintf("ServeStream(%q) needs a function", name))
		return
	}
	p.serve(name, o, true, func(j *job, ctx context.Context) ([]byte, error) {
		if j.d.Kind == Event {
			return nil, errIsStream
		}
		q, err := unmarshal[Q](j.service.codec, j.d.Body)
		if err != nil {
			return nil, notUnderstood(err)
		}
		for r, err := range f(ctx, q) {
			if err != nil {
				return nil, err
			}
			body, err := marshal(j.service.codec, r)
			if err != nil {
				return nil, unsendable(err)
			}
			if err := j.part(ctx, body); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}

// part sends one part when there is credit for it.
func (j *job) part(ctx context.Context, body []byte) error {
	seq, err := j.credit.spend(j)
	if err != nil {
		return err
	}
	p := j.service.peer
	m := &Message{Kind: Part, ID: j.d.ID, To: j.d.ReplyTo, ReplyTo: p.replyTo(), Seq: seq, Deadline: j.deadline, Body: body}
	return unsendable(p.out.postWait(j, &outgoing{m: m}))
}

// credit is how many parts an asker has allowed.
type credit struct {
	mu    sync.Mutex
	total uint32
	sent  uint32        // the work's own
	more  chan struct{} // closed when total grows; nil if nobody waits
}

func newCredit(n uint32) *credit { return &credit{total: n} }

func (c *credit) grant(total uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if total <= c.total {
		return
	}
	c.total = total
	if c.more != nil {
		close(c.more)
		c.more = nil
	}
}

// spend waits for credit and returns the number of the part.
func (c *credit) spend(ctx context.Context) (uint32, error) {
	for {
		c.mu.Lock()
		if ctx.Err() == nil && c.sent < c.total {
			c.sent++
			c.mu.Unlock()
			return c.sent, nil
		}
		if c.more == nil {
			c.more = make(chan struct{})
		}
		more := c.more
		c.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return 0, gaveUp(ctx, unknown)
		}
	}
}

// DialStream returns a Stream of what is served as name with ServeStream. Each loop
// over what it returns is one request; its parts come in order. The asker holds
// DialOptions.Window of them at most, and the work waits when the loop is slow.
// Leaving the loop ends the work. A part that is missing ends the stream with
// ErrGap; the errors are otherwise those of [Dial]. A name that is served with
// Serve yields its one answer.
//
// DialOptions.Timeout is for the whole stream, Idle from part to part. A stream is
// not asked again: Attempts counts as 1.
func DialStream[Q, R any](p *Peer, name string, o *DialOptions) future.Stream[Q, R] {
	d := p.dial(name, o)
	d.opts.Attempts = 1
	return func(ctx context.Context, q Q) iter.Seq2[R, error] {
		if ctx == nil {
			ctx = context.Background()
		}
		return func(yield func(R, error) bool) {
			var zero R
			body, err := marshal(d.codec, q)
			if err != nil {
				yield(zero, err)
				return
			}
			s := &inflow{window: uint32(d.opts.Window), wake: make(chan struct{}, 1)}
			id, err := d.start(ctx, s, body, s.window)
			if err != nil {
				yield(zero, err)
				return
			}
			left := true
			defer func() {
				if left {
					p.abort(s, id, errLeft)
				}
			}()
			for {
				body, err := s.next()
				if err == errEnd {
					left = false
					return
				}
				var r R
				if err == nil {
					r, err = unmarshal[R](d.codec, body)
				}
				if !yield(r, err) || err != nil {
					return
				}
				s.took(p, id)
			}
		}
	}
}

var (
	errLeft = misuse("left", "the loop was left")
	errEnd  = misuse("end", "the stream has ended")
)

// An inflow is a request with many answers: an entry of a peer's table, and what
// has come and was not taken yet.
type inflow struct {
	askCore
	window uint32
	wake   chan struct{} // has room for one

	mu    sync.Mutex
	parts [][]byte
	last  uint32 // Seq of the last part that came
	ended error  // errEnd, or why there is no more
	one   []byte // the answer of what is no stream
	only  bool   // there is such an answer

	taken, allowed uint32 // the loop's own
}

func (s *inflow) core() *askCore { return &s.askCore }

func (s *inflow) due(id ID, now moment) { s.dial.peer.askDue(s, id, now) }

func (s *inflow) settle(err error) {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = err
	}
	s.mu.Unlock()
	s.signal()
}

func (s *inflow) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *inflow) receive(m *Message) {
	p := s.dial.peer
	switch m.Kind {
	case Progress:
		p.progress(s, m)
	case Part:
		switch err := s.put(m); err {
		case nil:
			p.follow(s, m)
			s.signal()
		case errDoubled:
			p.observe(antiphon.Event{Name: "callback.duplicate", Kind: Part.String(), ID: m.ID.String(), Err: ErrDuplicate})
		default:
			p.abort(s, m.ID, err)
		}
	case Reply:
		s.mu.Lock()
		switch {
		case m.Err != nil:
			s.ended = m.Err
		case m.Seq != s.last:
			s.ended = ErrGap
		default:
			s.ended = errEnd
			s.one, s.only = m.Body, m.Seq == 0 && len(m.Body) > 0
		}
		s.mu.Unlock()
		s.signal()
	}
}

var errDoubled = misuse("doubled", "the part is there already")

// put keeps a part for the loop.
func (s *inflow) put(m *Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.Seq <= s.last:
		return errDoubled
	case m.Seq != s.last+1:
		return ErrGap
	case len(s.parts) >= int(s.window):
		return errFlooded
	}
	s.last = m.Seq
	s.parts = append(s.parts, m.Body)
	return nil
}

var errFlooded = antiphon.Errorf(antiphon.CodeResourceExhausted, "callback: the stream sends more than it was allowed")

// next waits for a part.
func (s *inflow) next() (body []byte, err error) {
	for {
		s.mu.Lock()
		switch {
		case len(s.parts) > 0:
			body = s.parts[0]
			s.parts[0] = nil
			if s.parts = s.parts[1:]; len(s.parts) == 0 {
				s.parts = nil
			}
			s.mu.Unlock()
			return body, nil
		case s.only:
			s.only = false
			s.mu.Unlock()
			return s.one, nil
		case s.ended != nil:
			err = s.ended
			s.mu.Unlock()
			return nil, err
		}
		s.mu.Unlock()
		<-s.wake // whatever ends the ask wakes it
	}
}

// took allows the answerer more, half a window at a time.
func (s *inflow) took(p *Peer, id ID) {
	s.taken++
	if s.taken-s.allowed < (s.window+1)/2 {
		return
	}
	s.allowed = s.taken
	to := s.dial.name
	p.table.hold(id, func() {
		if s.more != nil && s.more.ctl != "" {
			to = s.more.ctl
		}
	})
	m := &Message{Kind: Credit, ID: id, To: to, ReplyTo: p.replyTo(), Seq: s.taken + s.window}
	if err := p.out.post(&outgoing{m: m}); err != nil {
		p.abort(s, id, err)
	}
}
