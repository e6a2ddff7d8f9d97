package antiphon_test

import (
	"context"
	"math"
	"reflect"
	"testing"

	"github.com/antiphon-go/antiphon"
)

func TestInfo(t *testing.T) {
	ctx := context.Background()
	if got := antiphon.InfoFrom(ctx); !reflect.DeepEqual(got, antiphon.Info{}) {
		t.Errorf("without: %+v", got)
	}
	want := antiphon.Info{ID: "i", Kind: "k", Attempt: 2, Key: "key", Header: map[string]string{"traceparent": "00-…"}}
	if got := antiphon.InfoFrom(antiphon.WithInfo(ctx, want)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestReport(t *testing.T) {
	ctx := context.Background()
	antiphon.Report(ctx, 50, "nobody listens", nil)
	antiphon.Report(antiphon.WithProgress(ctx, nil), 50, "nobody listens", nil)

	var got []antiphon.Progress
	ctx = antiphon.WithProgress(ctx, func(p antiphon.Progress) { got = append(got, p) })
	antiphon.Report(ctx, 12.5, "a", 7)
	antiphon.Report(ctx, -1, "", nil)
	antiphon.Report(ctx, 1e9, "", nil)
	antiphon.Report(ctx, math.NaN(), "", nil)
	antiphon.Report(antiphon.WithProgress(ctx, nil), 50, "silenced", nil)
	want := []antiphon.Progress{{Percent: 12.5, Message: "a", Data: 7}, {Percent: 0}, {Percent: 100}, {Percent: 0}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestDataAs(t *testing.T) {
	type page struct{ N int }
	for name, data := range map[string]any{"the very value": page{7}, "its bytes": []byte(`{"N":7}`)} {
		if got, err := antiphon.DataAs[page](antiphon.Progress{Data: data}, nil); err != nil || got.N != 7 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, data := range []any{nil, "text", []byte(`{`), 7} {
		if _, err := antiphon.DataAs[page](antiphon.Progress{Data: data}, antiphon.JSON{}); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%v: %v", data, err)
		}
	}
	if got, err := antiphon.DataAs[[]byte](antiphon.Progress{Data: []byte("raw")}, nil); err != nil || string(got) != "raw" {
		t.Errorf("bytes as bytes: %q, %v", got, err)
	}
}

func TestX5_NilContexts(t *testing.T) {
	var none context.Context
	antiphon.Report(none, 50, "nobody listens", nil)
	if info := antiphon.InfoFrom(none); info.ID != "" || info.Attempt != 0 {
		t.Errorf("%+v", info)
	}
	if info := antiphon.InfoFrom(antiphon.WithInfo(none, antiphon.Info{ID: "7"})); info.ID != "7" {
		t.Errorf("%+v", info)
	}
	var told float64
	antiphon.Report(antiphon.WithProgress(none, func(p antiphon.Progress) { told = p.Percent }), 50, "", nil)
	if told != 50 {
		t.Errorf("told %v", told)
	}
}
