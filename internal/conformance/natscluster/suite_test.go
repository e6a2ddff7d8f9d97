package natscluster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

// described describes a bucket of three replicas. Each backend is connected to another
// of the servers than the one before it. It is kept in memory, which is quicker:
// TestQ1_Q2_Q15_ServersAreKilled has files.
func described(t testing.TB, c *natsd.Cluster, storage jetstream.StorageType) queuetest.Store {
	admin := stream(t, dial(t, c.URL()))
	type place struct {
		bucket string
		nc     *nats.Conn
		server int
	}
	var mu sync.Mutex
	places := map[driver.Backend]place{}
	openAt := func(t testing.TB, bucket string, server int) driver.Backend {
		nc := dial(t, c.Servers[server].URL())
		b := open(t, nc, natsqueue.Options{Bucket: bucket, Storage: storage})
		mu.Lock()
		defer mu.Unlock()
		places[b] = place{bucket, nc, server}
		return b
	}
	at := func(b driver.Backend) place {
		mu.Lock()
		defer mu.Unlock()
		return places[b]
	}
	return queuetest.Store{
		Open: func(t testing.TB) driver.Backend {
			bucket := bucket()
			t.Cleanup(func() { // the servers have goroutines for each
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := admin.DeleteKeyValue(ctx, bucket); err != nil {
					t.Errorf("the bucket cannot be deleted: %v", err)
				}
			})
			return openAt(t, bucket, 0)
		},
		Again: func(t testing.TB, b driver.Backend) driver.Backend {
			p := at(b)
			return openAt(t, p.bucket, (p.server+1)%len(c.Servers))
		},
		Kill:     func(t testing.TB, b driver.Backend) { at(b).nc.Close() },
		Slack:    3 * time.Second,
		Patience: patience,
	}
}

// The suite is not run beside other tests: it counts goroutines.
func TestNATS(t *testing.T) {
	c := natsd.RunCluster(t, &natsd.Options{Dir: t.TempDir()})
	queuetest.TestBackend(t, described(t, c, jetstream.MemoryStorage))
}
