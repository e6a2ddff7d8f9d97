// Package webhook verifies what is pushed to you, and pushes so that it arrives: both
// ends of an HTTP push that is signed.
//
// # Verify what is pushed
//
// A [Scheme] is how a push is signed: [Standard] (Standard Webhooks), [Stripe],
// [GitHub], [Slack], [MessageSignature] (RFC 9421) and others, or your own as an
// [HMACSpec]. A [Receiver] is an http.Handler that lets nothing unverified pass, and
// nothing twice:
//
//	var events webhook.Mux
//	webhook.On(&events, "invoice.*", func(ctx context.Context, inv Invoice, m webhook.Message) error {
//		return books.Enter(ctx, inv)
//	})
//	keys, err := webhook.ParseKeys(os.Getenv("WEBHOOK_SECRET"))
//	http.Handle("/hooks", webhook.NewReceiver(webhook.Standard(keys), events.Handle, nil))
//
// What takes longer than whoever pushes will wait goes into a queue first: the handler
// is [Enqueue] of the queue, and [Work] of the real handler is its work.
//
// # Settle a future by a push
//
// An [Inbox] gives out URLs that are good for one answer: expect before you ask, hand
// the URL over, and go on working.
//
//	url, paid, err := webhook.Expect[Receipt](inbox, time.Hour)
//	...                              // whoever learns of it posts it there
//	receipt, err := paid.Await(ctx)
//
// # Push
//
// A [Sender] signs, sends, tries again for days by a [Schedule], keeps endpoints apart
// so that one that hangs delays no other, and keeps what it could not deliver. With a
// queue that is stored, nothing accepted is lost. [Egress] keeps it, and any client of
// yours, from connecting to where it must not.
//
//	sender, err := webhook.NewSender(&webhook.SenderOptions{Queue: deliveries})
//	err = sender.Add(webhook.Endpoint{ID: "m1", URL: "https://shop.example/hooks", Signer: webhook.Standard(keys)})
//	go sender.Run(ctx)
//	err = sender.Send(ctx, webhook.Message{Type: "order.paid", Body: order})
//
// How the jobs of a queue end is pushed to whoever asked, at the URL of an Inbox, say, by
// queue.Options{Ending: webhook.Push(sender)}; see [PushTo].
//
// # What is promised
//
// The receiver:
//
//   - W1 No byte of a body that is not verified reaches user code.
//   - W2 Verification covers the bytes as they came, before anything is parsed.
//   - W3 Empty and short secrets, and none at all, are errors at construction.
//   - W4 Timestamps outside the tolerance either way, and those that are missing,
//     repeated, signed, padded or too large, are refused.
//   - W5 A message reaches the handler once within the window in which it is remembered.
//   - W6 Codes are compared in constant time, at equal length; a prefix never matches.
//   - W7 A body over the limit is 413, in bounded memory.
//   - W8 Answers do not say which check failed; secrets and bodies never appear in errors
//     or logs.
//   - W9 A handler's error asks for another delivery; neither it nor a panic marks the
//     message as seen.
//
// The sender:
//
//   - S1 No connection is attempted to a forbidden address: not by a literal, its
//     spelling, Unicode, DNS, rebinding, a redirect, mixed answers, a retry or a proxy.
//   - S2 Redirects are not followed.
//   - S3 There is no proxy from the environment, and a client of yours cannot silently
//     drop the guard.
//   - S4 Every attempt has the same id and body, and a timestamp and signature of its own.
//   - S5 Attempts are bounded and jittered, and Retry-After is honoured up to a limit.
//   - S6 The answer is read up to a limit, and never trusted.
//   - S7 A slow endpoint never delays another.
//   - S8 URLs with user information are refused, and URLs are logged without their query.
//
// # What it costs
//
// A message that is remembered takes 250 bytes in memory, and an answer that an [Inbox]
// waits for about 300; MemorySeenOptions.Max and InboxOptions.MaxPending bound how many.
// A handler has a goroutine, up to ReceiverOptions.MaxRunning, and so has an attempt, up
// to SenderOptions.Concurrency. What is to be delivered is in the sender's queue, up to
// SenderOptions.Capacity.
//
// # What to mind
//
// Messages come in any order, and again when the window is over in which they are
// remembered: handlers should bear both. Who has a URL of an Inbox may answer: it is a
// secret.
//
// The Type chooses endpoints. Most schemes do not carry it, so the body should say it
// too, as its member type, where a [Mux] looks for it.
//
// A message takes the trace of its sending along, to whoever gets it, unless
// Endpoint.Untraced is set.
//
// A nil context counts as context.Background().
//
// # What is told
//
// Observers get these events. Kind is the endpoint, ID the message's.
//
//	webhook.rejected        a push was refused, for the reason Err
//	webhook.received        a message was handled, and took Duration; Err if that failed
//	webhook.duplicate       a message came again, and was not handled again
//	webhook.unhandled       nobody handles messages of this type
//	webhook.discarded       a handler gave a message up because of Err
//	webhook.orphan          an answer came to a URL that nobody waits at, for the reason Err
//	webhook.attempt         a delivery was tried and took Duration; Err if it failed
//	webhook.delivered       a message arrived, Duration after it was accepted
//	webhook.dead            a message was given up because of Err
//	webhook.disabled        an endpoint gets nothing any more, because of Err
//	webhook.broken          an endpoint is left alone for Duration, because of Err
//	webhook.store_failed    the store of deliveries or of seen messages failed with Err
//
// # In tests
//
// Everything in memory works in a testing/synctest bubble, in virtual time. Package
// webhooktest signs, tampers and replays, and has a receiver that behaves as a script
// says.
package webhook
