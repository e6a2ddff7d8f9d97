package callback_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/callback"
)

func TestC7_CloseOfAPeerLeavesNoTimer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		o := &callback.PeerOptions{Clock: mock}
		a, b := pair(t, o, o)
		callback.Serve(b, "wait", func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, nil)
		wait := callback.Dial[int, int](a, "wait", nil)
		wait(t.Context(), 1)
		synctest.Wait()
		if !armed(mock) {
			t.Fatal("nothing has a deadline")
		}
		f := wait(t.Context(), 1)
		time.Sleep(time.Second)
		synctest.Wait()
		_ = b.Close() // of the work
		_ = a.Close() // of the ask
		synctest.Wait()
		if armed(mock) {
			t.Fatal("a timer is left")
		}
		if _, err := f.Await(t.Context()); err == nil {
			t.Fatal("no error")
		}
	})
}
