package futurebench

import (
	"context"

	"github.com/alitto/pond/v2"
)

func pondStart(ctx context.Context, workers pond.ResultPool[int]) pond.ResultTask[int] {
	return workers.SubmitErr(func() (int, error) { return answer(ctx) })
}

func pondSpawn(ctx context.Context, workers pond.ResultPool[int]) (int, error) {
	return pondStart(ctx, workers).Wait()
}

func pondAll(ctx context.Context, workers pond.ResultPool[int]) ([]int, error) {
	group := workers.NewGroupContext(ctx)
	for range 100 {
		group.SubmitErr(func() (int, error) { return answer(ctx) })
	}
	return group.Wait()
}
