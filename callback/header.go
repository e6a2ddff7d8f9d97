package callback

import (
	"context"

	"github.com/antiphon-go/antiphon"
)

type headerKey struct{}

// WithHeader returns a context whose asks and events take h along, beside what
// ctx carries already; of equal names that of h counts. The other end finds it in
// antiphon.InfoFrom. h is not copied and must not be modified afterwards.
func WithHeader(ctx context.Context, h map[string]string) context.Context {
	if outer, ok := ctx.Value(headerKey{}).(map[string]string); ok {
		both := make(map[string]string, len(outer)+len(h))
		for k, v := range outer {
			both[k] = v
		}
		for k, v := range h {
			both[k] = v
		}
		h = both
	}
	return context.WithValue(ctx, headerKey{}, h)
}

// traced are the fields of W3C Trace Context (https://www.w3.org/TR/trace-context,
// level 1), which an ask made while answering another takes over from that.
var traced = [...]string{"traceparent", "tracestate"}

// header makes the header of a message: trace context of the request being
// answered, what the peer injects, extra, and what ctx carries.
func (p *Peer) header(ctx context.Context, extra map[string]string) (h map[string]string, err error) {
	set := func(k, v string) {
		if h == nil {
			h = make(map[string]string, 4)
		}
		h[k] = v
	}
	if came := antiphon.InfoFrom(ctx).Header; came != nil {
		for _, k := range traced {
			if v, ok := came[k]; ok {
				set(k, v)
			}
		}
	}
	if p.opts.Inject != nil {
		if h == nil {
			h = map[string]string{}
		}
		defer recovered(&err)
		p.opts.Inject(ctx, h)
	}
	for k, v := range extra {
		set(k, v)
	}
	if sent, ok := ctx.Value(headerKey{}).(map[string]string); ok {
		for k, v := range sent {
			set(k, v)
		}
	}
	return h, nil
}
