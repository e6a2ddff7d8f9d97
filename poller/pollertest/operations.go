package pollertest

import (
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/poller"
)

// Query is what the operations of the suite are asked. It fits any codec.
type Query struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

// Answer is their result.
type Answer struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

// Func is the work that is done in them.
type Func = future.Func[Query, Answer]

// A Store describes what is to be tested. The contract of poller.Operations as it
// stands is the default; the fields say what a store lacks, and says so by failing with
// errors.ErrUnsupported.
type Store struct {
	// Open makes Operations, without any, whose work f does: at least 8 calls of it at
	// once, and no more than once for each unless it fails. It is called once for each
	// rule, and registers with tb.Cleanup what ends it.
	Open func(tb testing.TB, f Func) poller.Operations

	// NoKeys: Submit with a Key fails.
	NoKeys bool
	// NoCancel, NoDelete and NoList: these fail.
	NoCancel, NoDelete, NoList bool
	// NoHeader: Info.Header is neither kept nor does it reach the work.
	NoHeader bool
	// NoProgress: what f reports is not shown.
	NoProgress bool
	// NoDeadline: f does not learn the operation's deadline. The operation ends by then
	// all the same.
	NoDeadline bool
	// Limit is how many operations that have not ended there may be at most, so that
	// the suite sees what happens beyond. 0 means that this is not checked.
	Limit int
	// Codec is how requests and results are encoded. Nil means antiphon.JSON{}.
	Codec antiphon.Codec

	// Bubble runs each rule in a testing/synctest bubble of its own, in virtual time: a
	// goroutine that is left fails the test, and times are exact.
	Bubble bool
	// Patience is how long the suite waits for what must happen. 0 means 10 s.
	Patience time.Duration
	// Slack is how late something may be, for the scheduler's sake. 0 means none in a
	// bubble, and 2 s elsewhere.
	Slack time.Duration
}

// TestOperations checks s against every rule, each in a subtest.
func TestOperations(t *testing.T, s Store) {
	for _, r := range rules {
		if lack := r.Lacks(s); lack != "" {
			t.Logf("%s: not checked: %s", r.Name, lack)
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			s.world().Enter(t, r.Name, func(t *testing.T) { r.Run(newTrial(t, s)) })
		})
	}
}

func (s Store) world() suite.World {
	if s.Slack <= 0 && !s.Bubble {
		s.Slack = 2 * time.Second
	}
	return suite.World{
		Suite: "pollertest", Asks: "is a mutex held while something waits, or something outside waited for?",
		Bubble: s.Bubble, Patience: s.Patience, Slack: s.Slack,
	}
}
