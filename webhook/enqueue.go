package webhook

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
)

// Enqueue returns a Handler that puts messages into q: they are answered with 204 when
// they are stored, and not before. The idempotency key of a job is Message.Key, if q can
// have keys, so what was stored once is not stored again as long as the queue knows
// it. The other options are those of o, which may be nil.
//
// [Work] makes work for q of what handles the messages:
//
//	http.Handle("/hooks", webhook.NewReceiver(scheme, webhook.Enqueue(jobs, nil), nil))
//	go jobs.Work(ctx, webhook.Work(events.Handle), nil)
func Enqueue(q *queue.Queue[Message, struct{}], o *queue.SubmitOptions) Handler {
	var opts queue.SubmitOptions
	if o != nil {
		opts = *o
	}
	return func(ctx context.Context, m Message) error {
		if q == nil {
			return errNilQueue
		}
		opts := opts
		opts.Key = m.Key()
		_, err := q.Submit(ctx, m, &opts)
		if errors.Is(err, queue.ErrKeyReused) { // it is stored, as an attempt that was signed at another time
			return nil
		}
		return err
	}
}

var errNilQueue = retriable(misuse("nil_queue", "Enqueue needs a queue"))

// Work turns a Handler into the work of a queue of messages. What the handler drops, and
// what it wants no more of, becomes a dead letter; what nobody handles ends without.
func Work(h Handler) future.Func[Message, struct{}] {
	return func(ctx context.Context, m Message) (struct{}, error) {
		err := h(ctx, m)
		switch {
		case errors.Is(err, ErrUnhandled):
			err = queue.Discard(err)
		case isGone(err), isDiscarded(err):
			err = queue.Bury(err)
		}
		return struct{}{}, err
	}
}
