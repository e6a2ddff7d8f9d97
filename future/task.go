package future

import "context"

// Go runs fn on a goroutine of its own and returns its outcome to be. fn gets
// ctx itself, not a derived one; it is for fn to heed it. A panic in fn becomes
// a [*PanicError], runtime.Goexit becomes [ErrGoexit].
//
// In a [Scope] (ctx is the scope or derives from it) fn is a member of the
// scope: it may have to wait for a slot, its failure ends the scope, and it is
// not started any more once the scope has ended ([ErrNotStarted]).
//
// A nil ctx counts as context.Background(); a nil fn gives a future that has
// failed.
func Go[T any](ctx context.Context, fn func(context.Context) (T, error)) *Future[T] {
	if fn == nil {
		return Failed[T](errNilFunc)
	}
	if ctx == nil {
		ctx = context.Background()
	}
	t := &task[T]{ctx: ctx, fn: fn}
	t.f.park = &t.park
	if debugging.pending {
		track(&t.f)
	}
	if s := scopeOf(ctx); s != nil {
		t.scope, t.ctx = s, s.memberContext(ctx)
		s.start(t)
	} else {
		go t.run()
	}
	return &t.f
}

// A task is one function on its goroutine, and its future.
type task[T any] struct {
	f     Future[T]
	park  parking // for f
	ctx   context.Context
	fn    func(context.Context) (T, error)
	scope *Scope
}

func (t *task[T]) run() {
	var returned bool
	defer func() {
		if !returned {
			var zero T
			t.finish(zero, caught(recover()))
		}
	}()
	v, err := t.fn(t.ctx)
	returned = true
	t.finish(v, err)
}

// finish settles the future, which from then on holds nothing but its outcome.
func (t *task[T]) finish(v T, err error) {
	s, ctx := t.scope, t.ctx
	t.ctx, t.fn, t.scope = nil, nil, nil
	if s == nil {
		t.f.settle(v, err)
		return
	}
	if err != nil {
		s.failed(ctx, err)
	}
	defer s.leave() // also if a transform calls runtime.Goexit
	t.f.settle(v, err)
	t.f.seen() // by Run
}

// refuse settles the future of a task that is not to be started.
func (t *task[T]) refuse(err error) {
	t.ctx, t.fn, t.scope = nil, nil, nil
	t.f.reject(err)
}
