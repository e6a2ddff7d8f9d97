package callback_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/future/futuretest"
)

// pair runs two peers on a pipe until the test ends.
func pair(t testing.TB, ao, bo *callback.PeerOptions) (a, b *callback.Peer) {
	x, y := callback.Pipe(nil)
	a, b = callback.NewPeer(x, ao), callback.NewPeer(y, bo)
	run(t, a)
	run(t, b)
	return a, b
}

func run(t testing.TB, p *callback.Peer) {
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = p.Close()
		<-ended
	})
}

func TestX8_Pipe(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Bubble:      true,
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			a, b := pair(t, nil, nil)
			callback.Serve(b, "f", f, nil)
			return callback.Dial[futuretest.Query, futuretest.Answer](a, "f", nil)
		},
	})
}

func TestStreamOverPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.ServeStream(b, "count", func(ctx context.Context, n int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for i := range n {
					if !yield(i, nil) {
						return
					}
				}
			}
		}, nil)
		var count future.Stream[int, int] = callback.DialStream[int, int](a, "count", nil)
		next := 0
		for i, err := range count(t.Context(), 1000) {
			if err != nil || i != next {
				t.Fatal(i, err)
			}
			next++
		}
		if next != 1000 {
			t.Fatal(next)
		}
	})
}
