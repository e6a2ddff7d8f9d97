package callback

import (
	"context"
	"fmt"
	"math"
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
			return nil, untried(misfit("request", name, err))
		}
		for r, err := range f(ctx, q) {
			if err != nil {
				return nil, err
			}
			body, err := marshal(j.service.codec, r)
			if err != nil {
				return nil, unsendable(err)
			}
			if err := j.part(body); err != nil {
				return nil, tried(err)
			}
		}
		return nil, nil
	})
}

// part sends one part when there is credit and room for it.
func (j *job) part(body []byte) error {
	if j.credit.sent == math.MaxUint32 {
		return errEndless
	}
	seq, err := j.credit.spend(j)
	if err != nil {
		return err
	}
	p := j.service.peer
	m := &Message{Kind: Part, ID: j.d.ID, To: j.d.ReplyTo, ReplyTo: p.replyTo(), Seq: seq, Deadline: j.deadline, Body: body}
	return p.out.postWait(j, outgoing{m: m})
}

var errEndless = antiphon.Errorf(antiphon.CodeOutOfRange, "callback: a stream has %d parts at most", uint32(math.MaxUint32))

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
	for ctx.Err() == nil {
		seq, more := c.take()
		if more == nil {
			return seq, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
		}
	}
	return 0, gaveUp(ctx, unknown)
}

// take returns the number of the next part, or what to wait for.
func (c *credit) take() (uint32, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent < c.total {
		c.sent++
		return c.sent, nil
	}
	if c.more == nil {
		c.more = make(chan struct{})
	}
	return 0, c.more
}
