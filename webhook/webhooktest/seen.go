package webhooktest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
)

// A SeenStore describes a [webhook.Seen] that is to be tested.
type SeenStore struct {
	// Open makes an empty store, with a Window of 10 Units or more. It is called once
	// for each rule, and registers with tb.Cleanup what ends it.
	Open func(tb testing.TB) webhook.Seen
	// Reopen ends the process of s, so to say, and opens the same store again. Nil means
	// that nothing outlives the process.
	Reopen func(tb testing.TB, s webhook.Seen) webhook.Seen
	// Window is for how long the store that Open makes remembers what is done. 0 means
	// that this is not checked.
	Window time.Duration
	// Unit is the time that leases are made of, and has to be longer than the store
	// takes for a few calls. 0 means a minute in a bubble, and 500 ms elsewhere.
	Unit time.Duration
	// Bubble runs each rule in a testing/synctest bubble of its own, in virtual time.
	Bubble bool
}

// TestSeen checks s against every sentence of [webhook.Seen], each in a subtest. When
// one is broken it says why it is a rule.
func TestSeen(t *testing.T, s SeenStore) {
	for _, r := range seenRules {
		if r.applies != nil && !r.applies(s) {
			t.Logf("%s: not checked", r.name)
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			if s.Bubble {
				synctest.Test(t, func(t *testing.T) { r.run(t, s) })
			} else {
				r.run(t, s)
			}
		})
	}
}

// A seenRule is one sentence and how to find it broken.
type seenRule struct {
	name    string
	why     string
	applies func(SeenStore) bool // nil: always
	check   func(*seenTrial)
}

func (r seenRule) run(tb testing.TB, s SeenStore) {
	tb.Helper()
	if s.Unit <= 0 {
		if s.Unit = 500 * time.Millisecond; s.Bubble {
			s.Unit = time.Minute
		}
	}
	defer func() {
		if tb.Failed() {
			tb.Logf("the rule: %s", r.why)
		}
	}()
	r.check(&seenTrial{TB: tb, SeenStore: s, seen: s.Open(tb)})
}

// A seenTrial is one rule being checked.
type seenTrial struct {
	testing.TB
	SeenStore
	seen webhook.Seen
}

func (t *seenTrial) claim(key, owner string, units int, want webhook.SeenState) {
	t.Helper()
	got, err := t.seen.Claim(context.Background(), key, owner, time.Duration(units)*t.Unit)
	if err != nil {
		t.Fatalf("Claim(%q, %q): %v", key, owner, err)
	}
	if got != want {
		t.Errorf("Claim(%q, %q) is %s, not %s", key, owner, seenWord(got), seenWord(want))
	}
}

func seenWord(s webhook.SeenState) string {
	switch s {
	case webhook.SeenNew:
		return "SeenNew"
	case webhook.SeenBusy:
		return "SeenBusy"
	case webhook.SeenDone:
		return "SeenDone"
	}
	return fmt.Sprintf("SeenState(%d)", int(s))
}

func (t *seenTrial) done(key string) {
	t.Helper()
	if err := t.seen.Done(context.Background(), key); err != nil {
		t.Fatalf("Done(%q): %v", key, err)
	}
}

func (t *seenTrial) release(key, owner string) {
	t.Helper()
	if err := t.seen.Release(context.Background(), key, owner); err != nil {
		t.Fatalf("Release(%q, %q): %v", key, owner, err)
	}
}

// pass lets time pass, in tenths of a Unit.
func (t *seenTrial) pass(tenths int) { time.Sleep(time.Duration(tenths) * t.Unit / 10) }

