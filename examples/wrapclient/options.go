package main

import (
	"context"
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// withOptions asks a client whose methods take options. For one ask there is
// CallOpts; under a policy, a closure fills in what is always the same, takes
// apart what is asked and answered, and says what the client's errors mean.
func withOptions(ctx context.Context, s *stage) error {
	once := future.CallOpts(ctx, s.archive.GetPage, &GetPageInput{Key: "dawn"}, InLanguage("el"))

	text := future.Lift(func(ctx context.Context, key string) (string, error) {
		out, err := s.archive.GetPage(ctx, &GetPageInput{Key: key}, InLanguage("is"))
		if err != nil {
			return "", meaning(err)
		}
		return out.Text, nil
	}, &future.Policy{
		Attempts: 3,
		Backoff:  antiphon.Exponential(10*time.Millisecond, 40*time.Millisecond),
	})
	often := text(ctx, "dusk-flaky-once")

	first, err := once.Await(ctx)
	if err != nil {
		return err
	}
	s.say("by CallOpts: %s", first.Text)
	second, err := often.Await(ctx)
	if err != nil {
		return err
	}
	n := s.shop.seen("/page/dusk-flaky-once").n
	s.say("by a closure under a policy: %s, asked for %d times", second, n)
	if n != 2 {
		return errors.New("want 2")
	}
	return nil
}

// meaning puts the archive's errors into the words that a policy understands. An
// error that it says nothing of is worth another attempt: see Policy.Retryable.
func meaning(err error) error {
	api := (*APIError)(nil)
	if !errors.As(err, &api) {
		return err
	}
	switch api.Code {
	case "ServiceUnavailable":
		return antiphon.Errorf(antiphon.CodeUnavailable, "%w", err)
	case "NoSuchKey":
		return antiphon.Errorf(antiphon.CodeNotFound, "%w", err)
	}
	return err
}
