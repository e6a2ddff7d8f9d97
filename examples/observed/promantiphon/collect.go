package promantiphon

import (
	"context"
	"maps"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("antiphon_"+name, help, labels, nil)
}

var (
	pending  = desc("pending_asks", "Asks that wait for their answer.", "what", "name")
	up       = desc("queue_up", "Whether the store of a queue said how full it is: 1 if it did.", "queue")
	jobs     = desc("queue_jobs", "Jobs by state: ready, delayed, running, dead, or kept for who asks later.", "queue", "state")
	oldest   = desc("queue_oldest_seconds", "How long the oldest job that could be handed out has waited.", "queue")
	paused   = desc("queue_paused", "Whether a queue is paused: 1 if it is.", "queue")
	capacity = desc("queue_capacity_jobs", "How many jobs have room in a queue, if that is known.", "queue")
	taken    = desc("queue_taken_total", "How often jobs were handed out.", "queue")
	ended    = desc("queue_ended_total", "Jobs that have ended, by state.", "queue", "state")
)

// Describe is for a prometheus.Registry.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	c.events.Describe(to)
	c.seconds.Describe(to)
	for _, d := range []*prometheus.Desc{pending, up, jobs, oldest, paused, capacity, taken, ended} {
		to <- d
	}
}

// Collect is for a prometheus.Registry. It asks every queue how full it is.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	c.events.Collect(to)
	c.seconds.Collect(to)
	c.mu.Lock()
	waiting, queues := maps.Clone(c.pending), maps.Clone(c.queues)
	c.mu.Unlock()

	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for at, n := range waiting {
		gauge(pending, float64(n()), at[0], at[1])
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrape)
	defer cancel()
	for name, stats := range queues {
		s, err := stats(ctx)
		gauge(up, is(err == nil), name)
		if err != nil {
			continue // one that is away takes nothing from the page but its own lines
		}
		gauge(jobs, float64(s.Ready), name, "ready")
		gauge(jobs, float64(s.Delayed), name, "delayed")
		gauge(jobs, float64(s.Running), name, "running")
		gauge(jobs, float64(s.Dead), name, "dead")
		gauge(jobs, float64(s.Kept), name, "kept")
		gauge(oldest, s.Oldest.Seconds(), name)
		gauge(paused, is(s.Paused), name)
		if s.Capacity > 0 {
			gauge(capacity, float64(s.Capacity), name)
		}
		counter(taken, s.Taken, name)
		counter(ended, s.Succeeded, name, "succeeded")
		counter(ended, s.Failed, name, "failed")
		counter(ended, s.Canceled, name, "canceled")
		counter(ended, s.Expired, name, "expired")
	}
}

func is(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
