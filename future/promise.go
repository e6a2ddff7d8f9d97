package future

// A Promise is the write end of an answer: whoever holds it settles the future
// that [Promise.Future] shows. It is for those who learn the answer from
// somewhere: a callback, a message, a signal. Where there is a function to run,
// Go and Lift are simpler.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Closing: there is none. A promise that nobody settles stays pending; see
// "Debugging" in the package comment for how to find it.
//
// Zero value: pending and ready, also as a field of another struct. A Promise
// must not be copied.
type Promise[T any] struct {
	f Future[T]
}

// Future returns the read end: a view of the promise, not an allocation.
func (p *Promise[T]) Future() *Future[T] {
	if debugging.pending {
		return watch(p)
	}
	return &p.f
}

// Resolve settles the future with v. It reports true for the one call, of all
// to Resolve, Reject and Settle, that decided the outcome.
func (p *Promise[T]) Resolve(v T) bool { return p.f.settle(v, nil) }

// Reject settles the future with err, as Resolve does with a value. A nil err
// is replaced by an error that says so.
func (p *Promise[T]) Reject(err error) bool {
	if err == nil {
		err = errNoReason
	}
	return p.f.reject(err)
}

// Settle settles the future with what a call returned: p.Settle(call()).
func (p *Promise[T]) Settle(v T, err error) bool { return p.f.settle(v, err) }
