package callback

import (
	"context"
	"errors"
	"iter"
	"math"
	"sync"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// DialStream returns a Stream of what is served as name with ServeStream. Each loop
// over what it returns is one request; its parts come in order. The asker holds
// DialOptions.Window of them at most, and the work waits when the loop is slow.
// Leaving the loop ends the work. A part that is missing ends the stream with
// ErrGap, after those before it; the errors are otherwise those of [Dial]. A name that
// is served with Serve yields its one answer, unless that is empty.
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
				yield(zero, untried(err))
				return
			}
			s := &inflow{window: uint32(d.opts.Window), wake: make(chan struct{}, 1)}
			s.granted = s.window
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
					if err != nil {
						err = tried(misfit("answer", d.name, err))
					}
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

	mu      sync.Mutex
	parts   [][]byte
	last    uint32 // Seq of the last part that came
	granted uint32 // how many parts may come in all
	ended   error  // errEnd, or why there is no more
	one     []byte // the answer of what is no stream
	only    bool   // there is such an answer

	taken, allowed uint32 // the loop's own
}

func (s *inflow) core() *askCore { return &s.askCore }

func (s *inflow) due(id ID, now moment) { s.dial.peer.askDue(s, id, now) }

// settle ends the stream. What came before is still handed out, unless the asker
// has run out of time or does not want it any more.
func (s *inflow) settle(err error) {
	over := errors.Is(err, ErrExpired) || errors.Is(err, errGaveUp) || errors.Is(err, ErrClosed)
	s.mu.Lock()
	s.ended = err
	if over {
		s.parts = nil
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

var (
	errDoubled = misuse("doubled", "the part is there already")
	errFlooded = &antiphon.Error{
		Code:    antiphon.CodeResourceExhausted,
		Class:   antiphon.ClassUnknown,
		Reason:  "callback.flooded",
		Message: "callback: the stream sends more than it was allowed",
	}
)

// put keeps a part for the loop.
func (s *inflow) put(m *Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.Seq <= s.last:
		return errDoubled
	case m.Seq != s.last+1:
		return ErrGap
	case m.Seq > s.granted:
		return errFlooded
	}
	s.last = m.Seq
	if s.ended == nil { // by the time that m was looked up, it was not
		s.parts = append(s.parts, m.Body)
	}
	return nil
}

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
			body = s.one
			s.mu.Unlock()
			return body, nil
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
	total := uint32(min(uint64(s.taken)+uint64(s.window), math.MaxUint32))
	s.mu.Lock()
	s.granted = total
	s.mu.Unlock()
	to := s.dial.name
	if !p.table.hold(id, func() {
		if s.more != nil && s.more.ctl != "" {
			to = s.more.ctl
		}
	}) {
		return // all that will come is there
	}
	o := outgoing{m: &Message{Kind: Credit, ID: id, To: to, ReplyTo: p.replyTo(), Seq: total}}
	for {
		ok, err := p.out.offer(&o)
		if err != nil {
			p.abort(s, id, err)
		}
		if ok || err != nil {
			return
		}
		if room := p.out.waitFor(&o); room != nil {
			select {
			case <-room:
			case <-s.wake:
			}
		}
		s.mu.Lock()
		ended := s.ended != nil
		s.mu.Unlock()
		if ended {
			s.signal() // what was taken was for next
			return
		}
	}
}
