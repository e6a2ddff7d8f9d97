package futurebench

import (
	"context"

	"github.com/antiphon-go/antiphon/future"
)

func ourSpawn(ctx context.Context) (int, error) { return future.Go(ctx, answer).Await(ctx) }

func ourAsk(ctx context.Context, next chan<- *future.Promise[int]) (int, error) {
	p := new(future.Promise[int])
	next <- p
	return p.Future().Await(ctx)
}

func ourChain(ctx context.Context) (int, error) {
	return future.Map(future.Map(future.Map(future.Go(ctx, answer), inc), inc), inc).Await(ctx)
}

func ourAll(ctx context.Context) ([]int, error) {
	var fs [100]*future.Future[int]
	for i := range fs {
		fs[i] = future.Go(ctx, answer)
	}
	return future.All(fs[:]...).Await(ctx)
}

func ourParallel(ctx context.Context, qs []int) ([]int, error) {
	return future.Parallel(ctx, 2, qs, func(ctx context.Context, _ int) (int, error) { return answer(ctx) })
}

func ourFirst(ctx context.Context) (int, error) {
	var fs [100]*future.Future[int]
	for i := range fs {
		fs[i] = future.Go(ctx, answer)
	}
	return future.Any(fs[:]...).Await(ctx)
}

func ourCompleted(ctx context.Context) {
	var fs [1000]*future.Future[int]
	for i := range fs {
		fs[i] = future.Go(ctx, answer)
	}
	for range future.AsCompleted(ctx, fs[:]...) {
	}
}
