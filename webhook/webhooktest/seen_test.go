package webhooktest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/webhook"
)

// keeping is a store that outlives the process: it is closed, and opened again.
func keeping(tb testing.TB) SeenStore {
	return SeenStore{
		Bubble: true, Window: time.Hour,
		Open: func(testing.TB) webhook.Seen {
			return webhook.NewMemorySeen(&webhook.MemorySeenOptions{Window: time.Hour})
		},
		Again: func(_ testing.TB, s webhook.Seen) webhook.Seen { return s },
	}
}

func TestMemorySeen(t *testing.T) {
	TestSeen(t, keeping(t))
	t.Run("real time", func(t *testing.T) {
		s := keeping(t)
		s.Bubble, s.Window, s.Again = false, 0, nil
		TestSeen(t, s)
	})
}

// mistaken is a store that makes one mistake.
type mistaken struct {
	webhook.Seen
	claim   func(s webhook.Seen, key, owner string, lease time.Duration) (webhook.SeenState, error)
	done    func(s webhook.Seen, key string) error
	release func(s webhook.Seen, key, owner string) error
}

func (m *mistaken) Claim(ctx context.Context, key, owner string, lease time.Duration) (webhook.SeenState, error) {
	if m.claim != nil {
		return m.claim(m.Seen, key, owner, lease)
	}
	return m.Seen.Claim(ctx, key, owner, lease)
}

func (m *mistaken) Done(ctx context.Context, key string) error {
	if m.done != nil {
		return m.done(m.Seen, key)
	}
	return m.Seen.Done(ctx, key)
}

func (m *mistaken) Release(ctx context.Context, key, owner string) error {
	if m.release != nil {
		return m.release(m.Seen, key, owner)
	}
	return m.Seen.Release(ctx, key, owner)
}

