package futurebench

import (
	"context"

	"github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"
)

func concSpawn(ctx context.Context) ([]int, error) {
	p := pool.NewWithResults[int]().WithContext(ctx)
	p.Go(answer)
	return p.Wait()
}

func concAll(ctx context.Context) ([]int, error) {
	p := pool.NewWithResults[int]().WithContext(ctx)
	for range 100 {
		p.Go(answer)
	}
	return p.Wait()
}

func concStream(ctx context.Context) []int {
	s := stream.New()
	vs := make([]int, 0, 100)
	for range 100 {
		s.Go(func() stream.Callback {
			v, _ := answer(ctx)
			return func() { vs = append(vs, v) }
		})
	}
	s.Wait()
	return vs
}
