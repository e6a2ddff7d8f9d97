package futurebench

import (
	"context"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

func errgroupSpawn(ctx context.Context) (v int, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { v, err = answer(ctx); return err })
	err = g.Wait()
	return v, err
}

func errgroupAll(ctx context.Context) ([]int, error) {
	g, ctx := errgroup.WithContext(ctx)
	vs := make([]int, 100)
	for i := range vs {
		g.Go(func() (err error) { vs[i], err = answer(ctx); return err })
	}
	return vs, g.Wait()
}

func singleflightSpawn(ctx context.Context, g *singleflight.Group) (r singleflight.Result) {
	select {
	case r = <-g.DoChan("key", func() (any, error) { return answer(ctx) }):
	case <-ctx.Done():
	}
	return r
}

func singleflightDo(ctx context.Context, g *singleflight.Group) (any, error) {
	v, err, _ := g.Do("key", func() (any, error) { return answer(ctx) })
	return v, err
}
