package poller

import (
	"net/http"
	"slices"
	"strings"
)

// guard refuses what pages of other origins send, unless they are among o.Origins. It is
// nil if all are.
func guard(o *ServerOptions) (*http.CrossOriginProtection, error) {
	if slices.Contains(o.Origins, "*") {
		return nil, nil
	}
	p := http.NewCrossOriginProtection()
	for _, origin := range o.Origins {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, badServer("ServerOptions.Origins has what is no origin")
		}
	}
	return p, nil
}

// Headers of which pages of other origins may send and see more than the usual ones.
var (
	sentHeaders = []string{
		"Accept", "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer",
		"Antiphon-Timeout-Ms", "traceparent", "tracestate",
	}
	exposed = []string{strings.Join([]string{
		"Azure-AsyncOperation", "Content-Location", "ETag", "Location", "Operation-Id", "Operation-Location", "Preference-Applied", "Retry-After", "Retry-After-Ms",
	}, ", ")}
)

// cors tells a browser whether the page that asks may see the answer. It reports whether
// the request asks for nothing else, and may.
func (x *exchange) cors() (preflight bool) {
	o := x.s.opts
	if len(o.Origins) == 0 {
		return false
	}
	h := x.w.Header()
	h["Vary"] = append(h["Vary"], "Origin")
	origin := x.r.Header.Get("Origin")
	switch {
	case origin == "":
		return false
	case slices.Contains(o.Origins, origin):
		h["Access-Control-Allow-Origin"] = []string{origin}
		h["Access-Control-Allow-Credentials"] = []string{"true"}
	case slices.Contains(o.Origins, "*"):
		h["Access-Control-Allow-Origin"] = []string{"*"}
	default:
		return false
	}
	h["Access-Control-Expose-Headers"] = exposed
	return x.r.Method == http.MethodOptions && x.r.Header["Access-Control-Request-Method"] != nil
}

// options answers OPTIONS: what can be done here, and by pages of other origins.
func (x *exchange) options(preflight bool) {
	h := x.w.Header()
	h["Allow"] = x.route.allow
	if preflight {
		h["Access-Control-Allow-Methods"] = x.route.allow
		h["Access-Control-Allow-Headers"] = []string{strings.Join(append(slices.Clone(sentHeaders), x.s.opts.Headers...), ", ")}
		h["Access-Control-Max-Age"] = []string{"600"}
	}
	x.write(http.StatusNoContent, nil, nil)
}
