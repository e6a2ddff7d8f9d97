package natsqueue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// heartbeat is how often the server that feeds a replica says that it is there.
const heartbeat = time.Second

// tryFeed is how long a server may take to make a consumer. In a cluster it may have
// been given to one that is gone: asking for another is quicker than waiting for that.
const tryFeed = 2 * time.Second

// errLost: a feed does not go on from where it was.
var errLost = errors.New("natsqueue: the connection, or a message, was lost")

// A feed is a consumer of all records of a replica's queue, from one on. It is given
// up at the first doubt, and another takes its place: the ordered consumer of
// nats.go would ask for the same one again and again, which in a cluster may be on a
// server that does not come back.
type feed struct {
	jetstream.ConsumeContext
	broken chan error // has room for one
}

// breaks says that f is not to be relied on any more.
func (f *feed) breaks(why error) {
	select {
	case f.broken <- why:
	default:
	}
}

// end ends f, and waits until it has ended.
func (f *feed) end() {
	f.Stop()
	<-f.Closed()
}

// open begins a feed of what the replica has not.
func (q *replica) open(ctx context.Context) (*feed, error) {
	q.mu.Lock()
	from := q.applied + 1
	q.mu.Unlock()
	consumer, err := q.b.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject: q.prefix + ">", DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	f := &feed{broken: make(chan error, 1)}
	last := uint64(0)
	f.ConsumeContext, err = consumer.Consume(func(m jetstream.Msg) {
		if meta, err := m.Metadata(); err != nil || meta.Sequence.Consumer != last+1 {
			f.breaks(errLost)
			return
		}
		last++
		q.receive(m)
	}, jetstream.PullHeartbeat(heartbeat), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { f.breaks(err) }))
	return f, err
}

// follow keeps the replica fed, by one feed after another, until life ends.
func (q *replica) follow(life context.Context, f *feed) {
	defer close(q.fed)
	connected := q.b.nc.StatusChanged(nats.CONNECTED)
	defer q.b.nc.RemoveStatusListener(connected)
	for {
		var why error
		select {
		case why = <-f.broken:
		case <-connected: // what was on its way to the connection that is gone is lost
			why = errLost
		case <-life.Done():
			f.end()
			return
		}
		q.stalls(why)
		f.end()
		if f = q.reopen(life); f == nil {
			return
		}
	}
}

// reopen begins another feed, as soon as a server has one, or returns nil at the end of
// life.
func (q *replica) reopen(life context.Context) *feed {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for {
		ctx, cancel := context.WithTimeout(life, tryFeed)
		f, err := q.open(ctx)
		cancel()
		if err == nil {
			return f
		}
		select {
		case <-pause.C:
		case <-life.Done():
			return nil
		}
	}
}
