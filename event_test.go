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
