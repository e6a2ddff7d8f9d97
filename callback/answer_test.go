package callback_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"

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

// decodesOnly encodes nothing but what Bytes does.
type decodesOnly struct{ antiphon.JSON }

func (decodesOnly) Marshal(v any) ([]byte, error) { return callback.Bytes{}.Marshal(v) }
