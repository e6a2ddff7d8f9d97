package webhook

import (
	"context"
	"time"

	"github.com/antiphon-go/antiphon/queue"
)

// Run delivers, until ctx ends or Shutdown is called; then it finishes what is under
// way. It returns nil then, or what broke the backend for good. It may be called once.
func (s *Sender) Run(ctx context.Context) error {
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return queue.ErrClosed
	case s.running != nil:
		s.mu.Unlock()
		return misuse("running", "Sender.Run was called already")
	}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(background(ctx))
	s.running, s.stop = done, stop
	s.mu.Unlock()
	defer close(done)
	defer stop()
	defer s.client.CloseIdleConnections()
	return s.jobs.Work(ctx, s.deliver, &queue.WorkOptions{Concurrency: s.opts.Concurrency, Drain: s.drain()})
}

// drain is how long attempts may take that are under way.
func (s *Sender) drain() time.Duration {
	longest := 15 * time.Second
	for _, e := range s.Endpoints() {
		longest = max(longest, e.Timeout)
	}
	return longest + time.Second
}

// Shutdown has Run return: nothing more is begun, and what is under way may end until
// ctx does; then it is given back, as if it had not been begun, and Shutdown returns
// the context's error. Send fails with queue.ErrClosed from then on, and what waits is
// left to the store, if there is one that lasts. It may be called again.
func (s *Sender) Shutdown(ctx context.Context) error {
	ctx = background(ctx)
	s.mu.Lock()
	s.closed = true
	running, stop := s.running, s.stop
	s.mu.Unlock()
	var err error
	if running != nil {
		stop()
		select {
		case <-running:
		case <-ctx.Done():
			err = context.Cause(ctx)
			s.hurry()
			<-running
		}
	}
	s.hurry()
	_ = s.jobs.Close()
	if s.own != nil {
		_ = s.own.Close()
	}
	s.client.CloseIdleConnections()
	s.links.end()
	return err
}
