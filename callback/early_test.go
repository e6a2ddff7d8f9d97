package callback_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/antiphon-go/antiphon/callback"
)

// meanwhile is a context in which something happens while an ask is being made.
type meanwhile struct {
	context.Context
	once sync.Once
	then func()
}

func (l *meanwhile) Done() <-chan struct{} {
	l.once.Do(l.then)
	return nil
}

// An ask that is made while Run begins says where its answer goes.
func TestAskWhileRunBegins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{})
		server, _ := b.peer(t, nil)
		callback.Serve(server, "f", echo, nil)
		synctest.Wait()
		p := callback.NewPeer(eager{&busEnd{bus: b}}, nil)
		ctx := &meanwhile{Context: context.Background(), then: func() { run(t, p); synctest.Wait() }}
		if v, err := await(t, callback.Dial[int, int](p, "f", nil)(ctx, 7)); v != 7 || err != nil {
			t.Error(v, err)
		}
	})
}
