package callback_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// A fedPipe is a pipe whose inbox feeds, and which takes its time to flush.
type fedPipe struct {
	callback.Transport
	fed, flushed atomic.Int64
}

func (f *fedPipe) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	in, err := f.Transport.Listen(ctx, addr)
	return fedInbox{in, f}, err
}

func (f *fedPipe) Flush(ctx context.Context) error {
	select {
	case <-time.After(time.Second):
		f.flushed.Add(1)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type fedInbox struct {
	callback.Inbox
	pipe *fedPipe
}

func (in fedInbox) Receive(context.Context) (callback.Delivery, error) {
	panic("Receive of an inbox that feeds")
}

func (in fedInbox) Feed(ctx context.Context, take func(callback.Delivery, error)) error {
	for {
		d, err := in.Inbox.Receive(ctx)
		if d.Message == nil && err != callback.ErrMalformed && err != callback.ErrDisconnected {
			return err
		}
		in.pipe.fed.Add(1)
		take(d, err)
	}
}

func TestFeeder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		wire := &fedPipe{Transport: x}
		a, b := callback.NewPeer(wire, nil), callback.NewPeer(y, nil)
		ended := make(chan error, 1)
		go func() { ended <- a.Run(t.Context()) }()
		run(t, b)
		callback.Serve(b, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil }, nil)
		if v, err := callback.Dial[int, int](a, "double", nil)(t.Context(), 21).Await(t.Context()); v != 42 || err != nil {
			t.Fatal(v, err)
		}
		if n := wire.fed.Load(); n != 1 {
			t.Errorf("%d messages were fed", n)
		}
		_ = b.Close()
		if err := <-ended; err == nil {
			t.Error("the end of the wire is no end of Run")
		}
		if n := wire.fed.Load(); n != 2 {
			t.Errorf("%d things were fed: the break is one", n)
		}
	})
}

// Shutdown waits until what the wire holds is written, and no longer than it may.
func TestShutdownFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, brief := range []bool{false, true} {
			x, y := callback.Pipe(nil)
			wire := &fedPipe{Transport: x}
			a := callback.NewPeer(wire, nil)
			run(t, a)
			run(t, callback.NewPeer(y, nil))
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if brief {
				ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
			}
			err := a.Shutdown(ctx)
			cancel()
			if (err != nil) != brief || (wire.flushed.Load() == 0) != brief {
				t.Errorf("brief %v: flushed %d times, %v", brief, wire.flushed.Load(), err)
			}
		}
	})
}
