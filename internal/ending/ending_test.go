package ending_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
)

var (
	errWhat error = &antiphon.Error{Code: antiphon.CodeAborted, Class: antiphon.ClassNotAccepted, Reason: "test.what", Message: "test: ended"}
	errLast       = errors.New("the last one failed")
)

// A discreet error has another text for others.
type discreet struct{}

func (discreet) Error() string { return "secret" }
func (discreet) AntiphonError() *antiphon.Error {
	return &antiphon.Error{Code: antiphon.CodeInternal, Message: "sorry"}
}

func TestAnErrorIsAllOfIt(t *testing.T) {
	e := ending.Because(errWhat, nil, context.Canceled, discreet{}, errLast)
	if got, want := e.Error(), "test: ended: context canceled: secret: the last one failed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	data, err := json.Marshal(antiphon.FromError(e))
	if err != nil {
		t.Fatal(err)
	}
	far := new(antiphon.Error)
	if err := json.Unmarshal(data, far); err != nil {
		t.Fatal(err)
	}
	for side, err := range map[string]error{"near": e, "far": far} {
		if !errors.Is(err, errWhat) || !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: it is something else: %v", side, err)
		}
		if antiphon.CodeOf(err) != antiphon.CodeAborted || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Errorf("%s: %s, %s", side, antiphon.CodeOf(err), antiphon.ClassOf(err))
		}
	}
	if !errors.Is(e, errLast) || !errors.As(e, new(discreet)) {
		t.Error("it is not what it was made from")
	}
	if got, want := far.Message, "test: ended: context canceled: sorry: the last one failed"; got != want {
		t.Errorf("far: %q, want %q", got, want)
	}
}

func TestCause(t *testing.T) {
	aborted := antiphon.Errorf(antiphon.CodeAborted, "%w", context.Canceled)
	own := errors.New("of its own")
	ctx := t.Context()
	if ending.Cause(ctx) != nil {
		t.Error("it has not ended")
	}
	for name, tt := range map[string]struct {
		cause error
		same  bool
	}{
		"none":              {nil, true},
		"its Err's":         {antiphon.Errorf(antiphon.CodeCanceled, "enough"), true},
		"its own":           {own, false},
		"discreet":          {discreet{}, false},
		"with another code": {aborted, false},
	} {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(tt.cause)
		cause := context.Cause(ctx)
		e := ending.GaveUp(ctx, errWhat, antiphon.ClassUnknown)
		for what, err := range map[string]error{"Cause": ending.Cause(ctx), "GaveUp": e} {
			if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %s is not why the context ended: %v", name, what, err)
			}
			if antiphon.CodeOf(err) != antiphon.CodeCanceled {
				t.Errorf("%s: %s has code %s", name, what, antiphon.CodeOf(err))
			}
		}
		if err := ending.Cause(ctx); (err == cause) != tt.same || err.Error() != cause.Error() || antiphon.FromError(err).Message != antiphon.FromError(cause).Message {
			t.Errorf("%s: %v for %v", name, err, cause)
		}
		if e.Class != antiphon.ClassUnknown || !errors.Is(e, errWhat) {
			t.Errorf("%s: %v of class %s", name, e, e.Class)
		}
	}
	dead, cancel := context.WithTimeout(ctx, -1)
	defer cancel()
	if err := ending.Cause(dead); err != context.DeadlineExceeded {
		t.Error(err)
	}
}

func TestFailure(t *testing.T) {
	whole := &antiphon.Error{Code: antiphon.CodeAborted, Message: "broken"}
	for state, code := range map[antiphon.State]antiphon.Code{
		antiphon.StateFailed:   antiphon.CodeUnknown,
		antiphon.StateCanceled: antiphon.CodeCanceled,
		antiphon.StateExpired:  antiphon.CodeDeadlineExceeded,
		"exploded":             antiphon.CodeUnknown,
	} {
		if got := ending.Failure("test: it", state, whole, "at last"); got != whole {
			t.Errorf("%s: %v", state, got)
		}
		bare := &antiphon.Error{Message: "bare", Class: antiphon.ClassNotAccepted}
		if got := ending.Failure("test: it", state, bare, "at last"); got.Code != code || got.Message != "bare" || got.Class != antiphon.ClassNotAccepted {
			t.Errorf("%s: %+v", state, got)
		}
		if bare.Code != "" {
			t.Errorf("%s: what was given is changed", state)
		}
		got := ending.Failure("test: it", state, nil, "at last")
		if got.Code != code || got.Class != antiphon.ClassFailed || got.Message != "test: it ended as "+string(state)+": at last" {
			t.Errorf("%s: %+v", state, got)
		}
		if got := ending.Failure("test: it", state, nil, ""); got.Message != "test: it ended as "+string(state) {
			t.Errorf("%s: %+v", state, got)
		}
	}
}
