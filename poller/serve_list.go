package poller

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/antiphon-go/antiphon"
)

// Limits of what is listed.
const (
	defaultPage = 50
	maxPage     = 500
	maxScan     = 1000 // operations that are looked at for a page
	maxBatch    = 200  // operations that are asked for at once

	fullPage  = 4 << 20  // bytes of results with which a page ends
	firstPart = 64 << 10 // bytes of an answer that are sent at once, with their length
)

// list answers with operations of who asks, the latest first: GET operations. A page is
// made of at most maxScan operations, whosever they are, and ends when it has large
// results, so it may be short, or empty, with another after it.
func (x *exchange) list() {
	page, err := x.page(x.r.URL.RawQuery)
	if err != nil {
		x.refuse(err)
		return
	}
	x.operations(page.ops, "nextPageToken", page.next)
}

// A page is a part of a list.
type page struct {
	ops  []antiphon.Operation
	next string // empty at the end
}

// A filter is what is listed, of whom.
type filter struct {
	owner, kind string
	state       antiphon.State
	done        string // true, false, or empty for both
	size        int
	after       string
}

func (x *exchange) page(query string) (p page, err error) {
	f, err := filterOf(x.owner, query)
	if err != nil {
		return p, err
	}
	// Where all are one's own, a page takes no more than it shows.
	scan := f.size
	if f.kind != "" || f.done != "" || f.state == antiphon.StateFailed || x.s.opts.Owner != nil {
		scan = maxScan
	}
	state := f.state
	if state == antiphon.StateFailed { // as others are shown too, which the store does not list together
		state = ""
	}
	ops, err := x.s.ops.List(x.r.Context(), state, f.after, scan)
	switch {
	case err == nil:
	case f.after != "" && antiphon.CodeOf(err) == antiphon.CodeNotFound:
		return p, errPageGone
	default:
		x.s.observe(x, antiphon.Event{Name: "poller.store_failed", Err: err})
		return p, storeError(err)
	}
	size := 0
	for i := range ops {
		if x.mine(&ops[i]) && f.takes(&ops[i]) {
			p.ops = append(p.ops, ops[i])
			size += len(ops[i].Result) + len(ops[i].Data)
		}
		if end := i + 1; len(p.ops) == f.size || size >= fullPage || end == len(ops) && end >= scan {
			if end < len(ops) || end >= scan {
				p.next = f.token(ops[i].ID)
			}
			break
		}
	}
	return p, nil
}

// takes reports whether op, which is in a state that was asked for, is to be listed.
func (f *filter) takes(op *antiphon.Operation) bool {
	return (f.state != antiphon.StateFailed || shownState(op.State) == f.state) &&
		(f.kind == "" || op.Kind == f.kind) && (f.done == "" || op.State.Terminal() == (f.done == "true"))
}

// filterOf reads the parameters of a list. What is not known is ignored.
func filterOf(owner, query string) (f filter, err error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return f, badRequest("query", "the query cannot be read")
	}
	f = filter{owner: owner, kind: q.Get("kind"), size: defaultPage}
	if size := q.Get("pageSize"); size != "" {
		n, err := strconv.Atoi(size)
		if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
			return f, badRequest("pageSize", "the page size is a whole number")
		}
		if n > 0 { // 0 is as none
			f.size = min(n, maxPage)
		}
	}
	if word := q.Get("state"); word != "" {
		_ = f.state.UnmarshalText([]byte(word)) // never fails
		if f.state != antiphon.StateQueued && f.state != antiphon.StateRunning && !f.state.Terminal() {
			return f, badRequest("state", "there is no such state")
		}
	}
	switch words := strings.ReplaceAll(q.Get("filter"), " ", ""); words {
	case "":
	case "done=true", "done=false":
		f.done = words[len("done="):]
	default:
		return f, badRequest("filter", "the filter is done=true or done=false")
	}
	if token := q.Get("pageToken"); token != "" {
		after, ok := f.open(token)
		if !ok {
			return f, badRequest("pageToken", "the page token is none, or of another list")
		}
		f.after = after
	}
	return f, nil
}

