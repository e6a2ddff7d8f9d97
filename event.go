package antiphon

import (
	"context"
	"log/slog"
	"time"
)

// An Event says that something happened that an operator may want to count or
// see. Names are "package.what", and each package lists its own. Events hold
// no payloads and no secrets.
type Event struct {
	// Name is what happened, for example "future.retry".
	Name string
	// Context is that of the request, for trace context; nil if there is none.
	Context context.Context
	// Kind is what it happened to: the name of a function, queue or endpoint.
	Kind string
	// ID is the operation or ask, if any.
	ID string
	// Attempt counts from 1; 0 where it means nothing.
	Attempt int
	// Duration is how long it took, or will be waited, as the event's list says.
	Duration time.Duration
	// Count is how many it happened to; 0 means one.
	Count int
	// Err is why, or nil.
	Err error
}

// An Observer is told of events. A nil Observer costs nothing.
//
// It is called on the goroutine where the event happens, never under a lock of
// ours, by several goroutines at once. It must not block. A panic in it is
// dropped.
type Observer func(Event)

// Emit calls o with e unless o is nil.
func (o Observer) Emit(e Event) {
	if o != nil {
		o.emit(e)
	}
}

func (o Observer) emit(e Event) {
	defer func() { _ = recover() }() // an observer must not break what it observes
	o(e)
}

// Observers returns an Observer that passes each event to all of obs, in order,
// leaving out the nil ones. It is nil if none is left.
func Observers(obs ...Observer) Observer {
	kept := make([]Observer, 0, len(obs))
	for _, o := range obs {
		if o != nil {
			kept = append(kept, o)
		}
	}
	switch len(kept) {
	case 0:
		return nil
	case 1:
		return kept[0]
	}
	return func(e Event) {
		for _, o := range kept {
			o.emit(e)
		}
	}
}

// SlogObserver returns an Observer that logs events to l, or to slog.Default()
// as it is at the time of the event if l is nil: at level Warn where the event
// has an error, else at level Debug. The message is the event's name; the
// attributes are kind, id, attempt, duration, count, code, class, error, and the
// traceparent of TraceFrom, as far as they are set. l gets the context of the event.
func SlogObserver(l *slog.Logger) Observer {
	return func(e Event) {
		l := l
		if l == nil {
			l = slog.Default()
		}
		ctx := e.Context
		if ctx == nil {
			ctx = context.Background()
		}
		level := slog.LevelDebug
		if e.Err != nil {
			level = slog.LevelWarn
		}
		if !l.Enabled(ctx, level) {
			return
		}
		var attrs [9]slog.Attr
		n := 0
		add := func(set bool, a slog.Attr) {
			if set {
				attrs[n] = a
				n++
			}
		}
		add(e.Kind != "", slog.String("kind", e.Kind))
		add(e.ID != "", slog.String("id", e.ID))
		add(e.Attempt != 0, slog.Int("attempt", e.Attempt))
		add(e.Duration != 0, slog.Duration("duration", e.Duration))
		add(e.Count != 0, slog.Int("count", e.Count))
		if e.Err != nil {
			add(true, slog.String("code", string(CodeOf(e.Err))))
			add(true, slog.String("class", string(ClassOf(e.Err))))
			add(true, slog.String("error", e.Err.Error()))
		}
		if parent := InfoFrom(ctx).Header[traceParent]; parent != "" {
			add(true, slog.String(traceParent, parent))
		}
		l.LogAttrs(ctx, level, e.Name, attrs[:n]...)
	}
}
