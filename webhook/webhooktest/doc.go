// Package webhooktest is for tests of what verifies, receives and sends pushes.
//
// # Sign and tamper
//
// [Sign] makes a genuine push with the Signer of any scheme; [Tampers] are the ways to
// spoil it, each with a name. Whatever an application does with a push that was tampered
// with, it must not handle it:
//
//	p := webhooktest.Sign(t, webhook.Stripe(keys), "https://example.com/hooks", message)
//	for _, w := range webhooktest.Tampers() {
//		if q := w.Do(p); q != nil {
//			handler.ServeHTTP(recorder, q.HTTP()) // 4xx
//		}
//	}
//
// HTTP makes a new request each time: call it again to replay.
//
// # Is this scheme right?
//
// Whoever has a Verifier and a Signer of their own runs [TestScheme] on them. Every rule
// is a subtest, and says why it is one when it is broken.
//
// The package imports only the standard library, the root package, future, and what it
// tests.
package webhooktest
