package poller

import (
	"net/http"

	"github.com/antiphon-go/antiphon"
)

// cancel wishes an operation to end: POST operations/{id}:cancel. Saying so again, or
// about what has ended, changes nothing.
func (x *exchange) cancel() {
	if op, ok := x.look(); ok {
		x.cancelIt(&op)
	}
}

// cancelOrDelete is DELETE operations/{id}: what has ended is forgotten, and anything
// else is to end.
func (x *exchange) cancelOrDelete() {
	op, ok := x.look()
	if !ok {
		return
	}
	if !op.State.Terminal() {
		x.cancelIt(&op)
		return
	}
	if err := x.forget(); err != nil {
		x.refuse(err)
		return
	}
	x.w.Header()["Cache-Control"] = noStore
	x.write(http.StatusNoContent, nil, nil)
}

func (x *exchange) cancelIt(op *antiphon.Operation) {
	if op.State.Terminal() {
		x.status(http.StatusOK, op)
		return
	}
	now, err := x.s.ops.Cancel(x.r.Context(), x.id)
	if err := x.checked(x.id, &now, err); err != nil {
		x.refuse(err)
		return
	}
	if now.State.Terminal() {
		x.status(http.StatusOK, &now)
		return
	}
	x.accepted(&now)
}

// forget deletes an operation that has ended, and leaves a tombstone.
func (x *exchange) forget() error {
	err := x.s.ops.Delete(x.r.Context(), x.id)
	if code := antiphon.CodeOf(err); err != nil && code != antiphon.CodeNotFound { // another was faster
		if code == antiphon.CodeFailedPrecondition {
			return err
		}
		x.s.observe(x, antiphon.Event{Name: "poller.store_failed", ID: x.id, Err: err})
		return storeError(err)
	}
	x.s.tombs.remember(x.id, x.owner, x.s.clock.Now(), x.s.opts.Tombstone)
	return nil
}
