package natscluster_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// Servers of a process of their own are this program.
func TestMain(m *testing.M) {
	natsd.Main()
	_ = flag.Set("test.parallel", "4") // they wait for servers most of the time
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen.
const patience = time.Minute

// dial connects to one of some servers until the test ends, and never gives up.
func dial(tb testing.TB, url string, o ...nats.Option) *nats.Conn {
	tb.Helper()
	nc, err := nats.Connect(url, append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(0, 0),
	}, o...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	return nc
}

func stream(tb testing.TB, nc *nats.Conn) jetstream.JetStream {
	tb.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		tb.Fatal(err)
	}
	return js
}

// open opens a backend on a bucket of three replicas until the test ends.
func open(tb testing.TB, nc *nats.Conn, o natsqueue.Options) *natsqueue.Backend {
	tb.Helper()
	o.Replicas = 3
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := natsqueue.Open(ctx, stream(tb, nc), &o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.Close() })
	return b
}

var buckets atomic.Int64

// bucket is a name that no other test has.
func bucket() string { return fmt.Sprint("bucket-", buckets.Add(1)) }