var seenRules = []seenRule{
	{
		name: "ClaimIsExclusive",
		why:  "W5: while somebody handles a message nobody else does",
		check: func(t *seenTrial) {
			t.claim("k", "a", 5, webhook.SeenNew)
			t.claim("k", "b", 5, webhook.SeenBusy)
			t.claim("k", "c", 5, webhook.SeenBusy)
		},
	},
	{
		name: "OneOfManyClaims",
		why:  "W5: of claims at the same time one gets the message, and the handler runs once",
		check: func(t *seenTrial) {
			for round := range 20 {
				key := fmt.Sprint("k", round)
				var won, lost atomic.Int32
				var wg sync.WaitGroup
				start := make(chan struct{})
				for i := range 32 {
					wg.Go(func() {
						<-start
						switch s, err := t.seen.Claim(context.Background(), key, fmt.Sprint(i), 5*t.Unit); {
						case err != nil:
							t.Errorf("Claim: %v", err)
						case s == webhook.SeenNew:
							won.Add(1)
						case s == webhook.SeenBusy:
							lost.Add(1)
						}
					})
				}
				close(start)
				wg.Wait()
				if won.Load() != 1 || lost.Load() != 31 {
					t.Fatalf("%d of 32 claims got the message, and %d are told that it is claimed", won.Load(), lost.Load())
				}
			}
		},
	},
	{
		name: "KeysAreApart",
		why:  "a message must not be taken for another, whatever the two keys have in common",
		check: func(t *seenTrial) {
			t.claim("kK", "a", 5, webhook.SeenNew)
			for _, other := range []string{"kk", "KK", "kK ", " kK", "kKk", "k", "K", "kK\x00", "kK:", "kK%", "k_", "kK*"} {
				t.claim(other, "b", 5, webhook.SeenNew)
			}
			t.done("kK")
			t.claim("kk", "c", 5, webhook.SeenBusy)
		},
	},
	{
		name: "ReleaseFrees",
		why:  "W9: a handler that failed wants the message again with the next delivery",
		check: func(t *seenTrial) {
			t.claim("k", "a", 5, webhook.SeenNew)
			t.release("k", "a")
			t.claim("k", "b", 5, webhook.SeenNew)
			t.claim("k", "a", 5, webhook.SeenBusy)
		},
	},
	{
		name: "ReleaseIsTheOwners",
		why:  "whoever does not have the message cannot give it up",
		check: func(t *seenTrial) {
			t.release("k", "a") // of nothing
			t.claim("k", "a", 5, webhook.SeenNew)
			t.release("k", "b")
			t.claim("k", "b", 5, webhook.SeenBusy)
		},
	},
	{
		name: "LeaseEnds",
		why:  "W9: a process that crashed must not keep the message from others for ever",
		check: func(t *seenTrial) {
			t.claim("k", "a", 2, webhook.SeenNew)
			t.pass(10)
			t.claim("k", "b", 2, webhook.SeenBusy)
			t.pass(15)
			t.claim("k", "b", 2, webhook.SeenNew)
			t.claim("k", "c", 2, webhook.SeenBusy)
		},
	},
	{
		name: "StaleOwnerIsFenced",
		why:  "W5: a process that was paused past its lease must not free what another has taken over",
		check: func(t *seenTrial) {
			t.claim("k", "a", 1, webhook.SeenNew)
			t.pass(15)
			t.claim("k", "b", 5, webhook.SeenNew)
			t.release("k", "a")
			t.claim("k", "c", 5, webhook.SeenBusy)
			t.release("k", "b")
			t.claim("k", "c", 5, webhook.SeenNew)
		},
	},
	{
		name: "OwnerRenews",
		why:  "a handler that takes long keeps the message by claiming it again",
		check: func(t *seenTrial) {
			t.claim("k", "a", 2, webhook.SeenNew)
			t.pass(13)
			t.claim("k", "a", 2, webhook.SeenNew)
			t.pass(13) // 26 of 20
			t.claim("k", "b", 2, webhook.SeenBusy)
			t.pass(13)
			t.claim("k", "b", 2, webhook.SeenNew)
		},
	},
	{
		name: "DoneStaysDone",
		why:  "W5: what has been handled is not handled again",
		check: func(t *seenTrial) {
			t.claim("k", "a", 1, webhook.SeenNew)
			t.done("k")
			t.claim("k", "b", 1, webhook.SeenDone)
			t.claim("k", "a", 1, webhook.SeenDone)
			t.pass(15) // the lease is over
			t.claim("k", "b", 1, webhook.SeenDone)
			t.done("k")
			t.claim("k", "b", 1, webhook.SeenDone)
		},
	},
	{
		name: "ReleaseDoesNotUndo",
		why:  "of two who handled a message one has succeeded: then it is handled",
		check: func(t *seenTrial) {
			t.claim("k", "a", 5, webhook.SeenNew)
			t.done("k")
			t.release("k", "a")
			t.claim("k", "b", 5, webhook.SeenDone)
		},
	},
	{
		name: "DoneByAnybody",
		why:  "a handler that succeeds after its lease has handled the message all the same",
		check: func(t *seenTrial) {
			t.claim("k", "a", 1, webhook.SeenNew)
			t.pass(15)
			t.claim("k", "b", 1, webhook.SeenNew)
			t.done("k") // says a
			t.release("k", "b")
			t.claim("k", "c", 1, webhook.SeenDone)
			t.done("never claimed")
			t.claim("never claimed", "c", 1, webhook.SeenDone)
		},
	},
	{
		name:    "WindowEnds",
		why:     "what is remembered for ever fills the store",
		applies: func(s SeenStore) bool { return s.Window > 0 },
		check: func(t *seenTrial) {
			t.claim("k", "a", 1, webhook.SeenNew)
			t.done("k")
			time.Sleep(t.Window - t.Unit)
			t.claim("k", "b", 1, webhook.SeenDone)
			t.pass(15)
			t.claim("k", "b", 1, webhook.SeenNew)
		},
	},
	{
		name:    "OutlivesTheProcess",
		why:     "what a process has claimed or done before it crashed is claimed or done for the next",
		applies: func(s SeenStore) bool { return s.Reopen != nil },
		check: func(t *seenTrial) {
			t.claim("done", "a", 5, webhook.SeenNew)
			t.done("done")
			t.claim("claimed", "a", 4, webhook.SeenNew)
			t.seen = t.Reopen(t, t.seen)
			t.claim("done", "b", 5, webhook.SeenDone)
			t.claim("claimed", "b", 5, webhook.SeenBusy)
			t.pass(45)
			t.claim("claimed", "b", 5, webhook.SeenNew)
		},
	},
}
