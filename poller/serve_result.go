package poller

import (
	"math"
	"net/http"

	"github.com/antiphon-go/antiphon"
)

// result answers with the result of an operation, or that there is none yet: GET
// operations/{id}/result.
func (x *exchange) result() {
	op, ok := x.look()
	if !ok {
		return
	}
	if x.r.Header["Prefer"] != nil {
		x.wait(&op, math.MaxInt64)
	}
	if op.State.Terminal() {
		x.outcome(&op, false)
		return
	}
	x.accepted(&op)
}

// outcome answers with how op ended. Inline it is the answer to the request that started
// it.
func (x *exchange) outcome(op *antiphon.Operation, inline bool) {
	h := x.w.Header()
	h["Operation-Id"] = []string{op.ID}
	h["Cache-Control"] = noStore
	if !inline {
		h["Cache-Control"] = revalidated
		h["Etag"] = []string{tag(op.Version)}
	}
	switch {
	case op.State != antiphon.StateSucceeded:
		status := http.StatusUnprocessableEntity
		if op.State == antiphon.StateCanceled {
			status = http.StatusConflict
		}
		// This tells a request that was done, and ended badly, from one that was refused.
		h["Operation-Location"] = []string{x.at(op.ID)}
		x.problem(&refusal{status: status, err: failureOf(op)})
	case op.Location != "":
		h["Location"] = []string{op.Location}
		x.write(http.StatusSeeOther, nil, nil)
	case len(op.Result) == 0:
		x.write(http.StatusNoContent, nil, nil)
	case !inline && x.matches(op.Version):
		x.write(http.StatusNotModified, nil, nil)
	case op.ContentType != "":
		x.write(http.StatusOK, []string{op.ContentType}, op.Result)
	default:
		x.write(http.StatusOK, jsonType, op.Result)
	}
}
