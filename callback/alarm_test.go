package callback_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// A tardyClock takes so long to return a timer that it has gone off by then, as
// happens to a goroutine that has to wait for a processor.
type tardyClock struct{ clock.Clock }

func (c tardyClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	timer := c.Clock.AfterFunc(d, f)
	if d < time.Millisecond {
		time.Sleep(d + time.Microsecond)
	}
	return timer
}

// C3: a timer that goes off before its maker has it in hand takes no other's place.
func TestC3_TimerThatIsFasterThanItsMaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: tardyClock{clock.New()}})
		defer r.Close(nil)
		for _, ttl := range []time.Duration{10 * time.Millisecond, 500 * time.Microsecond, 20 * time.Millisecond} {
			due := time.Since(start) + ttl
			_, f, err := r.Expect(context.Background(), ttl)
			if err != nil {
				t.Fatal(err)
			}
			f.OnDone(func(future.Result[int]) {
				if late := time.Since(start) - due; late > time.Millisecond {
					t.Errorf("due after %v, ended %v later", due, late)
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, f, _ := r.Expect(ctx, 30*time.Millisecond)
		if _, err := f.Await(ctx); !errors.Is(err, callback.ErrExpired) {
			t.Errorf("%v, with %d pending", err, r.Pending())
		}
	})
}
