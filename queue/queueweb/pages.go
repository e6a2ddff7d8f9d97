package queueweb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A Summary is a queue as it is listed.
type summary struct {
	Name string `json:"name"`
	driver.Stats
	// PerMinute are how many jobs ended in each of the last minutes, the oldest first.
	PerMinute []int `json:"perMinute"`
}

type indexPage struct {
	Queues []summary `json:"queues"`
}

func (indexPage) template() string { return "index" }

func (h *handler) index(ctx context.Context, _ *http.Request) (answer, error) {
	page := indexPage{Queues: []summary{}}
	for _, name := range h.names {
		s, err := h.summary(ctx, name)
		if err != nil {
			return nil, err
		}
		page.Queues = append(page.Queues, s)
	}
	return page, nil
}

func (h *handler) summary(ctx context.Context, name string) (summary, error) {
	s, err := h.backend.Stats(ctx, name)
	if err != nil {
		return summary{}, err
	}
	return summary{name, s, h.samples.take(name, h.opts.Clock.Now(), s)}, nil
}

// states are those that a list can be narrowed to.
var states = []antiphon.State{
	antiphon.StateQueued, antiphon.StateRunning, antiphon.StateSucceeded,
	antiphon.StateFailed, antiphon.StateCanceled, antiphon.StateExpired,
}

type queuePage struct {
	summary
	State string   `json:"state,omitempty"`
	Jobs  []record `json:"jobs"`
	Next  string   `json:"next,omitempty"` // ?after=… of the next page
	Dead  []record `json:"deadLetters"`

	States []antiphon.State `json:"-"`
}

func (queuePage) template() string { return "queue" }

func (h *handler) queue(ctx context.Context, r *http.Request) (answer, error) {
	name, q := r.PathValue("queue"), r.URL.Query()
	if id := q.Get("id"); id != "" {
		if _, err := h.lookup(ctx, name, id); err != nil {
			return nil, err
		}
		return elsewhere{To: at(r, name, id)}, nil
	}
	s, err := h.summary(ctx, name)
	if err != nil {
		return nil, err
	}
	page := queuePage{summary: s, State: q.Get("state"), Jobs: []record{}, Dead: []record{}, States: states}
	if h.results != nil {
		n := min(number(q.Get("limit"), h.opts.Page), 500)
		found, err := h.results.List(ctx, name, driver.ListRequest{State: antiphon.State(page.State), After: q.Get("after"), Limit: n})
		if err != nil {
			return nil, err
		}
		for i := range found {
			page.Jobs = append(page.Jobs, h.record(&found[i]))
		}
		if len(found) == n {
			page.Next = found[n-1].ID
		}
	}
	if h.morgue != nil {
		found, err := h.morgue.Dead(ctx, name, "", h.opts.Page)
		if err != nil {
			return nil, err
		}
		for i := range found {
			page.Dead = append(page.Dead, h.record(&found[i]))
		}
	}
	return page, nil
}

// A record is a job as it is shown: bounded, and redacted.
type record struct {
	ID              string            `json:"id"`
	Kind            string            `json:"kind"`
	State           antiphon.State    `json:"state"`
	Attempt         int               `json:"attempt"`
	Percent         float64           `json:"percent"`
	Message         string            `json:"message,omitempty"`
	CancelRequested bool              `json:"cancelRequested,omitempty"`
	Created         time.Time         `json:"created"`
	Updated         time.Time         `json:"updated"`
	Ended           time.Time         `json:"ended,omitzero"`
	Key             string            `json:"key,omitempty"`
	Unique          string            `json:"unique,omitempty"`
	Group           string            `json:"group,omitempty"`
	Priority        int               `json:"priority,omitempty"`
	Header          map[string]string `json:"header,omitempty"`
	Error           string            `json:"error,omitempty"`
	Code            antiphon.Code     `json:"code,omitempty"`
	Payload         *text             `json:"payload,omitempty"`
	Result          *text             `json:"result,omitempty"`
}

// A text is bytes as they are shown.
type text struct {
	Text string `json:"text"`
	Size int    `json:"size"` // of all of it
	Cut  bool   `json:"cut,omitempty"`
}

