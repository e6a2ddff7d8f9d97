package queuetest_test

import (
	"testing"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

func TestX8_Asker(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Bubble:      true,
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			m := queue.Memory(nil)
			t.Cleanup(func() { _ = m.Close() })
			return queuetest.Asker(t, m, m, f)
		},
	})
}
