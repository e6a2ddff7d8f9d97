package natscluster_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

// The law holds where the job is submitted at one server and done at another. It counts
// goroutines, too.
func TestX8_NATS(t *testing.T) {
	c := natsd.RunCluster(t, &natsd.Options{Dir: t.TempDir()})
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Patience:    patience,
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			o := natsqueue.Options{Bucket: bucket(), Storage: jetstream.MemoryStorage}
			here, there := open(t, dial(t, c.Servers[0].URL()), o), open(t, dial(t, c.Servers[1].URL()), o)
			return queuetest.Asker(t, here, there, f)
		},
	})
}

// What jobs survive is read from the stream, however many keep it: a write that most
// servers have in their logs is as durable as these, which are files that are written
// to as the stream's are. TestQ1_Q2_Q15_ServersAreKilled kills all of them at once.
func TestQ15_Stated(t *testing.T) {
	t.Parallel()
	c := natsd.RunCluster(t, &natsd.Options{Dir: t.TempDir()})
	nc := dial(t, c.URL())
	for _, tt := range []struct {
		o    natsqueue.Options
		want driver.Durability
	}{
		{natsqueue.Options{}, driver.ProcessKill},
		{natsqueue.Options{SyncAlways: true}, driver.PowerLoss},
		{natsqueue.Options{Storage: jetstream.MemoryStorage, SyncAlways: true}, driver.None},
	} {
		tt.o.Bucket = bucket()
		if got := open(t, nc, tt.o).Capabilities().Durability; got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.o, got, tt.want)
		}
		s, err := stream(t, nc).Stream(t.Context(), "KV_"+tt.o.Bucket)
		if err != nil || s.CachedInfo().Config.Replicas != 3 {
			t.Errorf("%+v: it is not kept three times: %v", tt.o, err)
		}
		tt.o.Storage = jetstream.FileStorage // it is as it was made, whatever is asked for later
		if got := open(t, nc, tt.o).Capabilities().Durability; got != tt.want {
			t.Errorf("%+v, opened again: %v, want %v", tt.o, got, tt.want)
		}
	}
}
