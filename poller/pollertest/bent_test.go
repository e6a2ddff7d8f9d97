package pollertest

import (
	"context"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/queue"
)

// bent is the Operations of a queue in memory, broken in one respect.
type bent struct {
	poller.Operations
	submit func(context.Context, []byte, antiphon.Info) (antiphon.Operation, bool, error)
	get    func(context.Context, string) (antiphon.Operation, error)
	wait   func(context.Context, string, int64) (antiphon.Operation, error)
	cancel func(context.Context, string) (antiphon.Operation, error)
	delete func(context.Context, string) error
	list   func(context.Context, antiphon.State, string, int) ([]antiphon.Operation, error)
	show   func(*antiphon.Operation) // changes each operation that is shown
	work   func(Func) Func
}

func (b *bent) shown(op antiphon.Operation, err error) (antiphon.Operation, error) {
	if b.show != nil && err == nil {
		b.show(&op)
	}
	return op, err
}

func (b *bent) Submit(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
	submit := b.Operations.Submit
	if b.submit != nil {
		submit = b.submit
	}
	op, known, err := submit(ctx, payload, info)
	op, err = b.shown(op, err)
	return op, known, err
}

func (b *bent) Get(ctx context.Context, id string) (antiphon.Operation, error) {
	if b.get != nil {
		return b.shown(b.get(ctx, id))
	}
	return b.shown(b.Operations.Get(ctx, id))
}

func (b *bent) Wait(ctx context.Context, id string, after int64) (antiphon.Operation, error) {
	if b.wait != nil {
		return b.shown(b.wait(ctx, id, after))
	}
	return b.shown(b.Operations.Wait(ctx, id, after))
}

func (b *bent) Cancel(ctx context.Context, id string) (antiphon.Operation, error) {
	if b.cancel != nil {
		return b.shown(b.cancel(ctx, id))
	}
	return b.shown(b.Operations.Cancel(ctx, id))
}

func (b *bent) Delete(ctx context.Context, id string) error {
	if b.delete != nil {
		return b.delete(ctx, id)
	}
	return b.Operations.Delete(ctx, id)
}

func (b *bent) List(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
	list := b.Operations.List
	if b.list != nil {
		list = b.list
	}
	ops, err := list(ctx, state, after, limit)
	for i := range ops {
		ops[i], _ = b.shown(ops[i], nil)
	}
	return ops, err
}

// bentBy opens them.
func bentBy(bend func(*bent)) func(testing.TB, Func) poller.Operations {
	return func(tb testing.TB, f Func) poller.Operations {
		b := &bent{}
		jobs := queue.Memory(nil)
		q, err := queue.New[Query, Answer]("operations", jobs, &queue.Options{Attempts: 1, Capacity: 20})
		if err != nil {
			tb.Fatal(err)
		}
		b.Operations = q.Operations(nil)
		bend(b)
		if b.work != nil {
			f = b.work(f)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- q.Work(ctx, f, &queue.WorkOptions{Concurrency: 16}) }()
		tb.Cleanup(func() {
			stop()
			<-ended
			_ = q.Close()
			_ = jobs.Close()
		})
		return b
	}
}

// try returns what a rule finds wrong about s.
func try(tb testing.TB, r rule, s Store) []string {
	return r.Faults(tb, func(tb testing.TB) *trial { return newTrial(tb, s) })
}
