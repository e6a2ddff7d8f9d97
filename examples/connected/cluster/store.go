package main

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// servers are NATS servers of which three keep each job. The connection goes to another
// of them when the one it has is gone.
func servers(ctx context.Context, urls string) (driver.Backend, func(), error) {
	nc, err := nats.Connect(urls, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	b, err := natsqueue.Open(ctx, js, &natsqueue.Options{Replicas: 3})
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return b, func() { _ = b.Close(); nc.Close() }, nil
}
