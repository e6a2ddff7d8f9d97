package promantiphon_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/examples/observed/promantiphon"
	"github.com/antiphon-go/antiphon/queue"
)

func filled() *promantiphon.Collector {
	c := promantiphon.New()
	c.Observe(antiphon.Event{Name: "queue.retry", Kind: "mails", ID: "j1", Attempt: 1, Duration: time.Second, Err: antiphon.Errorf(antiphon.CodeUnavailable, "away")})
	c.Observe(antiphon.Event{Name: "callback.dropped", Kind: "e", Count: 7})
	c.Queue("mails", func(context.Context) (queue.Stats, error) {
		return queue.Stats{Ready: 1, Delayed: 2, Running: 3, Dead: 4, Kept: 5, Oldest: 1500 * time.Millisecond, Paused: true, Capacity: 6, Succeeded: 7, Failed: 8, Canceled: 9, Expired: 10, Taken: 11}, nil
	})
	c.Queue("away", func(context.Context) (queue.Stats, error) { return queue.Stats{}, errors.New("away") })
	c.Pending("peer", "hub", func() int { return 12 })
	return c
}

func TestPage(t *testing.T) {
	c := filled()
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) != 0 {
		t.Errorf("%v %v", problems, err)
	}
	const want = `
# HELP antiphon_events_total What observers were told, by event, kind and code of the error.
# TYPE antiphon_events_total counter
antiphon_events_total{code="",event="callback.dropped",kind="e"} 7
antiphon_events_total{code="unavailable",event="queue.retry",kind="mails"} 1
# HELP antiphon_pending_asks Asks that wait for their answer.
# TYPE antiphon_pending_asks gauge
antiphon_pending_asks{name="hub",what="peer"} 12
# HELP antiphon_queue_capacity_jobs How many jobs have room in a queue, if that is known.
# TYPE antiphon_queue_capacity_jobs gauge
antiphon_queue_capacity_jobs{queue="mails"} 6
# HELP antiphon_queue_ended_total Jobs that have ended, by state.
# TYPE antiphon_queue_ended_total counter
antiphon_queue_ended_total{queue="mails",state="canceled"} 9
antiphon_queue_ended_total{queue="mails",state="expired"} 10
antiphon_queue_ended_total{queue="mails",state="failed"} 8
antiphon_queue_ended_total{queue="mails",state="succeeded"} 7
# HELP antiphon_queue_jobs Jobs by state: ready, delayed, running, dead, or kept for who asks later.
# TYPE antiphon_queue_jobs gauge
antiphon_queue_jobs{queue="mails",state="dead"} 4
antiphon_queue_jobs{queue="mails",state="delayed"} 2
antiphon_queue_jobs{queue="mails",state="kept"} 5
antiphon_queue_jobs{queue="mails",state="ready"} 1
antiphon_queue_jobs{queue="mails",state="running"} 3
# HELP antiphon_queue_oldest_seconds How long the oldest job that could be handed out has waited.
# TYPE antiphon_queue_oldest_seconds gauge
antiphon_queue_oldest_seconds{queue="mails"} 1.5
# HELP antiphon_queue_paused Whether a queue is paused: 1 if it is.
# TYPE antiphon_queue_paused gauge
antiphon_queue_paused{queue="mails"} 1
# HELP antiphon_queue_taken_total How often jobs were handed out.
# TYPE antiphon_queue_taken_total counter
antiphon_queue_taken_total{queue="mails"} 11
# HELP antiphon_queue_up Whether the store of a queue said how full it is: 1 if it did.
# TYPE antiphon_queue_up gauge
antiphon_queue_up{queue="away"} 0
antiphon_queue_up{queue="mails"} 1
`
	names := []string{"antiphon_events_total", "antiphon_pending_asks", "antiphon_queue_capacity_jobs", "antiphon_queue_ended_total", "antiphon_queue_jobs",
		"antiphon_queue_oldest_seconds", "antiphon_queue_paused", "antiphon_queue_taken_total", "antiphon_queue_up"}
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(c, "antiphon_event_duration_seconds"); n != 1 {
		t.Errorf("%d histograms", n)
	}
	if err := prometheus.NewPedanticRegistry().Register(c); err != nil {
		t.Error(err)
	}
}

// Names that others choose, as many as they like, are not as many series; and what is no
// text is no panic.
func TestKindsAreBounded(t *testing.T) {
	c := promantiphon.New()
	for i := range 10_000 {
		c.Observe(antiphon.Event{Name: "callback.rejected", Kind: fmt.Sprint("made up ", i), Duration: 1})
	}
	c.Observe(antiphon.Event{Name: "callback.dropped", Kind: "\xff"})
	for name, want := range map[string]int{"antiphon_events_total": 102, "antiphon_event_duration_seconds": 101} {
		if n := testutil.CollectAndCount(c, name); n != want {
			t.Errorf("%d series of %s, not %d", n, name, want)
		}
	}
}
