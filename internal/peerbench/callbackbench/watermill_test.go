package callbackbench

import (
	"context"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/components/cqrs"
	"github.com/ThreeDotsLabs/watermill/components/requestreply"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
)

// watermillShared has one topic for all answers, as its own tests do: every asker
// gets them all, and picks its own.
func watermillShared(t testing.TB) asker {
	return watermillAsker(t, func(requestreply.OperationID) string { return "answers" })
}

// watermillOwn has a topic for each answer, which is subscribed to for the ask.
func watermillOwn(t testing.TB) asker {
	return watermillAsker(t, func(id requestreply.OperationID) string { return "answer." + string(id) })
}

type watermillEnds struct {
	pubsub  *gochannel.GoChannel
	bus     *cqrs.CommandBus
	backend *requestreply.PubSubBackend[echo]
}

func watermillOpen(t testing.TB, topic func(requestreply.OperationID) string) (w watermillEnds) {
	w.pubsub = gochannel.NewGoChannel(gochannel.Config{}, watermill.NopLogger{})
	var err error
	w.backend, err = requestreply.NewPubSubBackend(requestreply.PubSubBackendConfig{
		Publisher: w.pubsub,
		SubscriberConstructor: func(requestreply.PubSubBackendSubscribeParams) (message.Subscriber, error) {
			return w.pubsub, nil
		},
		GenerateSubscribeTopic: func(p requestreply.PubSubBackendSubscribeParams) (string, error) {
			return topic(p.OperationID), nil
		},
		GeneratePublishTopic: func(p requestreply.PubSubBackendPublishParams) (string, error) {
			return topic(p.OperationID), nil
		},
		AckCommandErrors: true,
	}, requestreply.BackendPubsubJSONMarshaler[echo]{})
	if err != nil {
		t.Fatal(err)
	}
	w.bus, err = cqrs.NewCommandBusWithConfig(w.pubsub, cqrs.CommandBusConfig{
		GeneratePublishTopic: func(cqrs.CommandBusGeneratePublishTopicParams) (string, error) { return "commands", nil },
		Marshaler:            cqrs.JSONMarshaler{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func watermillAsker(t testing.TB, topic func(requestreply.OperationID) string) asker {
	w := watermillOpen(t, topic)
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	processor, err := cqrs.NewCommandProcessorWithConfig(router, cqrs.CommandProcessorConfig{
		GenerateSubscribeTopic: func(cqrs.CommandProcessorGenerateSubscribeTopicParams) (string, error) {
			return "commands", nil
		},
		SubscriberConstructor: func(cqrs.CommandProcessorSubscriberConstructorParams) (message.Subscriber, error) {
			return w.pubsub, nil
		},
		Marshaler: cqrs.JSONMarshaler{},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = processor.AddHandlers(requestreply.NewCommandHandlerWithResult("echo", w.backend,
		func(_ context.Context, q *echo) (echo, error) { return *q, nil }))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- router.Run(context.Background()) }()
	<-router.Running()
	t.Cleanup(func() {
		_ = router.Close()
		<-ended
		_ = w.pubsub.Close()
	})
	return func(ctx context.Context, n int) error {
		q := question(n)
		r, err := requestreply.SendWithReply[echo](ctx, w.bus, w.backend, &q)
		if err == nil {
			err = r.Error
		}
		return wrong(n, r.HandlerResult, err)
	}
}

// Nobody serves the command: it is dropped, and the asker waits.
func watermillPending(t testing.TB) (func([]<-chan requestreply.Reply[echo]), func()) {
	w := watermillOpen(t, func(requestreply.OperationID) string { return "answers" })
	ctx, cancel := context.WithCancel(context.Background())
	return func(held []<-chan requestreply.Reply[echo]) {
			for i := range held {
				q := question(i)
				var err error
				if held[i], _, err = requestreply.SendWithReplies[echo](ctx, w.bus, w.backend, &q); err != nil {
					t.Fatal(err)
				}
			}
		}, func() {
			cancel()
			_ = w.pubsub.Close()
		}
}
