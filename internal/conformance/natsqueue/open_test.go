package natsqueue_test

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// What jobs survive is read from the stream, and believed of the servers' disks.
func TestQ15_Stated(t *testing.T) {
	nc := dial(t, serve(t).URL())
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
func TestX5_WhatOpenRefuses(t *testing.T) {
	js, err := jetstream.New(dial(t, serve(t).URL()))
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
