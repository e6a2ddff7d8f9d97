package natsqueue_test

import (
	"testing"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

// The law holds where the job is submitted in one process and done in another.
func TestX8_NATS(t *testing.T) {
	url := serve(t).URL()
	for name, apart := range map[string]bool{"one process": false, "two": true} {
		t.Run(name, func(t *testing.T) {
			futuretest.TestAsker(t, futuretest.Way{
				ExactlyOnce: true,
				Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
					o := &natsqueue.Options{Bucket: bucket()}
					here := open(t, dial(t, url), o)
					there := here
					if apart {
						there = open(t, dial(t, url), o)
					}
					return queuetest.Asker(t, here, there, f)
				},
			})
		})
	}
}
