package futurebench

import (
	"context"

	"github.com/samber/mo"
)

func moStart(ctx context.Context) *mo.Future[int] {
	return mo.NewFuture(func(resolve func(int), reject func(error)) {
		if v, err := answer(ctx); err != nil {
			reject(err)
		} else {
			resolve(v)
		}
	})
}

func moSpawn(ctx context.Context) (int, error) { return moStart(ctx).Collect() }

func moAsk(next chan<- func(int)) (int, error) {
	return mo.NewFuture(func(resolve func(int), _ func(error)) { next <- resolve }).Collect()
}

func moChain(ctx context.Context) (int, error) {
	return moStart(ctx).Then(inc).Then(inc).Then(inc).Collect()
}

func moAll(ctx context.Context) []int {
	var fs [100]*mo.Future[int]
	for i := range fs {
		fs[i] = moStart(ctx)
	}
	vs := make([]int, len(fs))
	for i, f := range fs {
		vs[i], _ = f.Collect()
	}
	return vs
}

// A pending future and what settles it: a promise.
type pending struct {
	f       *mo.Future[int]
	resolve func(int)
}

func moPromise() pending {
	handed := make(chan func(int), 1)
	f := mo.NewFuture(func(resolve func(int), _ func(error)) { handed <- resolve })
	return pending{f, <-handed}
}
