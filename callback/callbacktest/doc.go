// Package callbacktest checks transports, and breaks them.
//
// # Is this transport right?
//
// Whoever carries callback's messages over a wire of their own tells [TestTransport]
// how to open it, and what can be done to it:
//
//	func TestTransport(t *testing.T) {
//		callbacktest.TestTransport(t, callbacktest.Wire{
//			Bubble: true,
//			Open: func(tb testing.TB) *callbacktest.Ends {
//				a, b := callback.Pipe(nil)
//				return &callbacktest.Ends{A: a, B: b, Cut: func() { _ = b.Close() }}
//			},
//		})
//	}
//
// Every rule is a subtest of its own and says, when it is broken, why it is a
// rule. Some are about the transport alone, the others about two peers that talk
// over it; the last is the law of the library, as futuretest checks it. What a wire
// lacks, by its Caps and by the hooks of [Ends], is not checked, and the log says
// so; what it says that it lacks has to fail with errors.ErrUnsupported.
//
// [BenchmarkTransport] measures what an ask, a part of a stream and an event cost
// over it.
//
// # Does this program bear a bad wire?
//
// [Faulty] makes any transport lose, double, delay, reorder and corrupt messages,
// and break, by the seed that it is given:
//
//	a, b := callback.Pipe(nil)
//	bad := callbacktest.Faulty(a, &callbacktest.FaultOptions{Seed: 1, Loss: 0.1})
//	p := callback.NewPeer(bad, nil)
//
// In a testing/synctest bubble that takes no time.
//
// The package imports only the standard library and what it tests.
package callbacktest
