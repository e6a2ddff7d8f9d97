package webhooktest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/webhook"
)

// A SeenStore describes a [webhook.Seen] that is to be tested.
type SeenStore struct {
	// Open makes an empty store, with a Window of 10 Units or more. It is called once
	// for each rule, and registers with tb.Cleanup what ends it.
	Open func(tb testing.TB) webhook.Seen
	// Again ends the process of s, so to say, and opens the same store again. Nil means
	// that nothing outlives the process.
	Again func(tb testing.TB, s webhook.Seen) webhook.Seen
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
		if lack := r.Lacks(s); lack != "" {
			t.Logf("%s: not checked: %s", r.Name, lack)
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			s.world().Enter(t, r.Name, func(t *testing.T) { r.Run(newSeenTrial(t, s)) })
		})
	}
}

func (s SeenStore) world() suite.World {
	return suite.World{Suite: "webhooktest", Asks: "is a mutex held while something waits, or something outside waited for?", Bubble: s.Bubble}
}

type (
	seenRule = suite.Rule[*seenTrial, SeenStore]
	seenNeed = suite.Need[SeenStore]
)

// A seenTrial is one rule being checked.
type seenTrial struct {
	*suite.Trial
	SeenStore
	seen webhook.Seen
}

func newSeenTrial(tb testing.TB, s SeenStore) *seenTrial {
	if s.Unit <= 0 {
		if s.Unit = 500 * time.Millisecond; s.Bubble {
			s.Unit = time.Minute
		}
	}
	t := &seenTrial{Trial: s.world().Begin(tb), SeenStore: s}
	t.seen = s.Open(t)
	return t
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
		Name: "ClaimIsExclusive",
		Why:  "W5: while somebody handles a message nobody else does",
		Check: func(t *seenTrial) {
			t.claim("k", "a", 5, webhook.SeenNew)
			t.claim("k", "b", 5, webhook.SeenBusy)
			t.claim("k", "c", 5, webhook.SeenBusy)
		},
	},
	{
		Name: "OneOfManyClaims",
		Why:  "W5: of claims at the same time one gets the message, and the handler runs once",
		Check: func(t *seenTrial) {
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
		Name: "KeysAreApart",
		Why:  "a message must not be taken for another, whatever the two keys have in common",
		Check: func(t *seenTrial) {
			t.claim("kK", "a", 5, webhook.SeenNew)
			for _, other := range []string{"kk", "KK", "kK ", " kK", "kKk", "k", "K", "kK\x00", "kK:", "kK%", "k_", "kK*"} {
				t.claim(other, "b", 5, webhook.SeenNew)
			}
			t.done("kK")
			t.claim("kk", "c", 5, webhook.SeenBusy)
		},
	},
	{
		Name: "ReleaseFrees",
		Why:  "W9: a handler that failed wants the message again with the next delivery",
		Check: func(t *seenTrial) {
			t.claim("k", "a", 5, webhook.SeenNew)
			t.release("k", "a")
			t.claim("k", "b", 5, webhook.SeenNew)
			t.claim("k", "a", 5, webhook.SeenBusy)
		},
	},
	{
		Name: "ReleaseIsTheOwners",
		Why:  "whoever does not have the message cannot give it up",
		Check: func(t *seenTrial) {
			t.release("k", "a") // of nothing
			t.claim("k", "a", 5, webhook.SeenNew)
			t.release("k", "b")
			t.claim("k", "b", 5, webhook.SeenBusy)
		},
	},
	{
		Name: "LeaseEnds",
		Why:  "W9: a process that crashed must not keep the message from others for ever",
		Check: func(t *seenTrial) {
			t.claim("k", "a", 2, webhook.SeenNew)
			t.pass(10)
			t.claim("k", "b", 2, webhook.SeenBusy)
			t.pass(15)
			t.claim("k", "b", 2, webhook.SeenNew)
			t.claim("k", "c", 2, webhook.SeenBusy)
		},
	},
	{
		Name: "StaleOwnerIsFenced",
		Why:  "W5: a process that was paused past its lease must not free what another has taken over",
		Check: func(t *seenTrial) {
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
		Name: "OwnerRenews",
		Why:  "a handler that takes long keeps the message by claiming it again",
		Check: func(t *seenTrial) {
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
		Name: "DoneStaysDone",
		Why:  "W5: what has been handled is not handled again",
		Check: func(t *seenTrial) {
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
		Name: "ReleaseDoesNotUndo",
		Why:  "of two who handled a message one has succeeded: then it is handled",
		Check: func(t *seenTrial) {
			t.claim("k", "a", 5, webhook.SeenNew)
			t.done("k")
			t.release("k", "a")
			t.claim("k", "b", 5, webhook.SeenDone)
		},
	},
	{
		Name: "DoneByAnybody",
		Why:  "a handler that succeeds after its lease has handled the message all the same",
		Check: func(t *seenTrial) {
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
		Name:  "WindowEnds",
		Why:   "what is remembered for ever fills the store",
		Needs: []seenNeed{{Lack: "Window is 0", Has: func(s SeenStore) bool { return s.Window > 0 }}},
		Check: func(t *seenTrial) {
			t.claim("k", "a", 1, webhook.SeenNew)
			t.done("k")
			time.Sleep(t.Window - t.Unit)
			t.claim("k", "b", 1, webhook.SeenDone)
			t.pass(15)
			t.claim("k", "b", 1, webhook.SeenNew)
		},
	},
	{
		Name:  "OutlivesTheProcess",
		Why:   "what a process has claimed or done before it crashed is claimed or done for the next",
		Needs: []seenNeed{{Lack: "Again is nil", Has: func(s SeenStore) bool { return s.Again != nil }}},
		Check: func(t *seenTrial) {
			t.claim("done", "a", 5, webhook.SeenNew)
			t.done("done")
			t.claim("claimed", "a", 4, webhook.SeenNew)
			t.seen = t.Again(t, t.seen)
			t.claim("done", "b", 5, webhook.SeenDone)
			t.claim("claimed", "b", 5, webhook.SeenBusy)
			t.pass(45)
			t.claim("claimed", "b", 5, webhook.SeenNew)
		},
	},
}
