package future

// Map returns a future of what fn makes of f's value. An error of f passes by
// fn. fn runs at most once, on the goroutine that settles f or, if f has
// settled, on the caller's: it is for pure transforms and must not block. A
// panic in it becomes a [*PanicError].
//
// The result hangs on f until f settles, also if nobody holds it any more: do
// not hang transforms on a long-lived future in a loop. A nil f or fn gives a
// future that has failed.
func Map[T, U any](f *Future[T], fn func(T) (U, error)) *Future[U] {
	switch {
	case f == nil:
		return Failed[U](errNilFuture)
	case fn == nil:
		return Failed[U](errNilFunc)
	}
	m := &mapped[T, U]{fn: fn}
	if !f.link(&m.link, m) {
		m.settled(f)
	}
	return &m.out
}

type mapped[T, U any] struct {
	link
	out Future[U]
	fn  func(T) (U, error)
}

func (m *mapped[T, U]) settled(src any) (ring *link, of any) {
	f, fn := src.(*Future[T]), m.fn
	m.fn = nil
	if f.err != nil {
		var zero U
		ring, _ = m.out.publish(zero, f.err)
		return ring, &m.out
	}
	var returned bool
	defer func() {
		if !returned {
			ring, of = m.out.fell(recover())
		}
	}()
	v, err := fn(f.val)
	returned = true
	ring, _ = m.out.publish(v, err)
	return ring, &m.out
}

// Recover returns a future of f's value or, if f fails, of what fn makes of the
// error: a value, or another error. fn runs as that of [Map] does.
func Recover[T any](f *Future[T], fn func(error) (T, error)) *Future[T] {
	switch {
	case f == nil:
		return Failed[T](errNilFuture)
	case fn == nil:
		return Failed[T](errNilFunc)
	}
	r := &recovered[T]{fn: fn}
	if !f.link(&r.link, r) {
		r.settled(f)
	}
	return &r.out
}

type recovered[T any] struct {
	link
	out Future[T]
	fn  func(error) (T, error)
}

func (r *recovered[T]) settled(src any) (ring *link, of any) {
	f, fn := src.(*Future[T]), r.fn
	r.fn = nil
	if f.err == nil {
		ring, _ = r.out.publish(f.val, nil)
		return ring, &r.out
	}
	var returned bool
	defer func() {
		if !returned {
			ring, of = r.out.fell(recover())
		}
	}()
	v, err := fn(f.err)
	returned = true
	ring, _ = r.out.publish(v, err)
	return ring, &r.out
}

// Then returns the outcome of a second ask that depends on the first: of the
// future that fn returns for f's value. An error of f passes by fn. fn runs as
// that of [Map] does: it starts the second ask, and does not wait for it. A nil
// future from fn is a failure.
func Then[T, U any](f *Future[T], fn func(T) *Future[U]) *Future[U] {
	switch {
	case f == nil:
		return Failed[U](errNilFuture)
	case fn == nil:
		return Failed[U](errNilFunc)
	}
	t := &then[T, U]{fn: fn}
	if !f.link(&t.link, t) {
		t.settled(f)
	}
	return &t.second.out
}

type then[T, U any] struct {
	link
	fn     func(T) *Future[U]
	second follower[U]
}

// A follower settles as the future that it hangs on does.
type follower[U any] struct {
	link
	out Future[U]
}

func (t *then[T, U]) settled(src any) (ring *link, of any) {
	f, fn := src.(*Future[T]), t.fn
	t.fn = nil
	out := &t.second.out
	if f.err != nil {
		var zero U
		ring, _ = out.publish(zero, f.err)
		return ring, out
	}
	var returned bool
	defer func() {
		if !returned {
			ring, of = out.fell(recover())
		}
	}()
	second := fn(f.val)
	returned = true
	switch {
	case second == nil:
		second = Failed[U](errNilFuture)
	case second.link(&t.second.link, &t.second):
		return nil, nil
	}
	return t.second.settled(second)
}

func (t *follower[U]) settled(src any) (ring *link, of any) {
	f := src.(*Future[U])
	ring, _ = t.out.publish(f.val, f.err)
	return ring, &t.out
}

// fell publishes that the transform that f is of did not return; v is what
// recover gave. After a panic, settled returns what fell does. After a Goexit
// it does not return, and a goroutine of its own notifies: transforms that fall
// one after another must not nest.
func (f *Future[T]) fell(v any) (ring *link, of any) {
	var zero T
	ring, _ = f.publish(zero, caught(v))
	if v == nil && ring != nil {
		go notify(ring, f)
		return nil, nil
	}
	return ring, f
}
