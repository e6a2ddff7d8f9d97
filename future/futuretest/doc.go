// Package futuretest checks that a way from a question to its answer keeps the
// law of the library:
//
//	Dial(Serve(f)) behaves as Lift(f): the same value; an error of the same
//	code and class; cancelling the asker's context reaches f's context; f's
//	deadline is no later than the asker's; f is called at least once (exactly
//	once where the way promises it); the future settles exactly once, and never
//	later than the deadline, even when the answerer crashes, a message is lost,
//	doubled, delayed or reordered, the connection drops, or the answer comes
//	before the asker waits.
//
// # Is this way right?
//
// Whoever builds a way (a transport, a driver, a wrapper of one) tells
// [TestAsker] how to open it and what it promises:
//
//	func TestLaw(t *testing.T) {
//		futuretest.TestAsker(t, futuretest.Way{
//			Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
//				a, b := callback.Pipe(nil)
//				...
//				return callback.Dial[futuretest.Query, futuretest.Answer](peer, "law", nil)
//			},
//		})
//	}
//
// Every rule is a subtest of its own and says, when it is broken, why it is a
// rule. Loss, reordering and crashes are the caller's to bring about: open the
// way over something that loses, reorders and crashes.
//
// The suite imports only the standard library and what it tests.
package futuretest
