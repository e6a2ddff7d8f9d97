// Package promantiphon is a Prometheus collector of what antiphon's packages tell and
// count. Copy it.
//
//	c := promantiphon.New()
//	prometheus.MustRegister(c)
//	jobs, err := queue.New[Item, Price]("prices", backend, &queue.Options{Observer: c.Observe})
//	c.Queue("prices", jobs.Stats)
package promantiphon

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
)

// maxKinds is how many kinds of an event are told apart, for others may choose them: the
// names that a peer asks for, the hosts of callback URLs. The rest is "other".
const maxKinds = 100

// scrape is how long all stores together may take to say how full they are.
const scrape = 2 * time.Second

// A Collector is a prometheus.Collector, and its Observe an antiphon.Observer. No label
// has an id in it.
type Collector struct {
	events  *prometheus.CounterVec
	seconds *prometheus.HistogramVec

	mu      sync.Mutex
	kinds   map[string]map[string]bool // by the name of an event
	queues  map[string]func(context.Context) (queue.Stats, error)
	pending map[[2]string]func() int // by what and where
}

// New returns a Collector.
func New() *Collector {
	return &Collector{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "antiphon_events_total", Help: "What observers were told, by event, kind and code of the error.",
		}, []string{"event", "kind", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "antiphon_event_duration_seconds", Help: "How long it took, or will be waited, as the list of events says.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}, []string{"event", "kind"}),
		kinds:   map[string]map[string]bool{},
		queues:  map[string]func(context.Context) (queue.Stats, error){},
		pending: map[[2]string]func() int{},
	}
}

// Observe counts an event.
func (c *Collector) Observe(e antiphon.Event) {
	kind := c.kind(e.Name, e.Kind)
	c.events.WithLabelValues(e.Name, kind, string(antiphon.CodeOf(e.Err))).Add(float64(max(e.Count, 1)))
	if e.Duration > 0 {
		c.seconds.WithLabelValues(e.Name, kind).Observe(e.Duration.Seconds())
	}
}

func (c *Collector) kind(event, kind string) string {
	kind = strings.ToValidUTF8(kind, "?") // or it would be no label
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.kinds[event]
	switch {
	case known[kind]:
	case len(known) >= maxKinds:
		return "other"
	case known == nil:
		c.kinds[event] = map[string]bool{kind: true}
	default:
		known[kind] = true
	}
	return kind
}

// Queue has the counts of a queue collected: q.Stats of it.
func (c *Collector) Queue(name string, stats func(context.Context) (queue.Stats, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queues[name] = stats
}

// Pending has it collected how many asks are pending: the method Pending of a
// callback.Peer, a callback.Registry or a webhook.Inbox. What is one of a few words, such
// as "peer"; of many peers, give one function that adds them up.
func (c *Collector) Pending(what, name string, n func() int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending[[2]string{what, name}] = n
}
