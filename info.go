package antiphon

import (
	"context"
	"math"
)

// Info is what a function can learn about the request it is answering, beside
// the request itself. Ways fill what they know.
//
// Ownership: Header is shared and must not be modified.
type Info struct {
	// ID names the operation or ask, the same over all attempts.
	ID string
	// Kind is the name that the function is served under.
	Kind string
	// Attempt counts how often the request was handed out, from 1.
	Attempt int
	// Key is the idempotency key: equal for repetitions of one request.
	Key string
	// Header holds what the asker sent along, trace context included.
	Header map[string]string
}

type (
	infoKey     struct{}
	progressKey struct{}
)

// InfoFrom returns what ctx carries about the request, or the zero Info. Here and
// below, a nil ctx counts as context.Background().
func InfoFrom(ctx context.Context) Info {
	if ctx == nil {
		return Info{}
	}
	info, _ := ctx.Value(infoKey{}).(Info)
	return info
}

// WithInfo returns a context that carries info. It is for those who build a way
// and for tests of functions that call InfoFrom.
func WithInfo(ctx context.Context, info Info) context.Context {
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithValue(ctx, infoKey{}, info)
}

// Progress is how far some work has come, as the work reports it.
type Progress struct {
	// Percent is from 0 to 100.
	Percent float64
	// Message is for people. May be empty.
	Message string
	// Data is what the work added, or nil: the very value where asker and
	// answerer share memory, its encoded bytes ([]byte) where a wire lies
	// between them. DataAs reads both.
	Data any
}

// Report tells whoever asked how far the work in ctx has come; nobody may be
// listening, then it does nothing. percent is held within 0 to 100, and NaN
// counts as 0; data may be nil and is not to be modified afterwards.
//
// Report may be called by several goroutines at once. It does not wait for the
// asker.
func Report(ctx context.Context, percent float64, message string, data any) {
	if ctx == nil {
		return
	}
	tell, _ := ctx.Value(progressKey{}).(func(Progress))
	if tell == nil {
		return
	}
	tell(Progress{Percent: percentage(percent), Message: message, Data: data})
}

// percentage holds p within 0 to 100; what is not a number counts as 0.
func percentage(p float64) float64 {
	if math.IsNaN(p) {
		return 0
	}
	return min(max(p, 0), 100)
}

// WithProgress returns a context whose work reports to tell. An asker passes it
// to an Asker; a way that crosses a wire reads it there and calls tell on the
// asker's side. Reports that overtake each other, or come after the answer, are
// dropped by such a way.
//
// tell is called by the goroutine that reports or receives: it must not block,
// and must allow concurrent calls. A nil tell silences reports.
func WithProgress(ctx context.Context, tell func(Progress)) context.Context {
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithValue(ctx, progressKey{}, tell)
}

// DataAs returns the data of p as a T, decoded with c (nil: JSON) if it came
// over a wire. It fails with code invalid_argument if the data is no T.
func DataAs[T any](p Progress, c Codec) (T, error) {
	var v T
	switch data := p.Data.(type) {
	case T:
		return data, nil
	case []byte:
		if c == nil {
			c = JSON{}
		}
		err := c.Unmarshal(data, &v)
		return v, err
	}
	return v, Errorf(CodeInvalidArgument, "antiphon: progress data is %T, not %T", p.Data, v)
}
