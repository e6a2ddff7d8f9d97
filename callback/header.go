package callback

import (
	"context"
	"maps"

	"github.com/antiphon-go/antiphon"
)

type headerKey struct{}

// WithHeader returns a context whose asks and events take h along, beside what
// ctx carries already; of equal names that of h counts. The other end finds it in
// antiphon.InfoFrom. h is not copied and must not be modified afterwards.
func WithHeader(ctx context.Context, h map[string]string) context.Context {
	if outer, ok := ctx.Value(headerKey{}).(map[string]string); ok {
		both := make(map[string]string, len(outer)+len(h))
		maps.Copy(both, outer)
		maps.Copy(both, h)
		h = both
	}
	return context.WithValue(ctx, headerKey{}, h)
}

// header makes the header of a message: the trace of ctx, what the peer injects,
// extra, and what ctx carries. Who names a trace of their own gets no state of another.
func (p *Peer) header(ctx context.Context, extra map[string]string) (h map[string]string, err error) {
	h = antiphon.TraceFrom(ctx)
	add := func(more map[string]string) {
		if h == nil && len(more) > 0 {
			h = make(map[string]string, len(more))
		}
		if _, own := more["traceparent"]; own {
			delete(h, "tracestate")
		}
		maps.Copy(h, more)
	}
	if p.opts.Inject != nil {
		if h == nil {
			h = map[string]string{}
		}
		defer recovered(&err)
		p.opts.Inject(ctx, h)
	}
	add(extra)
	sent, _ := ctx.Value(headerKey{}).(map[string]string)
	add(sent)
	return h, nil
}
