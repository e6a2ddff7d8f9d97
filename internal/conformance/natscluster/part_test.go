package natscluster_test

import (
	"testing"

	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

// A server is parted from the others while jobs are submitted, worked on and awaited at
// it and at the others, and comes back. Whoever reaches most of the servers goes on;
// who does not is told so in time, of the class that it is; and when they are together
// again, what was accepted is answered, each with one answer.
func TestQ1_Q2_Partitions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		leads bool
		part  func(*natsd.Cluster, *natsd.Server)
	}{
		"the leader is frozen":  {true, (*natsd.Cluster).Part},
		"the leader is cut off": {true, (*natsd.Cluster).Cut},
		"a follower is frozen":  {false, (*natsd.Cluster).Part},
		"a follower is cut off": {false, (*natsd.Cluster).Cut},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natsd.RunCluster(t, &natsd.Options{Dir: t.TempDir()})
			l := newLoad(t)
			l.work(c.URL())
			leader := c.Leader("KV_" + l.bucket)
			var parted, other *natsd.Server
			for _, s := range c.Servers {
				if parted == nil && (s == leader) == tt.leads {
					parted = s
				} else {
					other = s
				}
			}
			l.work(parted.URL())
			l.work(other.URL())
			l.submit("parted", parted.URL())
			l.submit("others", other.URL())
			l.goesOn("parted", 5)
			l.goesOn("others", 5)

			tt.part(c, parted)
			was := l.of("parted")
			eventually(t, "who is parted is not told", func() bool {
				is := l.of("parted")
				return is.refused+is.unknown >= was.refused+was.unknown+2
			})
			l.goesOn("others", 20)
			c.Heal(parted)
			l.goesOn("parted", 5)
			l.goesOn("others", 5)
			l.end(c.URL())
		})
	}
}

// A client is parted from its server, which is well: it goes on when it is together with
// it again, and others do not notice.
func TestQ1_Q2_ClientIsParted(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]func(*natsd.Proxy){"frozen": (*natsd.Proxy).Freeze, "cut off": (*natsd.Proxy).Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := natsd.RunCluster(t, &natsd.Options{Dir: t.TempDir()})
			p := natsd.NewProxy(t, c.Servers[0].Embedded().Addr().String())
			l := newLoad(t)
			l.work(p.URL())
			l.work(c.Servers[1].URL())
			l.submit("parted", p.URL())
			l.submit("others", c.Servers[2].URL())
			l.goesOn("parted", 5)
			l.goesOn("others", 5)

			part(p)
			was := l.of("parted")
			eventually(t, "who is parted is not told", func() bool {
				is := l.of("parted")
				return is.refused+is.unknown >= was.refused+was.unknown+1
			})
			l.goesOn("others", 20)
			p.Heal()
			l.goesOn("parted", 5)
			l.goesOn("others", 5)
			l.end(c.URL())
		})
	}
}
