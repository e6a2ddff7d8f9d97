package futurebench

import (
	"context"

	"github.com/failsafe-go/failsafe-go"
)

func failsafeStart(ctx context.Context) failsafe.ExecutionResult[int] {
	return failsafe.With[int]().WithContext(ctx).GetAsyncWithExecution(func(e failsafe.Execution[int]) (int, error) {
		return answer(e.Context())
	})
}

func failsafeSpawn(ctx context.Context) (int, error) { return failsafeStart(ctx).Get() }

func failsafeAll(ctx context.Context) []int {
	var fs [100]failsafe.ExecutionResult[int]
	for i := range fs {
		fs[i] = failsafeStart(ctx)
	}
	vs := make([]int, len(fs))
	for i, f := range fs {
		vs[i] = f.Result()
	}
	return vs
}