func (h *handler) record(r *driver.Record) record {
	s := record{
		ID: r.ID, Kind: r.Kind, State: r.State, Attempt: r.Attempt, Percent: r.Percent, Message: h.cut(r.Message),
		CancelRequested: r.CancelRequested, Created: r.Created, Updated: r.Updated, Ended: r.Ended,
		Key: r.Key, Unique: r.Unique, Group: r.Group, Priority: r.Priority, Header: r.Header,
	}
	if r.Err != nil {
		s.Error, s.Code = h.cut(r.Err.Message), r.Err.Code
	}
	if r.Payload != nil {
		s.Payload = h.text(r.Kind, r.Payload)
	}
	if r.Result != nil {
		s.Result = h.text(r.Kind, r.Result)
	}
	return s
}

func (h *handler) cut(s string) string {
	if len(s) > h.opts.MaxShown {
		s = s[:h.opts.MaxShown] + " …"
	}
	return string(bytes.ToValidUTF8([]byte(s), []byte("�")))
}

// text shows bytes: JSON indented, other text as it is, and the rest quoted.
func (h *handler) text(kind string, b []byte) *text {
	t := &text{Size: len(b)}
	if h.opts.Redact != nil {
		b = h.opts.Redact(kind, b)
	}
	if len(b) > h.opts.MaxShown {
		b, t.Cut = b[:h.opts.MaxShown], true
	}
	var indented bytes.Buffer
	switch {
	case !t.Cut && json.Indent(&indented, b, "", "  ") == nil && indented.Len() <= 2*h.opts.MaxShown:
		t.Text = indented.String()
	case utf8.Valid(b) || t.Cut && utf8.Valid(bytes.ToValidUTF8(b, nil)) && len(b)-len(bytes.ToValidUTF8(b, nil)) < utf8.UTFMax:
		t.Text = string(bytes.ToValidUTF8(b, nil))
	default:
		t.Text = strconv.QuoteToASCII(string(b))
	}
	return t
}

type jobPage struct {
	Queue string `json:"queue"`
	Job   record `json:"job"`
}

func (jobPage) template() string { return "job" }

func (h *handler) lookup(ctx context.Context, queue, id string) (*driver.Record, error) {
	if h.results == nil {
		return nil, errors.ErrUnsupported
	}
	found, err := h.results.Lookup(ctx, queue, []string{id}, true)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errNotFound
	}
	return &found[0], nil
}

func (h *handler) job(ctx context.Context, r *http.Request) (answer, error) {
	name := r.PathValue("queue")
	found, err := h.lookup(ctx, name, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return jobPage{name, h.record(found)}, nil
}

func (h *handler) pause(paused bool) func(context.Context, *http.Request) (answer, error) {
	return func(ctx context.Context, r *http.Request) (answer, error) {
		if h.control == nil {
			return nil, errors.ErrUnsupported
		}
		name := r.PathValue("queue")
		if err := h.control.Pause(ctx, name, paused); err != nil {
			return nil, err
		}
		return elsewhere{at(r, name), 1}, nil
	}
}

func (h *handler) letters(do func(driver.Morgue, context.Context, string, []string) (int, error)) func(context.Context, *http.Request) (answer, error) {
	return func(ctx context.Context, r *http.Request) (answer, error) {
		if h.morgue == nil {
			return nil, errors.ErrUnsupported
		}
		name, ids := r.PathValue("queue"), r.PostForm["id"]
		switch {
		case len(ids) == 0:
			return nil, &failure{http.StatusBadRequest, "name the dead letters by id, or all of them by id=*"}
		case len(ids) == 1 && ids[0] == "*":
			ids = nil
		}
		n, err := do(h.morgue, ctx, name, ids)
		if err != nil {
			return nil, err
		}
		return elsewhere{at(r, name), n}, nil
	}
}

func (h *handler) cancel(ctx context.Context, r *http.Request) (answer, error) {
	if h.control == nil {
		return nil, errors.ErrUnsupported
	}
	name, id := r.PathValue("queue"), r.PathValue("id")
	if _, err := h.control.Cancel(ctx, name, id); err != nil {
		return nil, err
	}
	return elsewhere{at(r, name, id), 1}, nil
}
