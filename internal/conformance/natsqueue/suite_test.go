package natsqueue_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

// serve runs a server until the test ends.
func serve(t testing.TB) *natsd.Server {
	t.Helper()
	return natsd.Run(t, &natsd.Options{Dir: t.TempDir()})
}

// dial connects to a server until the test ends.
func dial(t testing.TB, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// open opens a backend on a bucket until the test ends.
func open(t testing.TB, nc *nats.Conn, o *natsqueue.Options) *natsqueue.Backend {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	b, err := natsqueue.Open(context.Background(), js, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

var buckets atomic.Int64

// bucket is a name that no other test has.
func bucket() string { return fmt.Sprint("bucket-", buckets.Add(1)) }

// described describes the bucket on a server that outlives all rules; each has a bucket.
func described(t testing.TB) queuetest.Store {
	s := serve(t)
	admin, err := jetstream.New(dial(t, s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		bucket string
		nc     *nats.Conn
	}
	var mu sync.Mutex
	places := map[driver.Backend]place{}
	openAt := func(t testing.TB, bucket string) driver.Backend {
		nc := dial(t, s.URL())
		b := open(t, nc, &natsqueue.Options{Bucket: bucket})
		mu.Lock()
		defer mu.Unlock()
		places[b] = place{bucket, nc}
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
			t.Cleanup(func() { // the server has goroutines for each
				if err := admin.DeleteKeyValue(context.Background(), bucket); err != nil {
					t.Errorf("the bucket cannot be deleted: %v", err)
				}
			})
			return openAt(t, bucket)
		},
		Again: func(t testing.TB, b driver.Backend) driver.Backend { return openAt(t, at(b).bucket) },
		Kill:  func(t testing.TB, b driver.Backend) { at(b).nc.Close() },
		Slack: 3 * time.Second,
	}
}

func TestNATS(t *testing.T) { queuetest.TestBackend(t, described(t)) }
