// Package queuetest checks backends of queues, and watches queues in tests.
//
// # Is this backend right?
//
// Whoever keeps jobs in a store of their own tells [TestBackend] how to open it, and
// what can be done to it:
//
//	func TestBackend(t *testing.T) {
//		queuetest.TestBackend(t, queuetest.Store{
//			Open: func(tb testing.TB) driver.Backend {
//				b, err := sqlitequeue.Open(filepath.Join(tb.TempDir(), "jobs.db"), nil)
//				if err != nil {
//					tb.Fatal(err)
//				}
//				return b
//			},
//		})
//	}
//
// Every rule is a subtest of its own and says, when it is broken, why it is a rule.
// They are the sentences of package driver. What a backend lacks, by its
// driver.Capabilities or by an interface that it does not have, is not checked, and
// the log says so.
//
// The last rule is a soak: workers that are slow, crash and lose answers do what they
// like for as many seeds as there is time for, and whatever the backend said is held
// against a model of a leased queue. [Soak] does that alone.
//
// [TestProcesses] opens a store in several processes, and kills them.
//
// [BenchmarkBackend] measures what a job costs.
//
// # What did this queue do?
//
// A [Recorder] stands between a queue and its backend, and keeps a list of what
// happened, for the tests of programs that use queues.
//
// The package imports only the standard library and what it tests.
package queuetest
