// Package pollertest is for tests of what polls and of what is polled.
//
// # A network in memory
//
// [Serve] is as httptest.NewServer, but its connections are pipes in memory: it works
// in a testing/synctest bubble, where an hour of polling takes no time.
//
//	synctest.Test(t, func(t *testing.T) {
//		n := pollertest.Serve(handler)
//		defer n.Close()
//		ask := poller.Dial[Query, Report](n.URL, &poller.HTTPOptions{Client: n.Client()})
//		...
//	})
//
// A [Network] refuses connections, cuts them at any byte, and goes silent, as a [Fault]
// says.
//
// # A server that behaves as it is told
//
// A [Script] plays the server of a long-running operation, in each of the ways in which
// there are such, as badly as is needed:
//
//	s := &pollertest.Script{
//		Style:   pollertest.Azure,
//		Monitor: []pollertest.Step{{Status: 503}, {State: antiphon.StateRunning}, {Cut: true}, {State: antiphon.StateSucceeded}},
//		Value:   Report{Pages: 3},
//	}
//	n := pollertest.Serve(s)
//
// It remembers what it was asked, and when.
//
// # Are these Operations right?
//
// Whoever keeps operations of their own for a poller.Server tells [TestOperations] how
// to open them. Every rule is a subtest, and says why it is one when it is broken.
//
// The package imports only the standard library, the root package, future, and what it
// tests.
package pollertest
