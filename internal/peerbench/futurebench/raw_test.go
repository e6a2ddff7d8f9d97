package futurebench

import "context"

func answer(context.Context) (int, error) { return 42, nil }

func inc(i int) (int, error) { return i + 1, nil }

type result struct {
	v   int
	err error
}

func rawSpawn(ctx context.Context) <-chan result {
	ch := make(chan result, 1)
	go func() {
		v, err := answer(ctx)
		ch <- result{v, err}
	}()
	return ch
}

func rawSpawnSelect(ctx context.Context) (r result) {
	select {
	case r = <-rawSpawn(ctx):
	case <-ctx.Done():
	}
	return r
}

func rawAsk(next chan<- chan result) result {
	ch := make(chan result, 1)
	next <- ch
	return <-ch
}

func rawAskSelect(ctx context.Context, next chan<- chan result) (r result) {
	ch := make(chan result, 1)
	next <- ch
	select {
	case r = <-ch:
	case <-ctx.Done():
	}
	return r
}

func rawChain(ctx context.Context) result {
	r := <-rawSpawn(ctx)
	for range 3 {
		if r.err == nil {
			r.v, r.err = inc(r.v)
		}
	}
	return r
}

// rawStages is the chain with a goroutine for each stage.
func rawStages(ctx context.Context) result {
	ch := rawSpawn(ctx)
	for range 3 {
		in, out := ch, make(chan result, 1)
		go func() {
			r := <-in
			if r.err == nil {
				r.v, r.err = inc(r.v)
			}
			out <- r
		}()
		ch = out
	}
	return <-ch
}

func rawAll(ctx context.Context) []int {
	var chs [100]<-chan result
	for i := range chs {
		chs[i] = rawSpawn(ctx)
	}
	vs := make([]int, len(chs))
	for i, ch := range chs {
		vs[i] = (<-ch).v
	}
	return vs
}

// rawFirst leaves the losers to end by themselves.
func rawFirst(ctx context.Context) result {
	const n = 100
	ch := make(chan result, n)
	for range n {
		go func() {
			v, err := answer(ctx)
			ch <- result{v, err}
		}()
	}
	return <-ch
}

func rawCompleted(ctx context.Context) {
	const n = 1000
	type indexed struct {
		i int
		result
	}
	ch := make(chan indexed, n)
	for i := range n {
		go func() {
			v, err := answer(ctx)
			ch <- indexed{i, result{v, err}}
		}()
	}
	for range n {
		select {
		case <-ch:
		case <-ctx.Done():
		}
	}
}
