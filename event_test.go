package antiphon_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
)

func TestNilObserverCostsNothing(t *testing.T) {
	var o antiphon.Observer
	err := errors.New("x")
	if n := testing.AllocsPerRun(100, func() {
		o.Emit(antiphon.Event{Name: "a", Context: t.Context(), Kind: "k", Attempt: 1, Err: err})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestX7_PanickingObserverIsDropped(t *testing.T) {
	told := 0
	o := antiphon.Observers(
		func(antiphon.Event) { panic("mistake") },
		nil,
		func(antiphon.Event) { told++ },
	)
	o.Emit(antiphon.Event{Name: "a"})
	antiphon.Observer(func(antiphon.Event) { panic("mistake") }).Emit(antiphon.Event{})
	if told != 1 {
		t.Errorf("the next one was told %d times", told)
	}
}

func TestObservers(t *testing.T) {
	if antiphon.Observers() != nil || antiphon.Observers(nil, nil) != nil {
		t.Error("of nothing is not nil")
	}
	told := ""
	add := func(s string) antiphon.Observer { return func(antiphon.Event) { told += s } }
	antiphon.Observers(nil, add("a")).Emit(antiphon.Event{})
	antiphon.Observers(add("b"), nil, add("c")).Emit(antiphon.Event{})
	if told != "abc" {
		t.Errorf("told %q", told)
	}
}

// A handler that looks into the context finds that of the event, and is asked whether it
// wants the level before anything is made for it.
func TestSlogObserverPassesTheContext(t *testing.T) {
	type key struct{}
	h := &asked{}
	o := antiphon.SlogObserver(slog.New(h))
	o.Emit(antiphon.Event{Name: "a", Context: context.WithValue(t.Context(), key{}, "mine")})
	o.Emit(antiphon.Event{Name: "b", Err: errors.New("x")})
	if len(h.contexts) != 1 || h.contexts[0] == nil || len(h.levels) != 2 || h.levels[0] != slog.LevelDebug || h.levels[1] != slog.LevelWarn {
		t.Errorf("%+v", h)
	}
	if h.seen.Value(key{}) != "mine" {
		t.Error("Enabled got another context")
	}
	if n := testing.AllocsPerRun(100, func() { o.Emit(antiphon.Event{Name: "a", Context: t.Context(), Kind: "k", Attempt: 1}) }); n != 0 {
		t.Errorf("%v allocations for what is not logged", n)
	}
}

// asked is a handler that wants warnings alone.
type asked struct {
	slog.Handler
	seen     context.Context
	levels   []slog.Level
	contexts []context.Context
}

func (h *asked) Enabled(ctx context.Context, l slog.Level) bool {
	if h.seen == nil {
		h.seen = ctx
	}
	if len(h.levels) < 2 {
		h.levels = append(h.levels, l)
	}
	return l >= slog.LevelWarn
}

func (h *asked) Handle(ctx context.Context, _ slog.Record) error {
	h.contexts = append(h.contexts, ctx)
	return nil
}

func TestSlogObserver(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	o := antiphon.SlogObserver(logger)
	o.Emit(antiphon.Event{Name: "future.hedge"})
	o.Emit(antiphon.Event{
		Name: "future.retry", Context: context.Background(), Kind: "lookup", ID: "7", Attempt: 2,
		Duration: time.Second, Count: 3, Err: &antiphon.Error{Code: antiphon.CodeUnavailable, Message: "away"},
	})
	const want = "level=DEBUG msg=future.hedge\n" +
		"level=WARN msg=future.retry kind=lookup id=7 attempt=2 duration=1s count=3 code=unavailable class=unknown error=away\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	grouped := antiphon.SlogObserver(logger.With("app", "shop").WithGroup("antiphon"))
	traced := antiphon.WithTrace(t.Context(), map[string]string{"traceparent": "00-1", "tracestate": "s"})
	grouped.Emit(antiphon.Event{Name: "queue.snoozed", Context: traced, Kind: "mails", Duration: time.Second})
	if got, want := out.String(), "level=DEBUG msg=queue.snoozed app=shop antiphon.kind=mails antiphon.duration=1s antiphon.traceparent=00-1\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	out.Reset()
	quiet := slog.New(slog.NewTextHandler(&out, nil))
	antiphon.SlogObserver(quiet).Emit(antiphon.Event{Name: "future.hedge"})
	if out.Len() > 0 {
		t.Errorf("logged below its level: %s", out.String())
	}
	old := slog.Default()
	defer slog.SetDefault(old)
	o = antiphon.SlogObserver(nil)
	slog.SetDefault(logger)
	o.Emit(antiphon.Event{Name: "later"})
	if !strings.Contains(out.String(), "later") {
		t.Error("does not use the default of the time of the event")
	}
}
