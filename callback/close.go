package callback

import "context"

// Close ends the peer at once: asks fail with an error of class unknown that is
// ErrClosed, or of class not accepted if they have not left; the contexts of work
// end, what waits to be sent is dropped, and the transport is closed. It does not
// wait for work that does not heed its context. It returns what the transport's
// Close does, and may be called again.
func (p *Peer) Close() error {
	p.end(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
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
	defer close(p.ended)
	if r != nil {
		r.cancel(ErrClosed)
	}
	refused, lost := because(ErrClosed, notAccepted, why), because(ErrClosed, unknown, why)
	p.jobs.refuseAll()
	p.die(refused)
	p.out.close()
	p.jobs.cancel(lost, false)
	p.jobs.times.close()
	if p.transport != nil {
		err := p.transport.Close()
		p.mu.Lock()
		p.broken = err
		p.mu.Unlock()
	}
	each(p.table.close(), func(e entry) {
		a := e.(asked)
		a.core().drop()
		if a.core().unsent() {
			a.settle(refused)
		} else {
			a.settle(lost)
		}
	})
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
	p.jobs.refuseAll()
	for _, in := range others {
		_ = in.Close()
	}
	err := p.drain(ctx)
	p.end(err)
	return err
}

// drain waits until the work is done and its answers are on the wire, or p is
// closed.
func (p *Peer) drain(ctx context.Context) error {
	for _, idle := range []func() <-chan struct{}{p.jobs.idle, p.out.idle} {
		done := idle()
		select {
		case <-done:
			continue
		default:
		}
		select {
		case <-done:
		case <-p.closed:
			return nil
		case <-ctx.Done():
			return gaveUp(ctx, unknown)
		}
	}
	f, ok := p.transport.(Flusher)
	if !ok {
		return nil
	}
	flushing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.life, func() { cancel(ErrClosed) })()
	if f.Flush(flushing) != nil && ctx.Err() != nil {
		return gaveUp(ctx, unknown)
	}
	return nil
}
