// Package trace carries trace context in the header of HTTP requests: what
// antiphon.TraceFrom gives, there and back.
package trace

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/antiphon-go/antiphon"
)

// Fields are those of W3C Trace Context, as antiphon.Info.Header names them.
var Fields = [...]string{"traceparent", "tracestate"}

// The same as http.Header names them.
const (
	parent = "Traceparent"
	state  = "Tracestate"
)

// most is how many bytes of a field are taken. The standard asks for 512 of tracestate.
const most = 1 << 10

// Put adds what ctx carries to h, unless h has a trace of its own. What no request could
// carry is left out, as Of does, for it may have come by another wire: nothing that is
// asked may fail for its trace.
func Put(ctx context.Context, h http.Header) {
	if h[parent] != nil {
		return
	}
	t := antiphon.TraceFrom(ctx)
	if !fits(t[Fields[0]]) {
		return
	}
	h.Set(parent, t[Fields[0]])
	if fits(t[Fields[1]]) {
		h.Set(state, t[Fields[1]])
	}
}

// fits reports whether a field may be v: not nothing, and not too long, of the visible
// characters of ASCII and blanks.
func fits(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' {
			return false
		}
	}
	return v != "" && len(v) <= most
}

// Of returns what h carries, or nil. A traceparent that is repeated or far too long is
// none, as the standard says, and such a tracestate is left out.
func Of(h http.Header) map[string]string {
	from := h[parent]
	if len(from) != 1 || !fits(from[0]) {
		return nil
	}
	trace := map[string]string{Fields[0]: from[0]}
	if s := strings.Join(h[state], ","); fits(s) {
		trace[Fields[1]] = s
	}
	return trace
}

// In returns ctx, which is that of a request with the header h, with what h carries.
func In(ctx context.Context, h http.Header) context.Context {
	if t := Of(h); t != nil {
		return antiphon.WithTrace(ctx, t)
	}
	return ctx
}

// Has reports whether name is one of Fields.
func Has(name string) bool { return slices.Contains(Fields[:], name) }
