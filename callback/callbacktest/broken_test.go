package callbacktest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/internal/suite"
)

// A mistake is a transport that is broken in one respect, and the rule that must
// find it out.
type mistake struct {
	name string
	rule string
	open func(testing.TB) *Ends
	wire func(*Wire) // what the wire claims, if not the default
}

// A suite that finds nothing in a broken transport proves nothing.
func TestBrokenTransportsAreFoundOut(t *testing.T) {
	leaked = make(chan struct{})
	t.Cleanup(func() { close(leaked) })
	all := append(append(append(bentMessages, bentSending...), bentBreaks...), bentTalks...)
	all = append(all, bentBrokers...)
	found := make([][]string, len(all))
	each := func(do func(mistake) bool, atOnce int) {
		slots := make(chan struct{}, atOnce)
		var running sync.WaitGroup
		for i, m := range all {
			if !do(m) {
				continue
			}
			slots <- struct{}{}
			running.Go(func() {
				for range 3 { // a busy machine may hide a mistake from one look
					if found[i] = try(t, m); len(found[i]) > 0 {
						break
					}
				}
				<-slots
			})
		}
		running.Wait()
	}
	counts := func(m mistake) bool { return strings.Contains(m.rule, "Leak") }
	each(counts, 1) // what counts goroutines wants to be alone
	each(func(m mistake) bool { return !counts(m) }, 64)
	seen := map[string]bool{}
	for i, m := range all {
		seen[m.rule] = true
		t.Run(m.name, func(t *testing.T) {
			if len(found[i]) == 0 {
				t.Fatalf("rule %s found nothing wrong", m.rule)
			}
			t.Logf("rule %s found out: %s", m.rule, found[i][0])
		})
	}
	// These are about peers alone: no transport can break them.
	for _, name := range []string{"AnswerBeforeSendReturns", "GivingUp", "RefusedAsk"} {
		seen[name] = true
	}
	suite.Sound(t, rules, seen)
}

// try runs the rule that a mistake breaks, and returns what it found wrong.
func try(t *testing.T, m mistake) []string {
	w := Wire{Open: m.open, Patience: 500 * time.Millisecond, Slack: 50 * time.Millisecond}
	if m.wire != nil {
		m.wire(&w)
	}
	for _, r := range append(rules, rule{Name: "Opens", Check: func(t *trial) { look(t) }}) {
		if r.Name != m.rule {
			continue
		}
		rec := &suite.Recorder{TB: t}
		done := make(chan struct{})
		go func() { // FailNow ends the goroutine that it is called on
			defer close(done)
			r.Run(newTrial(rec, w))
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Minute):
			t.Errorf("%s: the suite hangs", m.name)
		}
		return rec.Failures()
	}
	t.Errorf("%s: there is no rule %q", m.name, m.rule)
	return nil
}
