package future

import "context"

// First starts every way to the same answer and returns the first value, or the
// errors of all ways joined in order. Once it has decided, the context that the
// ways were given is cancelled with [ErrLost] as the cause: unlike [Any], First
// started what it races, so it also ends it. To await a push and poll for it
// as well:
//
//	future.First(ctx, expectPush, pollStatus)
//
// Ways are started in order, none after one that has its value at once. A nil
// way, or one that panics, counts as failed.
//
// In a [Scope], what the ways start are members, but their failures do not end it.
func First[T any](ctx context.Context, ways ...func(context.Context) *Future[T]) *Future[T] {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithCancelCause(rival(ctx))
	var returned bool
	defer func() {
		if !returned { // a way called runtime.Goexit: nobody will read the others
			cancel(ErrLost)
		}
	}()
	fs := make([]*Future[T], 0, len(ways))
	for _, way := range ways {
		f := begin(ctx, way)
		fs = append(fs, f)
		if r, ok := f.Peek(); ok && r.Err == nil {
			break
		}
	}
	out := Any(fs...)
	c := &canceller{cancel: cancel}
	if !out.link(&c.link, c) {
		cancel(ErrLost)
	}
	returned = true
	return out
}

// begin calls way, whose panic is its own failure.
func begin[T any](ctx context.Context, way func(context.Context) *Future[T]) (f *Future[T]) {
	if way == nil {
		return Failed[T](errNilFunc)
	}
	var returned bool
	defer func() {
		if !returned {
			f = Failed[T](caught(recover()))
		}
	}()
	f = way(ctx)
	returned = true
	if f == nil {
		f = Failed[T](errNilFuture)
	}
	return f
}

// A canceller ends what is not needed any more once a future has settled.
type canceller struct {
	link
	cancel context.CancelCauseFunc
}

func (c *canceller) settled(any) (*link, any) {
	c.cancel(ErrLost)
	return nil, nil
}
