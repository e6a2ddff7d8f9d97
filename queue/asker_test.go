package queue_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
)

// Each ask has the options for what it asks.
func TestAskerWithOptionsForEach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[string, string](t, nil)
		stop := work(q, func(ctx context.Context, s string) (string, error) {
			return antiphon.InfoFrom(ctx).Key + " " + antiphon.InfoFrom(ctx).ID, nil
		}, nil)
		ask := q.Asker(func(s string) *queue.SubmitOptions {
			switch s {
			case "none":
				return nil
			case "panic":
				panic(io.EOF)
			}
			return &queue.SubmitOptions{Key: "of " + s}
		})
		answer := func(s string) string {
			t.Helper()
			v, err := ask(t.Context(), s).Await(t.Context())
			if err != nil {
				t.Fatal(s, err)
			}
			return v
		}
		a, b := answer("a"), answer("b")
		if !strings.HasPrefix(a, "of a ") || !strings.HasPrefix(b, "of b ") || answer("a") != a || answer("none")[0] != ' ' {
			t.Error(a, b)
		}
		_, err := ask(t.Context(), "panic").Await(t.Context())
		if antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !errors.As(err, new(*future.PanicError)) || !errors.Is(err, io.EOF) {
			t.Error(err, antiphon.ClassOf(err))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
