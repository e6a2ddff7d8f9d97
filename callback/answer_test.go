package callback_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// C11: an answer that is too large, or that its codec refuses, is that of work that
// was done: it must not say that asking again is safe.
func TestC11_AnswerThatCannotBeSentWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nil, &callback.PeerOptions{MaxBody: 100})
		callback.Serve(b, "large", func(context.Context, int) (string, error) { return string(make([]byte, 101)), nil }, nil)
		callback.Serve(b, "odd", func(context.Context, int) (int, error) { return 7, nil }, &callback.ServeOptions{Codec: decodesOnly{}})
		parts := func(context.Context, int) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) { yield(string(make([]byte, 101)), nil) }
		}
		callback.ServeStream(b, "parts", parts, nil)
		check := func(name string, code antiphon.Code, err error) {
			t.Helper()
			if antiphon.CodeOf(err) != code || antiphon.ClassOf(err) != antiphon.ClassFailed || !antiphon.IsPermanent(err) {
				t.Errorf("%s: %v: %s, %s", name, err, antiphon.CodeOf(err), antiphon.ClassOf(err))
			}
		}
		_, err := callback.Dial[int, string](a, "large", nil)(t.Context(), 1).Await(t.Context())
		check("large", antiphon.CodeResourceExhausted, err)
		_, err = callback.Dial[int, int](a, "odd", nil)(t.Context(), 1).Await(t.Context())
		check("odd", antiphon.CodeInvalidArgument, err)
		for _, err = range callback.DialStream[int, string](a, "parts", nil)(t.Context(), 1) {
			check("parts", antiphon.CodeResourceExhausted, err)
		}
		if err == nil {
			t.Error("the stream did not fail")
		}
	})
}

// C11: who refuses a request that was sent before may not be the one who took it then.
func TestC11_RefusalOfARequestThatWasSentBefore(t *testing.T) {
	for _, refusal := range []error{callback.ErrFull, callback.ErrClosed} {
		for attempts, want := range map[int]antiphon.Class{1: antiphon.ClassNotAccepted, 2: antiphon.ClassUnknown} {
			synctest.Test(t, func(t *testing.T) {
				x, y := callback.Pipe(nil)
				defer func() { _ = y.Close() }()
				a := callback.NewPeer(x, nil)
				run(t, a)
				in, err := y.Listen(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				ask := callback.Dial[int, int](a, "work", &callback.DialOptions{Attempts: attempts, Backoff: antiphon.Constant(time.Second)})
				f := ask(t.Context(), 1)
				var m callback.Delivery
				for range attempts {
					if m, err = in.Receive(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				_ = y.Send(t.Context(), &callback.Message{Kind: callback.Reply, ID: m.ID, To: m.ReplyTo, Err: antiphon.FromError(refusal)})
				if _, err := f.Await(t.Context()); !errors.Is(err, refusal) || antiphon.ClassOf(err) != want {
					t.Errorf("sent %d times, refused with %v: %s, want %s", attempts, err, antiphon.ClassOf(err), want)
				}
			})
		}
	}
}

// decodesOnly encodes nothing but what Bytes does.
type decodesOnly struct{ antiphon.JSON }

func (decodesOnly) Marshal(v any) ([]byte, error) { return callback.Bytes{}.Marshal(v) }
