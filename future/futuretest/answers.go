package futuretest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon/future"
)

func checkValue(t *trial) {
	ask := t.open(echo)
	for _, q := range []Query{
		{},
		{N: 1, Text: "plain"},
		{N: -1, Text: "minus"},
		{N: 1<<53 + 1, Text: "past what a float64 counts"},
		{N: 2, Text: "ἀντίφωνος · 応答 · \U0001F501 · \" \\ \n\t < & >"},
		{N: 3, Text: strings.Repeat("8 KiB ", 8<<10/6)},
	} {
		if got := t.answered(ask(t.Context(), q)); got != Answer(q) {
			t.Errorf("asked %.40q (%d), answered %.40q (%d)", q.Text, q.N, got.Text, got.N)
		}
	}
}

func checkNilContext(t *trial) {
	ask := t.open(echo)
	var none context.Context
	if a := t.answered(ask(none, Query{N: 7})); a.N != 7 {
		t.Errorf("asked 7, answered %d", a.N)
	}
}

func checkOwnAnswer(t *trial) {
	ask := t.open(func(ctx context.Context, q Query) (Answer, error) {
		wait := time.NewTimer(time.Duration(q.N*7919%13) * time.Millisecond)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		return Answer(q), nil
	})
	const n = 200
	fs := make([]*future.Future[Answer], n)
	for i := range fs {
		fs[i] = ask(t.Context(), Query{N: i})
	}
	for i, f := range fs {
		if got := t.answered(f); got.N != i {
			t.Fatalf("ask %d got the answer to ask %d", i, got.N)
		}
	}
}

func checkAskReturnsAtOnce(t *trial) {
	release := make(chan struct{})
	ask := t.open(func(_ context.Context, q Query) (Answer, error) {
		<-release
		return Answer(q), nil
	})
	asked := make(chan *future.Future[Answer], 1)
	returned := make(chan struct{})
	go func() {
		asked <- ask(t.Context(), Query{N: 7})
		close(returned)
	}()
	var once sync.Once
	free := func() { once.Do(func() { close(release) }) }
	defer free()
	t.Within("the Asker did not return while f was at work,", returned)
	free()
	if got := t.answered(<-asked); got.N != 7 {
		t.Errorf("got answer %d, want 7", got.N)
	}
}

func checkAnswerBeforeAwait(t *trial) {
	ask := t.open(echo)
	f := ask(t.Context(), Query{N: 1})
	t.Within("the answer did not come,", f.Done())
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := f.Await(over); err != nil || got.N != 1 {
		t.Errorf("Await after the answer, with a context that has ended: %v, %v", got, err)
	}
}

func checkSettlesOnce(t *trial) {
	ask := t.open(echo)
	var mu sync.Mutex
	seen := 0
	f := ask(t.Context(), Query{N: 1, Text: "first"})
	told := make(chan struct{})
	f.OnDone(func(r future.Result[Answer]) {
		mu.Lock()
		defer mu.Unlock()
		if seen++; seen == 1 {
			close(told)
		}
	})
	mapped := future.Map(f, func(a Answer) (Answer, error) { return a, nil })
	first := t.answered(f)
	t.Within("OnDone was not called", told)
	for i := range 50 { // what comes later must not touch it
		t.answered(ask(t.Context(), Query{N: i + 2, Text: "later"}))
		if r, ok := f.Peek(); !ok || r.Err != nil || r.Value != first {
			t.Fatalf("the outcome changed from %v to %v, %v", first, r.Value, r.Err)
		}
	}
	if got := t.answered(mapped); got != first {
		t.Errorf("a transform saw %v, Await %v", got, first)
	}
	mu.Lock()
	defer mu.Unlock()
	if seen != 1 {
		t.Errorf("the callback was called %d times", seen)
	}
}

func checkSlowHarmsNobody(t *trial) {
	release := make(chan struct{})
	ask := t.open(func(_ context.Context, q Query) (Answer, error) {
		if q.N == 0 {
			<-release
		}
		return Answer(q), nil
	})
	slow := ask(t.Context(), Query{N: 0})
	func() {
		defer close(release)
		for i := range 20 {
			if got := t.answered(ask(t.Context(), Query{N: i + 1})); got.N != i+1 {
				t.Errorf("ask %d got answer %d", i+1, got.N)
			}
		}
	}()
	t.answered(slow)
}

func checkCalls(t *trial) {
	ask := t.open(echo)
	const n = 100
	fs := make([]*future.Future[Answer], n)
	for i := range fs {
		fs[i] = ask(t.Context(), Query{N: i})
	}
	for _, f := range fs {
		t.answered(f)
	}
	for i := range n {
		switch calls := t.called(i); {
		case calls == 0:
			t.Errorf("ask %d was answered, but f was never called for it", i)
		case calls > 1 && t.way.ExactlyOnce:
			t.Errorf("f was called %d times for ask %d; this way promises exactly once", calls, i)
		}
	}
}
