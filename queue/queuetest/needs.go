package queuetest

import "github.com/antiphon-go/antiphon/queue/driver"

// abilities are what a backend can do, and can be done to it.
type abilities struct {
	store   Store
	caps    driver.Capabilities
	results bool
	morgue  bool
	control bool
	watch   bool
}

// A need is what a rule is about and a backend may lack.
type need struct {
	lack string // said of a backend that lacks it
	has  func(*abilities) bool
}

func (r rule) lacks(has abilities) string {
	for _, n := range r.needs {
		if !n.has(&has) {
			return n.lack
		}
	}
	return ""
}

var (
	delays     = need{"it has no delays", func(h *abilities) bool { return h.caps.Delays }}
	groups     = need{"it has no groups", func(h *abilities) bool { return h.caps.Groups }}
	keys       = need{"it has no idempotency keys", func(h *abilities) bool { return h.caps.Keys }}
	uniques    = need{"it has no unique names", func(h *abilities) bool { return h.caps.Uniques }}
	capacity   = need{"it has no capacity", func(h *abilities) bool { return h.caps.Capacity }}
	priorities = need{"it has one priority", func(h *abilities) bool { return h.caps.MinPriority < h.caps.MaxPriority }}
	limited    = need{"payloads have no limit, or one of more than 64 MiB", func(h *abilities) bool { return h.caps.MaxPayload > 0 && h.caps.MaxPayload <= 64<<20 }}
	results    = need{"it is no driver.Results", func(h *abilities) bool { return h.results }}
	morgue     = need{"it is no driver.Morgue", func(h *abilities) bool { return h.morgue }}
	control    = need{"it is no driver.Controller", func(h *abilities) bool { return h.control }}
	watches    = need{"it is no driver.Watcher", func(h *abilities) bool { return h.watch }}
	again      = need{"Store.Again is nil", func(h *abilities) bool { return h.store.Again != nil }}
	kill       = need{"Store.Kill or Store.Again is nil", func(h *abilities) bool { return h.store.Kill != nil && h.store.Again != nil }}
	durable    = need{"nothing survives the process", func(h *abilities) bool { return h.caps.Durability >= driver.ProcessKill }}
)

// look opens the store to see what it has.
func look(t *trial) abilities {
	s := t.open()
	h := abilities{store: t.store, caps: s.b.Capabilities()}
	if again := s.b.Capabilities(); again != h.caps {
		t.Errorf("the capabilities are %+v, and then %+v", h.caps, again)
	}
	if h.caps.Name == "" {
		t.Errorf("Capabilities.Name is empty: it is for messages")
	}
	if h.caps.MinPriority > 0 || h.caps.MaxPriority < 0 {
		t.Errorf("priorities are from %d to %d, without 0, which is that of most jobs", h.caps.MinPriority, h.caps.MaxPriority)
	}
	if h.caps.Durability >= driver.ProcessKill && t.store.Again == nil {
		t.Errorf("jobs survive %s, it is said: Store.Again is needed to see that", h.caps.Durability)
	}
	_, h.results = s.b.(driver.Results)
	_, h.morgue = s.b.(driver.Morgue)
	_, h.control = s.b.(driver.Controller)
	_, h.watch = s.b.(driver.Watcher)
	return h
}
