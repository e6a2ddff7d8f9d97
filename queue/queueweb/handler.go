package queueweb

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Options say what is shown, and what may be done. A zero field means its default, nil
// options mean all of them.
type Options struct {
	// Title is that of the pages. Empty means "Queues".
	Title string
	// Write allows a request to change something, if it returns nil; the error's text
	// is not shown. nil allows none.
	Write func(*http.Request) error
	// Redact returns what is shown of a payload, result, or progress data of a job of
	// a kind, in place of b; it must not modify b. nil shows it as it is.
	Redact func(kind string, b []byte) []byte
	// MaxShown is how many bytes of each are shown. 0 means 4096.
	MaxShown int
	// Page is how many jobs are listed at once. 0 means 50; more than 500 is as 500.
	Page int
	// Timeout is how long the backend may take for a request. 0 means 10 seconds.
	Timeout time.Duration
	// Clock measures the samples that throughput is drawn from. nil means the real
	// one.
	Clock clock.Clock
}

// Handler shows the queues of b that names lists. It owns neither, and has nothing to
// close: it takes samples as it is looked at.
func Handler(b driver.Backend, names []string, o *Options) http.Handler {
	h := &handler{backend: b, names: slices.Clone(names)}
	if o != nil {
		h.opts = *o
	}
	if h.opts.Title == "" {
		h.opts.Title = "Queues"
	}
	if h.opts.MaxShown <= 0 {
		h.opts.MaxShown = 4096
	}
	if h.opts.Page <= 0 {
		h.opts.Page = 50
	}
	h.opts.Page = min(h.opts.Page, 500)
	if h.opts.Timeout <= 0 {
		h.opts.Timeout = 10 * time.Second
	}
	if h.opts.Clock == nil {
		h.opts.Clock = clock.New()
	}
	h.results, _ = b.(driver.Results)
	h.morgue, _ = b.(driver.Morgue)
	h.control, _ = b.(driver.Controller)
	h.samples.init(h.names)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page(h.index))
	mux.HandleFunc("GET /queueweb.css", h.style)
	mux.HandleFunc("GET /{queue}", h.page(h.queue))
	mux.HandleFunc("GET /{queue}/{id}", h.page(h.job))
	mux.HandleFunc("POST /{queue}/pause", h.page(h.pause(true)))
	mux.HandleFunc("POST /{queue}/resume", h.page(h.pause(false)))
	mux.HandleFunc("POST /{queue}/redrive", h.page(h.letters(driver.Morgue.Redrive)))
	mux.HandleFunc("POST /{queue}/drop", h.page(h.letters(driver.Morgue.Purge)))
	mux.HandleFunc("POST /{queue}/{id}/cancel", h.page(h.cancel))
	return http.NewCrossOriginProtection().Handler(mux)
}

type handler struct {
	backend driver.Backend
	results driver.Results
	morgue  driver.Morgue
	control driver.Controller
	names   []string
	opts    Options
	samples samples
}

// An answer is what a page shows: as JSON itself, or by the template of its name.
type answer interface{ template() string }

// elsewhere is an answer that sends the browser to another page.
type elsewhere struct {
	To string `json:"location"`
	N  int    `json:"count"`
}

func (elsewhere) template() string { return "" }

// A failure is an error for who asks, with a status.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

var (
	errNotFound  = &failure{http.StatusNotFound, "no such queue or job, or not any more"}
	errForbidden = &failure{http.StatusForbidden, "looking only"}
)

// page makes a handler of what finds an answer.
func (h *handler) page(find func(ctx context.Context, r *http.Request) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.opts.Timeout)
		defer cancel()
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		header.Add("Vary", "Accept")
		a, err := h.found(ctx, r, find)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		if e, ok := a.(elsewhere); ok && !wantsJSON(r) {
			header.Set("Location", e.To)
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		if wantsJSON(r) {
			header.Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(a)
			return
		}
		header.Set("Content-Type", "text/html; charset=utf-8")
		h.render(w, r, a)
	}
}

func (h *handler) found(ctx context.Context, r *http.Request, find func(context.Context, *http.Request) (answer, error)) (answer, error) {
	if q := r.PathValue("queue"); q != "" && !slices.Contains(h.names, q) {
		return nil, errNotFound
	}
	if r.Method == http.MethodPost {
		if h.opts.Write == nil || h.opts.Write(r) != nil {
			return nil, errForbidden
		}
		r.Body = http.MaxBytesReader(nil, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			return nil, &failure{http.StatusBadRequest, "the form cannot be read, or is too large"}
		}
	}
	return find(ctx, r)
}

// wantsJSON reports whether JSON is asked for by name.
func wantsJSON(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			media, _, _ := strings.Cut(part, ";")
			switch strings.TrimSpace(media) {
			case "application/json":
				return true
			case "text/html":
				return false
			}
		}
	}
	return false
}

// fail tells what went wrong, and no more than whoever looks may know.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var f *failure
	switch {
	case errors.As(err, &f):
	case errors.Is(err, driver.ErrUnknownJob):
		f = errNotFound
	case errors.Is(err, errors.ErrUnsupported):
		f = &failure{http.StatusNotImplemented, "this backend does not do that"}
	case errors.Is(err, context.DeadlineExceeded):
		f = &failure{http.StatusGatewayTimeout, "the backend takes too long"}
	default:
		f = &failure{http.StatusBadGateway, "the backend fails: " + string(antiphon.CodeOf(err))}
	}
	if wantsJSON(r) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": f.text})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(f.status)
	h.render(w, r, sorry{f.status, f.text})
}

type sorry struct {
	Status int
	Text   string
}

func (sorry) template() string { return "sorry" }

// at is the path of a page, relative to the one that the request is for: the handler
// may be mounted anywhere.
func at(r *http.Request, segments ...string) string {
	up := strings.Count(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	path := "./" + strings.Repeat("../", up)
	for i, s := range segments {
		if i > 0 {
			path += "/"
		}
		path += url.PathEscape(s)
	}
	return path
}

func number(s string, def int) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return n
	}
	return def
}
