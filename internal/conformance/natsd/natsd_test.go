package natsd_test

import (
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

func TestMain(m *testing.M) {
	natsd.Main()
	os.Exit(m.Run())
}

func dial(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// A server has what it had when it is started again, however it ended, and the client
// comes back by itself.
func TestServerStartsAgain(t *testing.T) {
	for name, process := range map[string]bool{"embedded": false, "process": true} {
		t.Run(name, func(t *testing.T) {
			s := natsd.Run(t, &natsd.Options{Dir: t.TempDir(), SyncAlways: true, Process: process})
			js := dial(t, s.URL())
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "s", Subjects: []string{"s"}}); err != nil {
				t.Fatal(err)
			}
			if _, err := js.Publish(t.Context(), "s", []byte("kept")); err != nil {
				t.Fatal(err)
			}
			was := s.URL()
			s.Stop()
			s.Start()
			if s.URL() != was {
				t.Errorf("it was at %s and is at %s", was, s.URL())
			}
			st, err := dial(t, s.URL()).Stream(t.Context(), "s")
			if err != nil || st.CachedInfo().State.Msgs != 1 {
				t.Errorf("%v", err)
			}
		})
	}
}

// A stream of three replicas goes on when its leader is stopped, and when it is parted
// from the others, which have a leader of their own then.
func TestClusterGoesOn(t *testing.T) {
	for name, process := range map[string]bool{"embedded": false, "process": true} {
		t.Run(name, func(t *testing.T) {
			c := natsd.RunCluster(t, &natsd.Options{Dir: t.TempDir(), Process: process})
			js := dial(t, c.URL())
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "s", Subjects: []string{"s"}, Replicas: 3}); err != nil {
				t.Fatal(err)
			}
			publish := func(js jetstream.JetStream) {
				t.Helper()
				var err error
				for range 300 {
					if _, err = js.Publish(t.Context(), "s", nil, jetstream.WithMsgID("x")); err == nil {
						return
					}
				}
				t.Error(err)
			}
			publish(js)
			first := c.Leader("s")
			first.Stop()
			publish(js)
			first.Start()

			second := c.Leader("s")
			c.Cut(second)
			for _, s := range c.Servers {
				if s != second {
					publish(dial(t, s.URL()))
				}
			}
			c.Heal(second)
			c.Leader("s")
			publish(dial(t, second.URL()))
		})
	}
}
