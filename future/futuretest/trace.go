package futuretest

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func checkTrace(t *trial) {
	var mu sync.Mutex
	got := make(map[int]map[string]string)
	ask := t.open(func(ctx context.Context, q Query) (Answer, error) {
		mu.Lock()
		got[q.N] = antiphon.TraceFrom(ctx)
		mu.Unlock()
		return Answer(q), nil
	})
	const n = 10
	fs := make([]*future.Future[Answer], n)
	for i := range fs {
		ctx := t.Context()
		if trace := traceOf(i); trace != nil {
			ctx = antiphon.WithTrace(ctx, trace)
		}
		fs[i] = ask(ctx, Query{N: i})
	}
	for _, f := range fs {
		t.answered(f)
	}
	mu.Lock()
	defer mu.Unlock()
	for i := range n {
		if want := traceOf(i); !maps.Equal(got[i], want) {
			t.Errorf("ask %d with the trace %v reached f with %v", i, want, got[i])
		}
	}
}

// traceOf is what ask i takes along: nothing, or a trace of its own, some with state.
func traceOf(i int) map[string]string {
	if i%3 == 0 {
		return nil
	}
	trace := map[string]string{"traceparent": fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-%016x-01", i)}
	if i%3 == 1 {
		trace["tracestate"] = fmt.Sprintf("rojo=%016x,congo=t61rcWkgMzE", i)
	}
	return trace
}
