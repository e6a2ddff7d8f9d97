package callback_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// The text of an error says what to look at: which name, and which way it went.
func TestErrorsSayWhatTheyAreAbout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.Serve(b, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil }, nil)
		for _, c := range []struct {
			what string
			ask  func() error
			want []string
		}{
			{"a name that nobody serves", func() error {
				_, err := callback.Dial[int, int](a, "halve", nil)(none, 1).Await(t.Context())
				return err
			}, []string{"nobody serves", `"halve"`}},
			{"a long one", func() error {
				_, err := callback.Dial[int, int](a, strings.Repeat("x", 200), nil)(none, 1).Await(t.Context())
				return err
			}, []string{"nobody serves this name"}},
			{"another request", func() error {
				_, err := callback.Dial[string, int](a, "double", nil)(none, "one").Await(t.Context())
				return err
			}, []string{"the request of", `"double"`, "does not fit int"}},
			{"another answer", func() error {
				_, err := callback.Dial[int, string](a, "double", nil)(none, 1).Await(t.Context())
				return err
			}, []string{"the answer of", `"double"`, "does not fit string"}},
		} {
			err := c.ask()
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v lacks %s", c.what, err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), `field ""`) {
				t.Errorf("%s: %v", c.what, err)
			}
		}
	})
}

func TestAskOfAPeerThatNeverRan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		wire, other := callback.Pipe(nil)
		p := callback.NewPeer(wire, nil)
		defer other.Close()
		defer p.Close()
		_, err := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Second})(none, 1).Await(t.Context())
		if !errors.Is(err, callback.ErrExpired) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !strings.Contains(err.Error(), "Run was never called") {
			t.Error(err)
		}
	})
}

// A deadline counts as time: whichever of the two is noticed first, it is over.
func TestDeadlineOfAnAskIsItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.Serve(b, "f", func(ctx context.Context, n int) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) }, nil)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the boss left"))
		defer cancel()
		if _, err := callback.Dial[int, int](a, "f", nil)(ctx, 1).Await(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
