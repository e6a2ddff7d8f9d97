package poller

import (
	"context"
	"math"
	"runtime/debug"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
)

// ServeFunc makes a Server of f: each request starts one call of it, whose operation is
// kept in memory, and ends with the process. It is called once; whether what it fails
// with is worth trying again is for the client to say.
//
// Work that has not ended within ServerOptions.TTL, or when the client's patience is
// over (Antiphon-Timeout-Ms), has its context ended. f learns of the request from
// antiphon.InfoFrom, of its owner from OwnerHeader there, and reports with
// antiphon.Report. Its panic is an answer, and the text of its error is shown to the
// client: see antiphon.FromError for how to keep it.
func ServeFunc[Q, R any](f future.Func[Q, R], o *ServerOptions) *Server {
	s := Serve(nothing{}, o)
	if s.wrong == nil && f == nil {
		s.wrong = badServer("ServeFunc needs a function")
	}
	if s.wrong != nil {
		return s
	}
	if s.opts.Name == "" {
		s.opts.Name = "func"
	}
	backend := queue.Memory(&queue.MemoryOptions{
		MaxPayload: int(s.opts.MaxResult), MaxOpen: s.opts.MaxRunning, MaxKept: s.opts.MaxKept, Clock: s.clock,
	})
	q, err := queue.New[Q, R](s.opts.Name, backend, &queue.Options{
		Attempts: 1, TTL: s.opts.TTL, KeepResults: s.opts.KeepResults, MaxPayload: int(s.opts.MaxResult),
		Codec: s.opts.Codec, Clock: s.clock,
	})
	if err != nil {
		s.wrong = err
		return s
	}
	s.ops = q.Operations(nil)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = q.Work(ctx, once(f, s.opts.Owner != nil), &queue.WorkOptions{Concurrency: s.opts.MaxRunning}) // what is stuck is told of by ctx
	}()
	s.drain = func(ctx context.Context) error {
		err := s.finish(ctx)
		stop()
		if err == nil {
			select {
			case <-ended:
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		_ = q.Close()
		return err
	}
	return s
}

// once is f, whose every error is the end. Where there are owners, it sees the key that its
// own has sent.
func once[Q, R any](f future.Func[Q, R], owned bool) future.Func[Q, R] {
	return func(ctx context.Context, q Q) (r R, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = &future.PanicError{Value: v, Stack: debug.Stack()}
			}
			err = queue.Discard(err)
		}()
		if owned {
			ctx = antiphon.WithInfo(ctx, unscoped(antiphon.InfoFrom(ctx)))
		}
		return f(ctx, q)
	}
}

// finish waits until no operation is under way. When ctx ends it cancels all of them, and
// returns the cause.
func (s *Server) finish(ctx context.Context) error {
	for _, state := range []antiphon.State{antiphon.StateQueued, antiphon.StateRunning} {
		for after := ""; ; {
			open, err := s.ops.List(context.WithoutCancel(ctx), state, after, maxScan)
			if err != nil || len(open) == 0 {
				break
			}
			for _, op := range open {
				if ctx.Err() == nil {
					if _, err := s.ops.Wait(ctx, op.ID, math.MaxInt64); err != nil {
						return err
					}
				}
				if ctx.Err() != nil {
					_, _ = s.ops.Cancel(context.WithoutCancel(ctx), op.ID)
					after = op.ID // it may be slow to end
				}
			}
		}
	}
	return context.Cause(ctx)
}

// nothing stands for operations that are made when the options are known to be right.
type nothing struct{ Operations }
