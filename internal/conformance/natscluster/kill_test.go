package natscluster_test

import (
	"flag"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

var kills = flag.Int("kills", 3, "how many servers are killed, one after another: each costs about eight seconds, of which the others take most to choose a leader")

// Again and again one of three servers is killed in the middle of jobs, and begins again on
// its files; then all are killed at once. What was accepted is answered, each with one
// answer, and nobody waits for ever.
func TestQ1_Q2_Q15_ServersAreKilled(t *testing.T) {
	t.Parallel()
	c := natsd.RunCluster(t, &natsd.Options{Dir: t.TempDir(), Process: true})
	l := newLoad(t)
	for range 2 {
		l.work(c.URL())
	}
	l.submit("one", c.URL())
	l.submit("another", c.URL())
	l.goesOn("one", 5)
	for i := range *kills {
		from := time.Now()
		s := c.Servers[i%len(c.Servers)]
		s.Stop()
		l.goesOn("one", 5)
		l.goesOn("another", 5)
		went := time.Since(from)
		s.Start()
		leader := c.Leader("KV_" + l.bucket)
		t.Logf("%s was killed: it went on after %v, and was there again after %v; %s leads", s.Name(), went.Round(time.Millisecond), time.Since(from).Round(time.Millisecond), leader.Name())
	}
	for _, s := range c.Servers {
		s.Stop()
	}
	for _, s := range c.Servers {
		s.Start()
	}
	l.goesOn("one", 5)
	l.goesOn("another", 5)
	l.end(c.URL())
}
