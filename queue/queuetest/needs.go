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

var (
	delays     = need{Lack: "it has no delays", Has: func(h *abilities) bool { return h.caps.Delays }}
	groups     = need{Lack: "it has no groups", Has: func(h *abilities) bool { return h.caps.Groups }}
	keys       = need{Lack: "it has no idempotency keys", Has: func(h *abilities) bool { return h.caps.Keys }}
	uniques    = need{Lack: "it has no unique names", Has: func(h *abilities) bool { return h.caps.Uniques }}
	capacity   = need{Lack: "it has no capacity", Has: func(h *abilities) bool { return h.caps.Capacity }}
	priorities = need{Lack: "it has one priority", Has: func(h *abilities) bool { return h.caps.MinPriority < h.caps.MaxPriority }}
	limited    = need{Lack: "payloads have no limit, or one of more than 64 MiB", Has: func(h *abilities) bool { return h.caps.MaxPayload > 0 && h.caps.MaxPayload <= 64<<20 }}
	results    = need{Lack: "it is no driver.Results", Has: func(h *abilities) bool { return h.results }}
	morgue     = need{Lack: "it is no driver.Morgue", Has: func(h *abilities) bool { return h.morgue }}
	control    = need{Lack: "it is no driver.Controller", Has: func(h *abilities) bool { return h.control }}
	watches    = need{Lack: "it is no driver.Watcher", Has: func(h *abilities) bool { return h.watch }}
	again      = need{Lack: "Store.Again is nil", Has: func(h *abilities) bool { return h.store.Again != nil }}
	kill       = need{Lack: "Store.Kill or Store.Again is nil", Has: func(h *abilities) bool { return h.store.Kill != nil && h.store.Again != nil }}
	durable    = need{Lack: "nothing survives the process", Has: func(h *abilities) bool { return h.caps.Durability >= driver.ProcessKill }}
)

// look opens the store to see what it has.
func look(t *trial) *abilities {
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
	return &h
}
