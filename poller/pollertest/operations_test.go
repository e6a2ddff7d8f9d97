package pollertest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/queue"
)

// capacity is how many jobs may wait in the queues that are tested; another 64 run.
const capacity = 200

// ofQueue opens the Operations of a queue in memory.
func ofQueue(tb testing.TB, f pollertest.Func) poller.Operations {
	jobs := queue.Memory(nil)
	q, err := queue.New[pollertest.Query, pollertest.Answer]("operations", jobs, &queue.Options{Attempts: 1, Capacity: capacity})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Work(ctx, f, &queue.WorkOptions{Concurrency: 64}) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("Work: %v", err)
		}
		_ = q.Close()
		_ = jobs.Close()
	})
	return q.Operations(nil)
}

func TestOperationsOfAQueue(t *testing.T) {
	s := pollertest.Store{Open: ofQueue, Limit: capacity + 64}
	t.Run("real time", func(t *testing.T) {
		s.Slack = 10 * time.Second
		pollertest.TestOperations(t, s)
	})
	t.Run("virtual time", func(t *testing.T) {
		s.Bubble, s.Slack = true, 0
		pollertest.TestOperations(t, s)
	})
}

// What a store lacks is declared, and then has to be lacking.
type lacking struct{ poller.Operations }

func (l lacking) Submit(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
	if info.Key != "" {
		err := antiphon.Errorf(antiphon.CodeUnimplemented, "no keys: %w", errors.ErrUnsupported)
		err.Class = antiphon.ClassNotAccepted
		return antiphon.Operation{}, false, err
	}
	return l.Operations.Submit(ctx, payload, antiphon.Info{})
}

func (lacking) Cancel(context.Context, string) (op antiphon.Operation, err error) {
	return op, errors.ErrUnsupported
}
func (lacking) Delete(context.Context, string) error { return errors.ErrUnsupported }
func (lacking) List(context.Context, antiphon.State, string, int) ([]antiphon.Operation, error) {
	return nil, errors.ErrUnsupported
}

func TestOperationsThatLackMuch(t *testing.T) {
	pollertest.TestOperations(t, pollertest.Store{
		Open:   func(tb testing.TB, f pollertest.Func) poller.Operations { return lacking{ofQueue(tb, f)} },
		NoKeys: true, NoCancel: true, NoDelete: true, NoList: true, NoHeader: true,
		Bubble: true,
	})
}
