package antiphon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
)

func BenchmarkEmitNil(b *testing.B) {
	var o antiphon.Observer
	b.ReportAllocs()
	for b.Loop() {
		o.Emit(antiphon.Event{Name: "a", Attempt: 1})
	}
}

func BenchmarkBackoff(b *testing.B) {
	backoff := antiphon.Exponential(time.Second, time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		_ = backoff(7)
	}
}

func BenchmarkClassOf(b *testing.B) {
	for name, err := range map[string]error{"plain": errors.New("x"), "wrapped": fmt.Errorf("x: %w", ErrNoSuchBook)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = antiphon.ClassOf(err)
			}
		})
	}
}

func BenchmarkErrorOverWire(b *testing.B) {
	err := fmt.Errorf("x: %w", ErrNoSuchBook)
	b.ReportAllocs()
	for b.Loop() {
		data, _ := json.Marshal(antiphon.FromError(err))
		_ = json.Unmarshal(data, new(antiphon.Error))
	}
}

func BenchmarkOperationJSON(b *testing.B) {
	o := whole()
	b.ReportAllocs()
	for b.Loop() {
		data, _ := json.Marshal(o)
		_ = json.Unmarshal(data, new(antiphon.Operation))
	}
}

func BenchmarkJSONCodec(b *testing.B) {
	data := []byte(`{"a":[1,2,3],"b":{"c":"some text that is not short"}}`)
	var v struct{ A []int }
	b.ReportAllocs()
	for b.Loop() {
		_ = antiphon.JSON{}.Unmarshal(data, &v)
	}
}
