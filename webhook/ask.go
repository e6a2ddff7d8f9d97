package webhook

import (
	"context"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/lifetime"
)

// Ask returns an Asker whose answers come by push: each ask expects an answer at in,
// and has send take the question, and the URL for the answer, to whoever answers.
//
//	prices := webhook.Ask[Item, Price](inbox, func(ctx context.Context, url string, item Item) error {
//		return shop.AskPrice(ctx, item, url)
//	})
//	price, err := prices(ctx, item).Await(ctx)
//
// The answer may come before send has returned. If send fails, the ask does, with that
// error; what send tries again has the same URL, and so is the same question. Otherwise
// an ask ends as a future of [Expect] does: it expires after the TTL of in, or at ctx's
// deadline if that is sooner. When ctx ends, so does the ask, with its cause; send's
// context ends, but whoever has the question does not learn of it.
//
// send runs on a goroutine of its own; its context ends with the time of the ask. A nil
// send is a mistake that every ask fails with.
func Ask[Q, R any](in *Inbox, send func(ctx context.Context, url string, q Q) error) future.Asker[Q, R] {
	return func(ctx context.Context, q Q) *future.Future[R] {
		ctx = background(ctx)
		ttl := in.opts.TTL
		if at, ok := ctx.Deadline(); ok && in.wrong == nil {
			ttl = max(min(ttl, at.Sub(in.opts.Clock.Now())), 1)
		}
		if send == nil {
			return future.Failed[R](errNilSend)
		}
		id, url, f, err := expect[R](ctx, in, ttl)
		if err != nil {
			return future.Failed[R](err)
		}
		go func() {
			ctx, cancel := lifetime.WithTimeout(ctx, in.opts.Clock, ttl, callback.ErrExpired)
			defer cancel()
			var returned bool
			defer func() {
				if !returned {
					_ = in.expected.Reject(id, caught(recover()))
				}
			}()
			err := send(ctx, url, q)
			returned = true
			if err != nil {
				_ = in.expected.Reject(id, err) // unless it is answered
			}
		}()
		return f
	}
}

var errNilSend = misuse("nil_send", "Ask needs a function that sends")
