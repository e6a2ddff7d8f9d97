package poller_test

import (
	"context"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/poller"
)

type askFunc = func(context.Context, poller.Check[int], *poller.Options) (int, error)

func TestItAsksUntilItIsDone(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		s := scripted(t, running(0), running(50), succeeded(7))
		if v, err := ask(t.Context(), s.check, nil); v != 7 || err != nil {
			t.Error(v, err)
		}
		if s.polls() != 3 {
			t.Error(s.polls())
		}
	})
}

func TestX5_NilsAreSafe(t *testing.T) {
	eachAsking(t, func(t *testing.T, ask askFunc) {
		//lint:ignore SA1012 a nil context is what is tested
		if v, err := ask(nil, scripted(t, succeeded(7)).check, nil); v != 7 || err != nil {
			t.Error(v, err)
		}
		if _, err := ask(t.Context(), nil, nil); err == nil {
			t.Error("a nil check")
		}
	})
}

var _ = time.Second
