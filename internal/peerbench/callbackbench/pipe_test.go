package callbackbench

import "testing"

// A question and its answer in memory, so many at once.
func BenchmarkPipeAsk1(b *testing.B)   { pipeAsk(b, 1) }
func BenchmarkPipeAsk64(b *testing.B)  { pipeAsk(b, 64) }
func BenchmarkPipeAsk512(b *testing.B) { pipeAsk(b, 512) }

func pipeAsk(b *testing.B, flight int) {
	asks(b, flight, "raw", rawHops)
	asks(b, flight, "raw with select", rawHopsSelect)
	asks(b, flight, "raw, numbers and timers", rawClient)
	asks(b, flight, "antiphon", ourPipe)
	asks(b, flight, "antiphon, ctx that cannot end", ourPipeForever)
	asks(b, flight, "antiphon, JSON", ourPipeJSON)
	asks(b, flight, "jrpc2", jrpc2Direct)
	asks(b, flight, "watermill", watermillShared)
	asks(b, flight, "watermill, a topic an ask", watermillOwn)
}

// What waits for an answer, at the asker's end.
func BenchmarkPendingAsk(b *testing.B) {
	weigh(b, "raw", million, rawPending)
	weigh(b, "raw, a goroutine each", 100_000, rawPendingGoroutines)
	weigh(b, "antiphon", million, ourPendingCancellable)
	weigh(b, "antiphon, ctx that cannot end", million, ourPending)
	weigh(b, "jrpc2", 100_000, jrpc2Pending)
	weigh(b, "sourcegraph/jsonrpc2", 100_000, jsonrpc2Pending)
	weigh(b, "watermill", 10_000, watermillPending)
}
