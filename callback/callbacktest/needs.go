package callbacktest

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon/callback"
)

// abilities are what a wire can do, and can be done to it.
type abilities struct {
	wire   Wire
	ends   Ends
	caps   callback.Caps
	try    bool // both ends are TrySenders
	groups bool
	tells  bool // A is a Reconnector
	feeds  bool // inboxes are Feeders
	holds  bool // A is a Flusher
}

var (
	point         = need{Lack: "the wire has addresses", Has: func(h *abilities) bool { return h.caps.PointToPoint }}
	addresses     = need{Lack: "the wire is point-to-point", Has: func(h *abilities) bool { return !h.caps.PointToPoint }}
	another       = need{Lack: "Ends.Another is nil", Has: func(h *abilities) bool { return h.ends.Another != nil }}
	groups        = need{Lack: "listeners cannot share an address", Has: func(h *abilities) bool { return h.groups }}
	noGroups      = need{Lack: "listeners can share an address", Has: func(h *abilities) bool { return !h.groups }}
	settles       = need{Lack: "deliveries are not settled", Has: func(h *abilities) bool { return h.caps.SettledDelivery }}
	expires       = need{Lack: "the wire does not drop what has expired", Has: func(h *abilities) bool { return h.caps.NativeExpiry }}
	order         = need{Lack: "the wire does not keep the order", Has: func(h *abilities) bool { return !h.wire.NoOrder }}
	trySender     = need{Lack: "the transports have no TrySend", Has: func(h *abilities) bool { return h.try }}
	feeder        = need{Lack: "inboxes have no Feed", Has: func(h *abilities) bool { return h.feeds }}
	flusher       = need{Lack: "the transports have no Flush", Has: func(h *abilities) bool { return h.holds }}
	reconnect     = need{Lack: "the transport has no Reconnect, or cannot connect again", Has: func(h *abilities) bool { return h.tells && h.ends.Heal != nil }}
	cut           = need{Lack: "Ends.Cut is nil", Has: func(h *abilities) bool { return h.ends.Cut != nil }}
	survives      = need{Lack: "a cut loses what is under way", Has: func(h *abilities) bool { return h.wire.Resumes || h.caps.RepliesSurvive }}
	heal          = need{Lack: "Ends.Heal is nil", Has: func(h *abilities) bool { return h.ends.Heal != nil }}
	breaks        = need{Lack: "a cut is not noticed", Has: func(h *abilities) bool { return !h.wire.Resumes }}
	forgets       = need{Lack: "a cut loses nothing", Has: func(h *abilities) bool { return !h.wire.Resumes && !h.caps.RepliesSurvive }}
	stalls        = need{Lack: "the wire stores what is sent, and Ends.Stall is nil", Has: func(h *abilities) bool { return h.caps.PointToPoint || h.ends.Stall != nil }}
	garbage       = need{Lack: "Ends.Garbage is nil", Has: func(h *abilities) bool { return h.ends.Garbage != nil }}
	foreignAnswer = need{Lack: "Ends.Foreign.Answer is nil", Has: func(h *abilities) bool { return h.ends.Foreign != nil && h.ends.Foreign.Answer != nil }}
	foreignAsk    = need{Lack: "Ends.Foreign.Ask is nil", Has: func(h *abilities) bool { return h.ends.Foreign != nil && h.ends.Foreign.Ask != nil }}
)

// look opens the wire to see what it has.
func look(t *trial) *abilities {
	e := t.open()
	h := abilities{wire: t.wire, ends: *e, caps: e.A.Caps()}
	if caps := e.B.Caps(); caps != h.caps {
		t.Errorf("the ends of one wire differ: %+v, %+v", h.caps, caps)
	}
	if e.Flow == nil != (e.Stall == nil) {
		t.Errorf("Ends has one of Stall and Flow, which go together")
	}
	if e.Heal != nil && e.Cut == nil {
		t.Errorf("Ends has Heal but no Cut")
	}
	_, a := e.A.(callback.TrySender)
	_, b := e.B.(callback.TrySender)
	h.try = a && b
	_, h.tells = e.A.(callback.Reconnector)
	_, h.holds = e.A.(callback.Flusher)
	_, h.feeds = t.listen(e.A, "").(callback.Feeder)
	if g, ok := e.A.(callback.GroupListener); ok && !h.caps.PointToPoint {
		ctx, cancel := t.Patient()
		defer cancel()
		in, err := g.ListenGroup(ctx, t.name("look"), "group")
		if err == nil {
			_ = in.Close()
		}
		h.groups = !errors.Is(err, errors.ErrUnsupported)
	}
	switch {
	case h.groups && t.wire.NoGroups:
		t.Errorf("Wire.NoGroups says that there are none, but ListenGroup does not fail with errors.ErrUnsupported")
	case !h.groups && !t.wire.NoGroups && !h.caps.PointToPoint:
		t.Errorf("listeners cannot share an address; if that is as it should be, set Wire.NoGroups")
	}
	return &h
}

// ended reports whether err is what ended ctx.
func ended(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
}
