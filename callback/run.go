package callback

import (
	"context"
	"errors"
	"fmt"
)

// running is what Run has going.
type running struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	others map[*service]Inbox
	open   bool // our own inbox is
}

// Run receives until ctx ends or the peer is closed, and closes it in the end. It
// returns nil after Shutdown or Close, otherwise what ended it: the cause of ctx,
// an error of the transport, or the mistakes made in setting the peer up. It may be
// called once; another call fails and changes nothing.
//
// The contexts of the work carry the values of ctx.
func (p *Peer) Run(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	r := &running{others: map[*service]Inbox{}}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	if err, goes := p.start(r); !goes {
		r.cancel(nil)
		return err
	}
	own, err := p.begin(r)
	if err == nil {
		err = p.receive(r, own, nil)
	}
	return p.finish(r, err)
}

// Listening waits for Run until the peer is heard: what is asked of it from then on,
// under a name that was served before, is not undeliverable because it was early. It
// returns nil then, what ended ctx, or [ErrClosed] if the peer is being shut down or is
// closed, with what ended Run as its cause.
//
// Asks of the peer's own need no such wait.
func (p *Peer) Listening(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	select {
	case <-p.listens:
	case <-p.life.Done():
		return context.Cause(p.life)
	case <-ctx.Done():
		return gaveUp(ctx, notAccepted)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state >= draining {
		return ErrClosed
	}
	return nil
}

// start makes r what p has going, unless it is too late for that or there are
// mistakes.
func (p *Peer) start(r *running) (err error, goes bool) {
	p.mu.Lock()
	switch {
	case p.run != nil:
		p.mu.Unlock()
		return misuse("running", "Run may be called once"), false
	case p.state >= draining:
		p.mu.Unlock()
		return nil, false
	}
	p.run = r
	err = errors.Join(append(p.wrong, p.unfit)...)
	if err == nil {
		p.state = up
	}
	p.mu.Unlock()
	if err != nil {
		p.end(err)
	}
	return err, err == nil
}

// finish closes p, whose reader has ended with err, and returns what Run does.
func (p *Peer) finish(r *running, err error) error {
	if p.isDown() {
		err = nil
	} else if cause := context.Cause(r.ctx); cause != nil {
		err = cause
	}
	p.end(err)
	<-p.ended
	p.inners.Wait()
	p.out.done.Wait()
	return err
}

// receive reads in to its end, and closes it. If what hangs on a future ends the
// goroutine, which may be that of Run, another goes on.
func (p *Peer) receive(r *running, in Inbox, s *service) error {
	done := false
	defer func() {
		if done {
			_ = in.Close()
			return
		}
		p.inners.Add(1) // while Run, or the reader of s, is counted itself
		go func() {
			defer p.inners.Done()
			err := p.receive(r, in, s)
			switch {
			case s == nil:
				go p.finish(r, err)
			case err != nil:
				r.cancel(err)
			}
		}()
	}()
	err := p.read(r, in, s)
	done = true
	return err
}

// begin opens the inboxes and starts the readers of all but our own.
func (p *Peer) begin(r *running) (Inbox, error) {
	own, err := p.transport.Listen(r.ctx, "")
	if err != nil {
		return nil, fmt.Errorf("callback: opening the inbox: %w", err)
	}
	addr := own.Addr()
	p.inbox.Store(&addr)
	p.jobs.start(r.ctx)
	p.mu.Lock()
	if p.state >= draining {
		p.jobs.refuseAll()
	}
	r.open = true // from now on Serve opens its inbox itself
	all := p.serves.Load()
	p.mu.Unlock()
	if all != nil {
		for _, s := range *all {
			if err := p.open(r, s); err != nil {
				_ = own.Close()
				return nil, err
			}
		}
	}
	close(p.listens)
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
		if err := p.receive(r, in, s); err != nil {
			r.cancel(err)
		}
	}()
	return nil
}

func (p *Peer) isDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == down
}