// A page token is a digest of the list it continues, and the id it continues after: not
// a secret, but a mistake elsewhere.
const digestSize = 9

func (f *filter) digest() []byte {
	var b []byte
	for _, s := range []string{f.owner, f.kind, string(f.state), f.done} {
		b = append(strconv.AppendInt(b, int64(len(s)), 10), ':')
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return sum[:digestSize]
}

func (f *filter) token(after string) string {
	return base64.RawURLEncoding.EncodeToString(append(f.digest(), after...))
}

func (f *filter) open(token string) (after string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) <= digestSize || len(b) > digestSize+maxID {
		return "", false
	}
	after = string(b[digestSize:])
	return after, f.token(after) == token // which has no line breaks, for one
}

// operations answers with a list, and another member if it is not empty. The documents of
// a long one are sent as they are made, since all together may be very large.
func (x *exchange) operations(ops []antiphon.Operation, name string, more any) {
	end := []byte("]}")
	if s, text := more.(string); !text || s != "" {
		member, err := json.Marshal(map[string]any{name: more})
		if err != nil {
			x.refuse(err)
			return
		}
		end = append([]byte("],"), member[1:]...)
	}
	x.w.Header()["Cache-Control"] = noStore
	buf := []byte(`{"operations":[`)
	for i := range ops {
		d, err := x.s.document(&ops[i])
		switch {
		case err == nil:
		case x.began:
			panic(http.ErrAbortHandler) // what was sent is no answer
		default:
			x.refuse(err)
			return
		}
		if i > 0 {
			buf = append(buf, ',')
		}
		if buf = append(buf, d...); len(buf) < firstPart {
			continue
		}
		if !x.began {
			x.began = true
			x.w.Header()["Content-Type"] = jsonType
			x.w.WriteHeader(http.StatusOK)
		}
		if x.r.Method != http.MethodHead {
			if _, err := x.w.Write(buf); err != nil {
				return // who does not read it has gone
			}
		}
		buf = buf[:0]
	}
	buf = append(buf, end...)
	if !x.began {
		x.write(http.StatusOK, jsonType, buf)
	} else if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(buf)
	}
}

// batchGet answers with the statuses of many operations: POST operations:batchGet. Those
// that it does not find, or may not show, are missing.
func (x *exchange) batchGet() {
	body, err := x.body(min(x.s.opts.MaxBody, 1<<17), "application/json")
	if err != nil {
		x.refuse(err)
		return
	}
	ids, err := idsOf(body)
	if err != nil {
		x.refuse(err)
		return
	}
	var ops []antiphon.Operation
	missing := []string{}
	for _, id := range ids {
		op, err := x.get(id)
		switch {
		case err == nil:
			ops = append(ops, op)
		case errors.Is(err, errUnknown) || errors.Is(err, errGone):
			missing = append(missing, id)
		default:
			x.refuse(err)
			return
		}
	}
	x.operations(ops, "missing", missing)
}

var errBadIDs = badRequest("ids", "the body is an object with ids, a list of 1 to 200 strings, and nothing else")

// idsOf reads {"ids":["…"]}: one member, of that name, once.
func idsOf(body []byte) (ids []string, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	for _, want := range []json.Token{json.Delim('{'), "ids", json.Delim('[')} {
		if got, err := d.Token(); err != nil || got != want {
			return nil, errBadIDs
		}
	}
	for d.More() {
		got, err := d.Token()
		id, ok := got.(string)
		if err != nil || !ok || id == "" || len(id) > maxID || len(ids) == maxBatch {
			return nil, errBadIDs
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if got, err := d.Token(); err != nil || got != want {
			return nil, errBadIDs
		}
	}
	if _, err := d.Token(); err != io.EOF || len(ids) == 0 {
		return nil, errBadIDs
	}
	return ids, nil
}
