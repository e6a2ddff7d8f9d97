package poller

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
	"github.com/antiphon-go/antiphon/internal/trace"
)

// show answers with the status of an operation: GET operations/{id}.
func (x *exchange) show() {
	if x.wantsEvents() {
		x.events()
		return
	}
	op, ok := x.look()
	if !ok {
		return
	}
	if x.r.Header["Prefer"] != nil {
		x.longPoll(&op)
	}
	if x.matches(op.Version) {
		x.tell(&op)
		x.write(http.StatusNotModified, nil, nil)
		return
	}
	x.status(http.StatusOK, &op)
}

// look gets the operation of the path, if who asks may see it. It reports false if the
// request is answered.
func (x *exchange) look() (antiphon.Operation, bool) {
	op, err := x.get(x.id)
	if err != nil {
		x.refuse(err)
		return op, false
	}
	return op, true
}

func (x *exchange) get(id string) (antiphon.Operation, error) {
	op, err := x.s.ops.Get(x.r.Context(), id)
	return op, x.checked(id, &op, err)
}

// checked is the error about an operation that was got, as who asks may know it.
func (x *exchange) checked(id string, op *antiphon.Operation, err error) error {
	switch {
	case antiphon.CodeOf(err) == antiphon.CodeNotFound:
		if x.s.tombs.had(id, x.owner, x.s.clock.Now()) {
			return errGone
		}
		return errUnknown
	case err != nil:
		x.s.observe(x, antiphon.Event{Name: "poller.store_failed", ID: id, Err: err})
		return storeError(err)
	case !x.mine(op):
		return errUnknown
	}
	x.remember(op)
	return nil
}

// storeError is the failure of a look: it says nothing about the operation.
func storeError(err error) error {
	r := *refusalOf(err)
	if r.status < 500 {
		r.status = http.StatusServiceUnavailable
	}
	return &r
}

func (x *exchange) remember(op *antiphon.Operation) {
	x.s.tombs.remember(op.ID, x.owner, op.Expires, x.s.opts.Tombstone)
}

// observe tells of an event of a request.
func (s *Server) observe(x *exchange, e antiphon.Event) {
	if s.opts.Observer == nil {
		return
	}
	if e.Context = trace.In(x.r.Context(), x.r.Header); e.Kind == "" {
		e.Kind = s.opts.Name
	}
	s.opts.Observer.Emit(e)
}

// longPoll holds the request until there is another version than the client has, or than
// there is.
func (x *exchange) longPoll(op *antiphon.Operation) {
	if x.r.Header["If-None-Match"] == nil || x.matches(op.Version) {
		x.wait(op, op.Version)
	} else {
		x.wait(op, 0)
	}
}

// wait holds the request, as it prefers, until there is a version greater than after.
func (x *exchange) wait(op *antiphon.Operation, after int64) {
	p := preferencesOf(x.r.Header)
	if !p.waits || x.r.Method == http.MethodHead {
		return
	}
	d, applied := x.waiting(p)
	if d > 0 && !op.State.Terminal() && op.Version <= after && !x.hold(op, after, d) {
		return
	}
	x.w.Header()["Preference-Applied"] = []string{applied}
}

// matches reports whether the client has this version.
func (x *exchange) matches(version int64) bool {
	for _, line := range x.r.Header["If-None-Match"] {
		for len(line) > 0 {
			var one string
			one, line = cutListed(line)
			one = strings.TrimPrefix(strings.Trim(one, " \t"), "W/")
			if one == "*" || one == tag(version) {
				return true
			}
		}
	}
	return false
}

func tag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// tell writes the headers of a status.
func (x *exchange) tell(op *antiphon.Operation) {
	h := x.w.Header()
	h["Etag"] = []string{tag(op.Version)}
	if op.State.Terminal() {
		h["Cache-Control"] = revalidated
		h["Vary"] = append(h["Vary"], "Accept")
		return
	}
	h["Cache-Control"] = noStore
	x.advise(x.s.pace(op))
}

// status writes the status of op.
func (x *exchange) status(code int, op *antiphon.Operation) {
	body, err := x.s.document(op)
	if err != nil {
		x.refuse(err)
		return
	}
	x.tell(op)
	x.write(code, jsonType, body)
}

// document is the status JSON: the operation's, with its name.
func (s *Server) document(op *antiphon.Operation) ([]byte, error) {
	shown := *op
	shown.Metadata = s.shownMetadata(op.Metadata)
	shown.Err = failureOf(op)
	shown.State = shownState(op.State)
	body, err := shown.MarshalJSON()
	if err != nil {
		return nil, antiphon.Errorf(antiphon.CodeInternal, "poller: the status cannot be encoded: %w", err)
	}
	name, err := json.Marshal(nameOf(op.ID))
	if err != nil {
		return nil, err
	}
	const member = `{"name":`
	document := make([]byte, 0, len(body)+len(name)+len(member)+1)
	document = append(append(append(document, member...), name...), ',')
	return append(document, body[1:]...), nil
}

// shownState is a state as it is shown. To clients of such operations nothing but Failed
// is that: they would wait for ever.
func shownState(s antiphon.State) antiphon.State {
	if s == antiphon.StateExpired {
		return antiphon.StateFailed
	}
	return s
}

// nameOf is how AIP-151 names an operation.
func nameOf(id string) string { return "operations/" + id }

// failureOf is why op ended badly, or nil if it did not.
func failureOf(op *antiphon.Operation) *antiphon.Error {
	if op.Err == nil && (op.State == antiphon.StateSucceeded || !op.State.Terminal()) {
		return nil
	}
	return ending.Failure("poller: the operation", op.State, op.Err, "")
}
