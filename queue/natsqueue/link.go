package natsqueue

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// A link is a connection that was made: what is asked over it is answered over it, or
// never.
type link struct {
	over context.Context // ends when there is another
	end  context.CancelFunc
}

func (b *Backend) relink() {
	l := &link{}
	l.over, l.end = context.WithCancel(b.life)
	if old := b.link.Swap(l); old != nil {
		old.end()
	}
}

// followLink tells who waits for an answer when there is another connection.
func (b *Backend) followLink() {
	defer b.ended.Done()
	connected := b.nc.StatusChanged(nats.CONNECTED)
	defer b.nc.RemoveStatusListener(connected)
	for {
		select {
		case <-connected:
			b.relink()
		case <-b.life.Done():
			return
		}
	}
}

// surely makes all writes or none, as commit does. If the answer is lost with the
// connection, it asks again over the next, and goes on until it is told: at most one of
// these can have made the writes. lost says that it was so.
func (b *Backend) surely(ctx context.Context, name string, all []write) (seq uint64, lost bool, err error) {
	for wait := time.Millisecond; ; {
		once, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(b.link.Load().over, cancel)
		seq, err = b.commit(once, name, all)
		parted := once.Err() != nil && ctx.Err() == nil
		stop()
		cancel()
		switch {
		case err == nil || err == errConflict:
			return seq, lost, err
		case parted:
			lost = true
		case err != errUnderWay && !lost, !b.pause(ctx, wait):
			return seq, lost, err
		}
		wait = min(2*wait, longWait)
	}
}

// nameHeader is where a stored message has the name of the writes that it is one of. By
// that who makes them again knows that they were made.
const nameHeader = "Antiphon-Write"
