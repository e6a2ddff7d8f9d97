package callbacktest

import (
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/internal/suite"
)

// A Wire describes what is to be tested. The contract of callback.Transport as it
// stands is the default; what the wire's Caps promise is checked beyond it, and the
// fields say what it promises else, or lacks and says so in its documentation.
type Wire struct {
	// Open opens the wire, with nobody listening yet. It is called at least once
	// for each rule. It registers with tb.Cleanup what ends that which is no
	// transport: a server, a broker, a proxy; the suite closes the transports
	// before. It may fail the test through tb.
	Open func(tb testing.TB) *Ends

	// Resumes promises that a cut that heals loses nothing, and that nobody
	// notices it: Receive does not fail with ErrDisconnected.
	Resumes bool
	// NoOrder: what one goroutine sends to one inbox may arrive in another order.
	NoOrder bool
	// NoGroups: listeners at one address cannot share its messages. ListenGroup,
	// if there is one, fails with errors.ErrUnsupported. A point-to-point wire has
	// no groups in any case.
	NoGroups bool

	// Bubble runs each rule in a testing/synctest bubble of its own, in virtual
	// time: a goroutine that is left fails the test, and times are exact. It
	// needs a wire that does nothing outside the process, and in which nobody
	// waits for a mutex whose holder waits: that stops virtual time, and after
	// Patience, but at least two minutes, the process.
	Bubble bool
	// Patience is how long the suite waits for what must happen. 0 means 10 s.
	Patience time.Duration
	// Slack is by how much a deadline may be overrun, for the scheduler's and
	// the wire's sake. 0 means none in a bubble, and 1 s elsewhere.
	Slack time.Duration
}

// Ends are the ends of a wire that is open, and what can be done to it. Where a hook
// is nil, the rules that need it are not checked.
//
// Ownership: the transports belong to the suite, which closes them.
//
// Concurrency: the suite calls one hook at a time.
type Ends struct {
	// A asks and B answers: usually. On a wire where only one of them connects
	// again after a cut, that is A.
	A, B callback.Transport
	// Another connects one more end to the wire. It fails the test if it cannot.
	// nil on a point-to-point wire.
	Another func() callback.Transport

	// Cut breaks all connections there are, in a way that both ends notice, and
	// lets none be made until Heal.
	Cut func()
	// Heal lets the ends connect again, which they do by themselves. nil: what is
	// cut remains so.
	Heal func()
	// Again waits for the transport that takes B's place after Heal, on a wire
	// whose answering end has a transport for each connection, as a server does.
	// nil: B goes on. It returns nil if there is none, and the test is over.
	Again func() callback.Transport
	// Stall keeps everything that is sent, either way, from arriving, and breaks
	// nothing, until Flow. nil: it is done by not receiving, which does on a wire
	// that has no storage of its own.
	Stall func()
	// Flow ends Stall. It is nil if that is.
	Flow func()

	// Garbage sends bytes to A that make no message, as a broken program would.
	Garbage func([]byte)
	// Foreign is a program at the wire that knows nothing of this library: a
	// native client, a microcontroller.
	Foreign *Foreign
}

// Foreign is a program at the other end that speaks the wire's native protocol
// only. Where a function is nil, the rules that need it are not checked.
type Foreign struct {
	// Answer answers each request that is sent to name with its own body, until
	// the test ends. It returns when it is there to do so.
	Answer func(name string)
	// Ask asks what is served as name and returns the body of the answer.
	Ask func(name string, body []byte) ([]byte, error)
}

// TestTransport checks w against every rule, each in a subtest.
func TestTransport(t *testing.T, w Wire) {
	var has *abilities
	look := rule{
		Name:  "Opens",
		Why:   "a wire has two ends, and says what it is like",
		Check: func(t *trial) { has = look(t) },
	}
	if !t.Run(look.Name, func(t *testing.T) { w.run(t, look) }) {
		return
	}
	if has == nil { // -run left it out
		w.run(t, look)
	}
	for _, r := range rules {
		if lack := r.Lacks(has); lack != "" {
			t.Logf("%s: not checked: %s", r.Name, lack)
			continue
		}
		t.Run(r.Name, func(t *testing.T) { w.run(t, r) })
	}
	t.Run("Law", func(t *testing.T) { w.law(t, has) })
}

func (w Wire) world() suite.World {
	if w.Slack <= 0 && !w.Bubble {
		w.Slack = time.Second
	}
	return suite.World{
		Suite: "callbacktest", Asks: "does the transport hold a mutex while it waits, or wait for something outside?",
		Bubble: w.Bubble, Patience: w.Patience, Slack: w.Slack,
	}
}

// run checks r in a world of its own.
func (w Wire) run(t *testing.T, r rule) {
	w.world().Enter(t, r.Name, func(t *testing.T) { r.Run(newTrial(t, w)) })
}

// law checks that Dial over w, to Serve, is an Asker as any other.
func (w Wire) law(t *testing.T, has *abilities) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: !has.caps.SettledDelivery,
		Bubble:      w.Bubble,
		Patience:    w.Patience,
		Slack:       w.Slack,
		Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
			t := newTrial(tb, w)
			tb.Cleanup(t.End)
			work := t.name("law")
			a, _ := t.pair(nil, nil, func(b *callback.Peer) {
				callback.Serve(b, work, future.Func[futuretest.Query, futuretest.Answer](f), nil)
			})
			return callback.Dial[futuretest.Query, futuretest.Answer](a, work, nil)
		},
	})
}
