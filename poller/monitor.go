package poller

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/response"
)

// ErrGone: what is followed is not found, or not any more; how it ended is not known.
var ErrGone error = &antiphon.Error{
	Code:      antiphon.CodeNotFound,
	Class:     antiphon.ClassUnknown,
	Reason:    "poller.gone",
	Message:   "poller: the operation is not known there, or not any more",
	Permanent: true,
}

// soon is the wish to be asked as early as is allowed: 0 is no wish.
const soon = time.Nanosecond

// A monitor follows one operation. Only one poll is made at a time; what others ask it
// meanwhile is under the lock.
type monitor struct {
	*caller
	feed  feed
	began time.Time
	end   time.Time // no request lasts longer; zero for no end

	mu  sync.Mutex
	now ref // how far it is, for tokens

	// Of the poll under way, and the next.
	at      ref
	first   *antiphon.Operation // what the start said, until the first poll
	op      antiphon.Operation  // what was seen last
	tag     string              // the entity tag of that, at tagged
	tagged  *url.URL
	looked  bool // there was a poll, so that news is what came after it
	held    bool // the server holds requests when it is asked to
	pointer string
	stream  stream
}

// watch makes a monitor of what a start has led to, or a token tells of.
func (c *caller) watch(at ref, op antiphon.Operation) *monitor {
	m := &monitor{caller: c, began: c.clock.Now(), now: at, at: at, op: op}
	if d := c.pace.Elapsed; d >= 0 {
		if d == 0 {
			d = 24 * time.Hour
		}
		m.end = m.began.Add(min(d, response.Longest))
	}
	m.feed.tell(op)
	return m
}

// ended reports whether there is nothing to follow: the start has said it all.
func (m *monitor) ended() bool { return m.op.State.Terminal() && m.at.fetch == nil }

// poll asks once. What it returns is how the operation is, with PollAfter as the wish
// of the server.
func (m *monitor) poll(ctx context.Context) (op antiphon.Operation, err error) {
	if m.first != nil {
		op, m.first = *m.first, nil
		return op, nil
	}
	defer func() {
		m.mu.Lock()
		m.now = m.at
		m.mu.Unlock()
	}()
	if m.at.fetch != nil {
		op, err = m.collect(ctx)
	} else {
		op, err = m.look(ctx)
	}
	if err == nil {
		err = m.note(ctx, &op)
	}
	return op, err
}

// note makes op what was seen last. If it has succeeded, and its result is elsewhere,
// that is fetched first.
func (m *monitor) note(ctx context.Context, op *antiphon.Operation) error {
	if op.Version != 0 && op.Version < m.op.Version { // a copy that lags behind
		return nil
	}
	if op.State == antiphon.StateSucceeded && m.at.fetch == nil {
		u, err := m.resultAt(&m.at, *op)
		if err != nil {
			return err
		}
		if u != nil && u != m.at.url {
			m.at.fetch, m.op = u, *op
			if *op, err = m.collect(ctx); err != nil {
				return err
			}
		}
	}
	m.op = *op
	m.op.PollAfter = 0
	m.at.last = max(m.at.last, op.Version)
	if m.at.id == "" {
		m.at.id = op.ID
	}
	m.feed.tell(*op)
	return nil
}

