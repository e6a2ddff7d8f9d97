package natsqueue_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// What jobs survive is read from the stream, and believed of the servers' disks.
func TestQ13_Durability(t *testing.T) {
	nc := dial(t, serve(t, t.TempDir()).ClientURL())
	for _, c := range []struct {
		o    natsqueue.Options
		want driver.Durability
	}{
		{natsqueue.Options{}, driver.ProcessKill},
		{natsqueue.Options{SyncAlways: true}, driver.PowerLoss},
		{natsqueue.Options{Storage: jetstream.MemoryStorage}, driver.None},
		{natsqueue.Options{Storage: jetstream.MemoryStorage, SyncAlways: true}, driver.None},
	} {
		c.o.Bucket = bucket()
		if got := open(t, nc, &c.o).Capabilities().Durability; got != c.want {
			t.Errorf("%+v: %v, want %v", c.o, got, c.want)
		}
		c.o.Storage = jetstream.FileStorage // it is as it was made, whatever is asked for later
		again := open(t, nc, &c.o).Capabilities().Durability
		if again != c.want {
			t.Errorf("%+v, opened again: %v, want %v", c.o, again, c.want)
		}
	}
}

// A bucket that another made has none of what a queue needs.
func TestQ13_ForeignBucket(t *testing.T) {
	js, err := jetstream.New(dial(t, serve(t, t.TempDir()).ClientURL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "foreign"}); err != nil {
		t.Fatal(err)
	}
	_, err = natsqueue.Open(context.Background(), js, &natsqueue.Options{Bucket: "foreign"})
	if antiphon.CodeOf(err) != antiphon.CodeFailedPrecondition {
		t.Errorf("a bucket that another made: %v", err)
	}
	for _, o := range []natsqueue.Options{{Bucket: "a.b"}, {Replicas: -1}, {Timeout: -1}} {
		if _, err := natsqueue.Open(context.Background(), js, &o); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A message that is no record harms nobody, and a Put of more than a batch holds is
// refused as a whole.
func TestQ9_ForeignRecordsAndLargePuts(t *testing.T) {
	nc := dial(t, serve(t, t.TempDir()).ClientURL())
	b := open(t, nc, &natsqueue.Options{Bucket: "b"})
	if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: "1"}}}); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"$KV.b.YXE.j.YXg", "$KV.b.YXE.u.YXg", "$KV.b.YXE.x", "$KV.b.YXE.j"} {
		if _, err := js.Publish(t.Context(), subject, []byte{1, 2, 255}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: 2, Lease: 1 << 40})
	if err != nil || len(got) != 1 || got[0].ID != "1" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: make([]driver.Envelope, 901)})
	if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || errors.Is(err, driver.ErrFull) {
		t.Errorf("901 jobs: %v", err)
	}
	if n, err := b.Stats(t.Context(), "q"); err != nil || n.Ready != 0 || n.Running != 1 {
		t.Errorf("%+v, %v", n, err)
	}
}