// TestSeenMistakesAreFound: each mistake breaks the rule that is for it.
func TestSeenMistakesAreFound(t *testing.T) {
	bg := context.Background()
	planted := map[string]bool{"WindowEnds": true, "OutlivesTheProcess": true} // see below
	for name, tt := range map[string]struct {
		rule string
		mistaken
	}{
		"everybody gets it": {"ClaimIsExclusive", mistaken{claim: func(webhook.Seen, string, string, time.Duration) (webhook.SeenState, error) {
			return webhook.SeenNew, nil
		}}},
		"looks, then claims": {"OneOfManyClaims", mistaken{claim: func() func(webhook.Seen, string, string, time.Duration) (webhook.SeenState, error) {
			var mu sync.Mutex
			taken := make(map[string]bool)
			return func(_ webhook.Seen, key, _ string, _ time.Duration) (webhook.SeenState, error) {
				mu.Lock()
				was := taken[key]
				mu.Unlock()
				time.Sleep(time.Nanosecond)
				mu.Lock()
				taken[key] = true
				mu.Unlock()
				if was {
					return webhook.SeenBusy, nil
				}
				return webhook.SeenNew, nil
			}
		}()}},
		"fails": {"OneOfManyClaims", mistaken{claim: func(webhook.Seen, string, string, time.Duration) (webhook.SeenState, error) {
			return webhook.SeenNew, fmt.Errorf("down")
		}}},
		"does not mind case": {"KeysAreApart", mistaken{claim: func(s webhook.Seen, key, owner string, lease time.Duration) (webhook.SeenState, error) {
			return s.Claim(bg, strings.ToLower(key), owner, lease)
		}}},
		"trims": {"KeysAreApart", mistaken{claim: func(s webhook.Seen, key, owner string, lease time.Duration) (webhook.SeenState, error) {
			return s.Claim(bg, strings.TrimSpace(key), owner, lease)
		}}},
		"never releases":   {"ReleaseFrees", mistaken{release: func(webhook.Seen, string, string) error { return nil }}},
		"releases as done": {"ReleaseFrees", mistaken{release: func(s webhook.Seen, key, _ string) error { return s.Done(bg, key) }}},
		"anybody releases": {"ReleaseIsTheOwners", mistaken{release: func(s webhook.Seen, key, _ string) error { return s.Release(bg, key, "a") }}},
		"a lease is for ever": {"LeaseEnds", mistaken{claim: func(s webhook.Seen, key, owner string, _ time.Duration) (webhook.SeenState, error) {
			return s.Claim(bg, key, owner, 1000*time.Hour)
		}}},
		"a lease is too short": {"LeaseEnds", mistaken{claim: func(s webhook.Seen, key, owner string, lease time.Duration) (webhook.SeenState, error) {
			return s.Claim(bg, key, owner, lease/4)
		}}},
		"a stale owner frees it": {"StaleOwnerIsFenced", mistaken{
			claim: func(s webhook.Seen, key, _ string, lease time.Duration) (webhook.SeenState, error) {
				return exclusive(s, key, lease)
			},
			release: func(s webhook.Seen, key, _ string) error { return s.Release(bg, key, "all") },
		}},
		"nobody renews": {"OwnerRenews", mistaken{claim: func() func(webhook.Seen, string, string, time.Duration) (webhook.SeenState, error) {
			n := 0
			return func(s webhook.Seen, key, owner string, lease time.Duration) (webhook.SeenState, error) {
				n++
				return s.Claim(bg, key, fmt.Sprint(owner, n), lease)
			}
		}()}},
		"done is a claim": {"DoneStaysDone", mistaken{done: func(webhook.Seen, string) error { return nil }}},
		"done is busy": {"DoneStaysDone", mistaken{claim: func(s webhook.Seen, key, owner string, lease time.Duration) (webhook.SeenState, error) {
			st, err := s.Claim(bg, key, owner, lease)
			return min(st, webhook.SeenBusy), err
		}}},
		"release undoes": {"ReleaseDoesNotUndo", mistaken{
			done:    func(s webhook.Seen, key string) error { return nil },
			release: func(s webhook.Seen, key, owner string) error { return s.Release(bg, key, owner) },
		}},
		"only the owner is done": {"DoneByAnybody", mistaken{done: func(s webhook.Seen, key string) error {
			if st, err := s.Claim(bg, key, "b", time.Second); err != nil || st == webhook.SeenNew {
				return err
			}
			return s.Done(bg, key)
		}}},
	} {
		planted[tt.rule] = true
		t.Run(name, func(t *testing.T) {
			s := keeping(t)
			s.Open = func(testing.TB) webhook.Seen {
				m := tt.mistaken
				m.Seen = webhook.NewMemorySeen(&webhook.MemorySeenOptions{Window: time.Hour})
				return &m
			}
			if found := seenFaults(t, tt.rule, s); len(found) == 0 {
				t.Errorf("%s has not seen it", tt.rule)
			}
		})
	}
	t.Run("forgets too early", func(t *testing.T) {
		s := keeping(t)
		s.Open = func(testing.TB) webhook.Seen {
			return webhook.NewMemorySeen(&webhook.MemorySeenOptions{Window: time.Minute})
		}
		if found := seenFaults(t, "WindowEnds", s); len(found) == 0 {
			t.Error("not seen")
		}
	})
	t.Run("never forgets", func(t *testing.T) {
		s := keeping(t)
		s.Open = func(testing.TB) webhook.Seen { return webhook.NewMemorySeen(nil) }
		if found := seenFaults(t, "WindowEnds", s); len(found) == 0 {
			t.Error("not seen")
		}
	})
	t.Run("does not outlive the process", func(t *testing.T) {
		s := keeping(t)
		s.Again = func(testing.TB, webhook.Seen) webhook.Seen { return new(webhook.MemorySeen) }
		if found := seenFaults(t, "OutlivesTheProcess", s); len(found) == 0 {
			t.Error("not seen")
		}
	})
	suite.Sound(t, seenRules, planted)
}

// exclusive claims for an owner that all are.
func exclusive(s webhook.Seen, key string, lease time.Duration) (webhook.SeenState, error) {
	if st, err := s.Claim(context.Background(), key, "probe", 1); err != nil || st != webhook.SeenNew {
		return st, err
	}
	_ = s.Release(context.Background(), key, "probe")
	return s.Claim(context.Background(), key, "all", lease)
}

// seenFaults is what one rule finds wrong about s.
func seenFaults(t *testing.T, rule string, s SeenStore) (found []string) {
	r := suite.Named(t, seenRules, rule)
	synctest.Test(t, func(t *testing.T) {
		found = r.Faults(t, func(tb testing.TB) *seenTrial { return newSeenTrial(tb, s) })
	})
	return found
}