// look asks how far it is.
func (m *monitor) look(ctx context.Context) (op antiphon.Operation, err error) {
	header := make(http.Header, 4)
	wait, known := m.wait(ctx), m.tag != "" && m.tagged == m.at.url
	if !known && !m.looked && !m.held {
		wait = 0
	}
	if wait > 0 {
		header["Prefer"] = []string{"wait=" + strconv.Itoa(int(wait/time.Second))}
	}
	if known {
		header["If-None-Match"] = []string{m.tag}
	}
	m.stream.offer(m, header)
	p := m.patient(ctx, m.bound(m.pace.PerPoll))
	defer p.end()
	begun := m.clock.Now()
	resp, err := m.ask(p, m.at.home, http.MethodGet, m.at.url, header)
	if err != nil {
		return op, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK && isEvents(resp.Header.Get("Content-Type")) && m.stream.offered {
		m.found()
		return m.stream.read(m, p, resp)
	}
	op, err = m.read(resp)
	switch {
	case err != nil:
		return op, m.advised(err, resp)
	case op.State.Terminal():
		return op, nil
	}
	m.looked = true
	m.hint(&op, resp)
	if m.held = wait > 0 && resp.Header.Get("Preference-Applied") != ""; m.held {
		// One that says that it has waited, and has not, is not believed.
		if op.Version != m.op.Version || m.clock.Since(begun) >= wait/2 {
			op.PollAfter = soon
		}
	}
	return op, nil
}

// wait is how long the server is asked to hold a request, in whole seconds, or 0. Of the
// last second the end is ours.
func (m *monitor) wait(ctx context.Context) time.Duration {
	d := m.LongPoll
	if at, ok := ctx.Deadline(); ok {
		d = min(d, m.left(at))
	}
	if d <= 0 || m.LongPoll < time.Second {
		return 0
	}
	return max(m.bound(d).Truncate(time.Second), time.Second)
}

// bound shortens d to what is left of the time to follow.
func (m *monitor) bound(d time.Duration) time.Duration {
	if m.end.IsZero() {
		return d
	}
	left := max(m.end.Sub(m.clock.Now()), time.Millisecond)
	if d <= 0 {
		return left
	}
	return min(d, left)
}

// hint makes the wish of the server that of op.
func (m *monitor) hint(op *antiphon.Operation, resp reply) {
	if d, ok := RetryAfter(resp.Header, m.clock.Now()); ok {
		op.PollAfter = max(d, soon)
	}
}

// advised adds the wish of the server to the error of a poll.
func (m *monitor) advised(err error, resp reply) error {
	if d, ok := RetryAfter(resp.Header, m.clock.Now()); ok && d > 0 {
		return antiphon.RetryAfter(err, d)
	}
	return err
}

// found notes that the operation is known there.
func (m *monitor) found() { m.at.seen = true }

// read reads the answer to a look.
func (m *monitor) read(resp reply) (op antiphon.Operation, err error) {
	code := resp.StatusCode
	switch {
	case code == http.StatusNotModified && m.tag != "":
		m.found()
		op = m.op
		return op, nil
	case code >= 300:
		return m.trouble(resp, m.at.style == styleLocation || resp.elsewhere)
	}
	m.found()
	switch {
	case m.at.style == styleLocation || resp.elsewhere:
		return m.byCode(resp)
	case code == http.StatusNoContent && m.stream.offered: // nothing comes after the last event
		m.stream.muted = true
		op = m.op
		return op, nil
	}
	body, err := read(resp.Response, m.MaxStatus)
	if err != nil {
		return op, err
	}
	if m.at.style == styleAIP {
		op, err = readAIP(body)
	} else {
		op, err = readStatus(body)
	}
	if err != nil {
		return op, err
	}
	if err := m.moved(resp); err != nil {
		return op, err
	}
	if op.State == antiphon.StateSucceeded && op.Result == nil && (m.at.via == viaAzure || m.at.via == viaOperation) {
		op.Result = body
	}
	m.tag, m.tagged = resp.Header.Get("Etag"), m.at.url
	return op, nil
}

// moved follows a new pointer from now on.
func (m *monitor) moved(resp reply) error {
	style, to := pointerOf(resp.Response)
	if to == "" || to == m.pointer || style == styleLocation && m.at.style != styleLocation {
		return nil
	}
	u, err := m.pointed(m.at.home, resp.url, to)
	if err != nil {
		return err
	}
	m.pointer = to
	if u.String() == m.at.url.String() {
		return nil
	}
	m.at.url = u
	if m.at.style != styleAIP {
		m.at.style = style
	}
	return nil
}

// byCode reads an answer whose code says how far it is: 202, or else it is the result.
func (m *monitor) byCode(resp reply) (op antiphon.Operation, err error) {
	if resp.StatusCode == http.StatusAccepted {
		if err := m.moved(resp); err != nil {
			return op, err
		}
		op = m.op
		if !op.State.Terminal() {
			op.State = antiphon.StateRunning
		}
		m.tag, m.tagged = resp.Header.Get("Etag"), m.at.url
		return op, nil
	}
	return m.resultOf(resp)
}

// resultOf reads a result.
func (m *monitor) resultOf(resp reply) (op antiphon.Operation, err error) {
	op = m.op
	op.State, op.Percent = antiphon.StateSucceeded, 100
	if resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusResetContent {
		op.Result, op.ContentType = nil, ""
		return op, nil
	}
	if op.Result, err = read(resp.Response, m.MaxResult); err != nil {
		return op, err
	}
	if len(op.Result) == 0 {
		op.Result = nil
	}
	op.ContentType = resp.Header.Get("Content-Type")
	if m.jsonly && isMarkup(op.ContentType) {
		return op, unreadable("the answer is a page for people, not a result")
	}
	if isJSON(op.ContentType) {
		op.ContentType = ""
	}
	return op, nil
}

// collect fetches the result of what has succeeded.
func (m *monitor) collect(ctx context.Context) (op antiphon.Operation, err error) {
	p := m.patient(ctx, m.bound(m.pace.PerPoll))
	defer p.end()
	resp, err := m.ask(p, m.at.home, http.MethodGet, m.at.fetch, make(http.Header, 2))
	if err != nil {
		return op, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300:
		op, err = m.trouble(resp, false)
	case resp.StatusCode == http.StatusAccepted: // it is not there yet
		op = m.op
		op.State = antiphon.StateRunning
		m.hint(&op, resp)
		return op, nil
	default:
		op, err = m.resultOf(resp)
	}
	if err != nil {
		return op, m.advised(err, resp)
	}
	op.ID, op.Kind, op.Location = m.op.ID, m.op.Kind, ""
	return op, nil
}

// trouble is what an answer means whose code says that something is wrong: that the
// operation has failed, if outcome says that it may.
func (m *monitor) trouble(resp reply, outcome bool) (op antiphon.Operation, err error) {
	code := resp.StatusCode
	body, err := read(resp.Response, m.MaxStatus)
	if err != nil {
		body = nil // the code says enough
	}
	e, _ := answeredWith(resp.Response, body)
	switch {
	case code == http.StatusGone, code == http.StatusNotFound && (m.at.seen || m.clock.Since(m.began) >= m.Grace):
		return op, antiphon.Errorf(antiphon.CodeNotFound, "%w: %v", ErrGone, e)
	case code == http.StatusNotFound:
		return op, pollFailed(code, "not found yet", e)
	case passing(code):
		return op, pollFailed(code, "status "+strconv.Itoa(code), e)
	case code == http.StatusUnauthorized, code == http.StatusForbidden, !outcome, code < 400:
		return op, antiphon.Permanent(pollFailed(code, "status "+strconv.Itoa(code), e))
	}
	m.found()
	return ended(m.op, e, code), nil
}

// ended is op, which a code of HTTP says to have ended badly, because of e.
func ended(op antiphon.Operation, e *antiphon.Error, code int) antiphon.Operation {
	op.State, op.Err, op.Result = antiphon.StateFailed, e, nil
	switch {
	case code == http.StatusConflict && e.Code == antiphon.CodeCanceled:
		op.State = antiphon.StateCanceled
	case e.Code == antiphon.CodeDeadlineExceeded:
		op.State = antiphon.StateExpired
	}
	return op
}

// pollFailed is the error of a poll, which says nothing about the operation.
func pollFailed(status int, what string, why *antiphon.Error) error {
	code := antiphon.CodeUnavailable
	if !passing(status) && status != http.StatusNotFound {
		code = response.Code(status)
	}
	e := antiphon.Errorf(code, "poller: %s: %v", what, why)
	e.Class = antiphon.ClassUnknown
	return e
}
