package poller

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/body"
)

// submit starts an operation: POST where the server is.
func (x *exchange) submit() {
	if op, ok := x.start(); ok {
		if op.State.Terminal() {
			x.outcome(&op, true)
			return
		}
		x.accepted(&op)
	}
}

// start accepts the request, and holds it for as long as it may be inline. It reports
// false if it is answered.
func (x *exchange) start() (op antiphon.Operation, ok bool) {
	s, begun := x.s, time.Time{}
	if s.opts.Observer != nil {
		begun = s.clock.Now()
	}
	op, err := x.accept()
	if err != nil && op.ID == "" {
		s.observe(x, antiphon.Event{Name: "poller.rejected", Err: err})
		x.refuse(err)
		return op, false
	}
	x.id = op.ID
	x.remember(&op)
	wait, applied := x.patience()
	if !op.State.Terminal() && wait > 0 && !x.hold(&op, math.MaxInt64, wait) {
		applied = ""
	}
	if applied != "" {
		x.w.Header()["Preference-Applied"] = []string{applied}
	}
	switch {
	case s.opts.Observer == nil:
	case op.State.Terminal():
		s.observe(x, antiphon.Event{Name: "poller.inline", Kind: op.Kind, ID: op.ID, Duration: s.clock.Since(begun)})
	default:
		s.observe(x, antiphon.Event{Name: "poller.accepted", Kind: op.Kind, ID: op.ID})
	}
	return op, true
}

// accept submits the request. An error with an operation that has an ID is about what is
// accepted.
func (x *exchange) accept() (op antiphon.Operation, err error) {
	key, err := idempotencyKey(x.r.Header)
	if err != nil {
		return op, err
	}
	ctx, err := x.deadline()
	if err != nil {
		return op, err
	}
	body, err := x.body(x.s.opts.MaxBody, x.s.opts.Codec.ContentType())
	if err != nil {
		return op, err
	}
	if !x.s.gate.enter() {
		return op, errStopping
	}
	defer x.s.gate.leave()
	op, _, err = x.s.ops.Submit(ctx, body, antiphon.Info{Key: x.scoped(key), Header: x.carried()})
	if antiphon.CodeOf(err) == antiphon.CodeInvalidArgument {
		r := *refusalOf(err)
		r.target = "body"
		return op, &r
	}
	if op.ID != "" && op.State == "" {
		op.State = antiphon.StateQueued // nobody knows better
	}
	return op, err
}

// accepted answers 202.
func (x *exchange) accepted(op *antiphon.Operation) {
	x.pointers(op)
	x.status(http.StatusAccepted, op)
}

// pointers tell where an operation is that has not been answered. Terraform's poller knows
// Azure-AsyncOperation and Location, and would take the result for a status.
func (x *exchange) pointers(op *antiphon.Operation) {
	at := x.at(op.ID)
	values := [...]string{at, at + "/result", op.ID}
	h := x.w.Header()
	h["Operation-Location"] = values[0:1:1]
	h["Azure-Asyncoperation"] = values[0:1:1]
	h["Content-Location"] = values[0:1:1]
	h["Location"] = values[1:2:2]
	h["Operation-Id"] = values[2:3:3]
}

// patience is how long the request that starts an operation is held, and what of its
// preferences that is.
func (x *exchange) patience() (time.Duration, string) {
	if x.r.Header["Prefer"] == nil {
		return x.s.opts.Inline, ""
	}
	switch p := preferencesOf(x.r.Header); {
	case p.waits:
		return x.waiting(p)
	case p.async:
		return 0, "respond-async"
	}
	return x.s.opts.Inline, ""
}

// waiting is how long the client's wait is, within the limits.
func (x *exchange) waiting(p preferences) (time.Duration, string) {
	wait := min(p.wait, x.s.opts.MaxWait)
	return wait, "wait=" + strconv.FormatInt(int64(wait/time.Second), 10)
}

// body reads the request's body, of a media type, up to a limit.
func (x *exchange) body(limit int64, mediaType string) ([]byte, error) {
	r := x.r
	if r.ContentLength > limit {
		return nil, errBodyTooLarge
	}
	if r.ContentLength != 0 && !isMedia(r.Header, mediaType) {
		return nil, wrongMedia(mediaType)
	}
	if c := r.Header["Content-Encoding"]; len(c) > 1 || len(c) == 1 && !strings.EqualFold(c[0], "identity") {
		return nil, errCoded
	}
	from := r.Body
	if r.ContentLength < 0 {
		from = http.MaxBytesReader(x.w, from, limit) // which closes the connection of what is too large
	}
	b, err := body.Read(from, r.ContentLength, limit)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, body.ErrTooLarge):
		return nil, errBodyTooLarge
	case err != nil, r.ContentLength >= 0 && int64(len(b)) != r.ContentLength:
		return nil, badRequest("body", "the body ended early")
	}
	return b, nil
}

// isMedia reports whether the content is of a media type, whatever its parameters.
func isMedia(h http.Header, mediaType string) bool {
	v := h["Content-Type"]
	if len(v) != 1 {
		return false
	}
	if v[0] == mediaType {
		return true
	}
	got, _, _ := strings.Cut(v[0], ";")
	want, _, _ := strings.Cut(mediaType, ";")
	return strings.EqualFold(strings.TrimSpace(got), strings.TrimSpace(want))
}

// idempotencyKey reads the Idempotency-Key header: a quoted string of RFC 8941, or a bare
// one.
func idempotencyKey(h http.Header) (string, error) {
	v := h["Idempotency-Key"]
	if len(v) == 0 {
		return "", nil
	}
	key, ok := stringItem(strings.Trim(v[0], " "))
	if len(v) > 1 || !ok || key == "" || len(key) > maxKey {
		return "", errBadKey
	}
	return key, nil
}

var errBadKey = badRequest("Idempotency-Key", "the key is one string of 1 to 255 printable ASCII characters")

// stringItem reads an sf-string, whose parameters mean nothing here, or a word without
// spaces, quotes, commas and semicolons.
func stringItem(s string) (string, bool) {
	if s == "" {
		return "", false
	}
	if s[0] != '"' {
		return s, !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == ',' || c == ';' })
	}
	var text []byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			rest := strings.TrimLeft(s[i+1:], " ")
			return string(text), rest == "" || rest[0] == ';'
		case c == '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", false
			}
			text = append(text, s[i])
		case c < ' ' || c > '~':
			return "", false
		default:
			text = append(text, c)
		}
	}
	return "", false
}

// deadline is the context of a submission: it tells what remains of the asker's patience.
func (x *exchange) deadline() (context.Context, error) {
	ctx := x.r.Context()
	v := x.r.Header["Antiphon-Timeout-Ms"]
	if len(v) == 0 {
		return ctx, nil
	}
	d, ok := wholeNumber(v[0], time.Millisecond)
	if !ok || len(v) > 1 {
		return nil, badRequest("Antiphon-Timeout-Ms", "the time is a whole number of milliseconds")
	}
	at := x.s.clock.Now().Add(min(d, maxTimeout))
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(at) {
		return ctx, nil
	}
	return &until{ctx, at}, nil
}

// maxTimeout is as good as never, and no date is beyond it.
const maxTimeout = 100 * 365 * 24 * time.Hour

// until is a context that has a deadline for who asks, and needs no timer: an operation
// expires with it, and Submit does not take that long.
type until struct {
	context.Context
	at time.Time
}

func (u *until) Deadline() (time.Time, bool) { return u.at, true }
