package poller

import (
	"math"
	"sync"
	"time"
)

// tombstones remember operations that were accepted or shown, so that one which is not
// kept any more is told from one that never was. There are at most maxTombs: of the two
// halves the older goes when the younger is full.
type tombstones struct {
	mu         sync.Mutex
	young, old map[string]tombstone
}

// maxTombs times about 100 bytes is what they weigh.
const maxTombs = 1 << 16

type tombstone struct {
	owner string
	until int64 // in seconds since 1970
}

// remember notes an operation that is known until then, or for ever if that is zero, and
// for a while more. A while of 0 is none.
func (t *tombstones) remember(id, owner string, until time.Time, while time.Duration) {
	if while <= 0 {
		return
	}
	at := int64(math.MaxInt64)
	if !until.IsZero() {
		at = until.Add(while).Unix() + 1
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.young[id]; !ok && len(t.young) >= maxTombs/2 {
		t.old, t.young = t.young, nil
	}
	if t.young == nil {
		t.young = map[string]tombstone{}
	}
	t.young[id] = tombstone{owner, at}
}

// had reports whether there was an operation of an owner, not too long ago.
func (t *tombstones) had(id, owner string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.young[id]
	if !ok {
		found, ok = t.old[id]
	}
	return ok && found.owner == owner && now.Unix() < found.until
}
