package futuretest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"runtime"
	"time"

	"github.com/antiphon-go/antiphon"
)

// errSoldOut is a sentinel as users define them.
var errSoldOut = &antiphon.Error{
	Code:    antiphon.CodeFailedPrecondition,
	Reason:  "futuretest.sold_out",
	Message: "sold out",
}

func checkErrorCode(t *trial) {
	type failure struct {
		err error
		is  []error
	}
	failures := []failure{
		{err: errors.New("plain")},
		{err: errSoldOut, is: []error{errSoldOut}},
		{err: fmt.Errorf("wrapped: %w", errSoldOut), is: []error{errSoldOut}},
		{err: errors.Join(errSoldOut, io.EOF), is: []error{errSoldOut, io.EOF}},
		{err: context.Canceled, is: []error{context.Canceled}},
		{err: fmt.Errorf("inner call: %w", context.DeadlineExceeded), is: []error{context.DeadlineExceeded}},
		{err: fmt.Errorf("read: %w", io.ErrUnexpectedEOF), is: []error{io.ErrUnexpectedEOF}},
		{err: fs.ErrNotExist, is: []error{fs.ErrNotExist}},
		{err: errors.ErrUnsupported, is: []error{errors.ErrUnsupported}},
		{err: &antiphon.Error{Code: "a_code_from_the_future", Message: "unknown code"}},
		{err: &antiphon.Error{Code: antiphon.CodeNotFound, Message: "with details", Details: map[string]string{"shelf": "ÿ 7", "": ""}}},
		{err: &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassNotAccepted, Message: "shed by f"}},
	}
	for _, code := range []antiphon.Code{
		antiphon.CodeCanceled, antiphon.CodeUnknown, antiphon.CodeInvalidArgument,
		antiphon.CodeDeadlineExceeded, antiphon.CodeNotFound, antiphon.CodeAlreadyExists,
		antiphon.CodePermissionDenied, antiphon.CodeResourceExhausted,
		antiphon.CodeFailedPrecondition, antiphon.CodeAborted, antiphon.CodeOutOfRange,
		antiphon.CodeUnimplemented, antiphon.CodeInternal, antiphon.CodeUnavailable,
		antiphon.CodeDataLoss, antiphon.CodeUnauthenticated,
	} {
		failures = append(failures, failure{err: &antiphon.Error{Code: code, Message: "of code " + string(code)}})
	}
	ask := t.open(func(_ context.Context, q Query) (Answer, error) { return Answer{}, failures[q.N].err })
	for i, want := range failures {
		got := t.outcome(ask(t.Context(), Query{N: i})).Err
		if got == nil {
			t.Errorf("f failed with %q, the future did not", want.err)
			continue
		}
		if g, w := antiphon.CodeOf(got), antiphon.CodeOf(want.err); g != w {
			t.Errorf("f failed with %q of code %s, the future with code %s", want.err, w, g)
		}
		if g, w := antiphon.ClassOf(got), antiphon.ClassOf(want.err); g != w {
			t.Errorf("f failed with %q of class %s, the future with class %s", want.err, w, g)
		}
		if g, w := antiphon.FromError(got), antiphon.FromError(want.err); g.Message != w.Message || !maps.Equal(g.Details, w.Details) {
			t.Errorf("f failed with %q %v, the future with %q %v", w.Message, w.Details, g.Message, g.Details)
		}
		for _, sentinel := range want.is {
			if !errors.Is(got, sentinel) {
				t.Errorf("f failed with %q, which is %q; the future's error %q is not", want.err, sentinel, got)
			}
		}
	}
}

func checkErrorAdvice(t *trial) {
	busy := errors.New("busy")
	failures := []error{busy, antiphon.Permanent(busy), antiphon.RetryAfter(busy, 1500*time.Millisecond)}
	ask := t.open(func(_ context.Context, q Query) (Answer, error) { return Answer{}, failures[q.N] })
	for i, want := range failures {
		got := t.outcome(ask(t.Context(), Query{N: i})).Err
		if g, w := antiphon.IsPermanent(got), antiphon.IsPermanent(want); g != w {
			t.Errorf("failure %d: permanent is %t, want %t", i, g, w)
		}
		g, _ := antiphon.RetryDelay(got)
		if w, _ := antiphon.RetryDelay(want); g != w {
			t.Errorf("failure %d: asks to wait %v, want %v", i, g, w)
		}
	}
}

func checkPanic(t *trial) {
	ask := t.open(func(_ context.Context, q Query) (Answer, error) {
		if q.N == 0 {
			panic("a mistake in f")
		}
		return Answer(q), nil
	})
	for range 3 {
		err := t.outcome(ask(t.Context(), Query{N: 0})).Err
		if code := antiphon.CodeOf(err); code != antiphon.CodeInternal {
			t.Errorf("a panic became code %q, want %q (%v)", code, antiphon.CodeInternal, err)
		}
		t.answered(ask(t.Context(), Query{N: 1}))
	}
}

func checkGoexit(t *trial) {
	ask := t.open(func(_ context.Context, q Query) (Answer, error) {
		if q.N == 0 {
			runtime.Goexit()
		}
		return Answer(q), nil
	})
	for range 3 {
		if r := t.outcome(ask(t.Context(), Query{N: 0})); r.Err == nil {
			t.Errorf("runtime.Goexit in f became the value %v", r.Value)
		}
		t.answered(ask(t.Context(), Query{N: 1}))
	}
}
