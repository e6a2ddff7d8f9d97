package future_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func is(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%v is not %v", err, target)
	}
}

func isNot(t testing.TB, err, target error) {
	t.Helper()
	if errors.Is(err, target) {
		t.Errorf("%v is %v", err, target)
	}
}

func same[T comparable](t testing.TB, want, got T) {
	t.Helper()
	if got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func has(t testing.TB, s, part string) {
	t.Helper()
	if !strings.Contains(s, part) {
		t.Errorf("%q is missing in %s", part, s)
	}
}

func lacks(t testing.TB, s, part string) {
	t.Helper()
	if strings.Contains(s, part) {
		t.Errorf("%q is not to be in %s", part, s)
	}
}

// wire sends err as an answerer would, and returns what the asker gets.
func wire(t testing.TB, err error) (*antiphon.Error, string) {
	t.Helper()
	data, jsonErr := json.Marshal(antiphon.FromError(err))
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	var far antiphon.Error
	if err := json.Unmarshal(data, &far); err != nil {
		t.Fatal(err)
	}
	return &far, string(data)
}

func panicked(t testing.TB, v any) error {
	t.Helper()
	_, err := future.Go(t.Context(), func(context.Context) (int, error) { panic(v) }).Await(t.Context())
	return err
}

// The sentinels keep their identity, code and class across a wire.
func TestSentinelsOnAWire(t *testing.T) {
	for _, c := range []struct {
		err   error
		code  antiphon.Code
		class antiphon.Class
	}{
		{future.ErrPending, antiphon.CodeUnknown, antiphon.ClassUnknown},
		{future.ErrPanic, antiphon.CodeInternal, antiphon.ClassFailed},
		{future.ErrGoexit, antiphon.CodeInternal, antiphon.ClassFailed},
		{future.ErrAbandoned, antiphon.CodeAborted, antiphon.ClassUnknown},
		{future.ErrNone, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted},
		{future.ErrNotStarted, antiphon.CodeCanceled, antiphon.ClassNotAccepted},
		{future.ErrTimeout, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown},
		{future.ErrFull, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted},
		{future.ErrLost, antiphon.CodeCanceled, antiphon.ClassUnknown},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			far, _ := wire(t, err)
			is(t, far, c.err)
			same(t, c.code, antiphon.CodeOf(far))
			same(t, c.class, antiphon.ClassOf(far))
			same(t, c.class, antiphon.ClassOf(err))
		}
	}
	is(t, future.ErrTimeout, context.DeadlineExceeded)
	is(t, future.ErrLost, context.Canceled)
	isNot(t, future.ErrPending, future.ErrPanic)
}

func TestF6_PanicErrorSaysWhatAndWhere(t *testing.T) {
	err := panicked(t, "hunter2")
	var p *future.PanicError
	if !errors.As(err, &p) {
		t.Fatalf("%T", err)
	}
	same[any](t, "hunter2", p.Value)
	same(t, "future: panic: hunter2", p.Error())
	has(t, string(p.Stack), "errors_test.go")
	lacks(t, p.Error(), "errors_test.go")
	same(t, nil, p.Unwrap())
	is(t, err, future.ErrPanic)
	isNot(t, err, future.ErrGoexit)
	isNot(t, err, future.ErrPending)
	same(t, antiphon.CodeInternal, antiphon.CodeOf(err))
	same(t, true, antiphon.IsPermanent(err))

	err = panicked(t, errBoom)
	is(t, err, errBoom)
	is(t, err, future.ErrPanic)

	err = panicked(t, nil) // a *runtime.PanicNilError since Go 1.21, and no Goexit
	var none *runtime.PanicNilError
	same(t, true, errors.As(err, &none))
	is(t, err, future.ErrPanic)

	var rt runtime.Error
	_, err = future.Map(future.Of([]int{}), func(s []int) (int, error) { return s[0], nil }).Await(t.Context())
	same(t, true, errors.As(err, &rt))
}

// However a panic's error is wrapped, joined, or the cause of another, what was
// panicked with and where stays at home.
func TestF6_PanicsKeepTheirSecretsOnEveryWire(t *testing.T) {
	secret := panicked(t, fmt.Errorf("hunter2: %w", errBoom))
	over, cancel := context.WithCancelCause(context.Background())
	cancel(secret)
	var p future.Promise[int]
	_, gaveUp := p.Future().Await(over)
	is(t, gaveUp, future.ErrPending)
	plain := antiphon.Errorf(antiphon.CodeNotFound, "no such thing")
	for name, err := range map[string]error{
		"itself":            secret,
		"wrapped":           fmt.Errorf("outer: %w", secret),
		"joined":            errors.Join(errCause, secret),
		"after an Error":    errors.Join(plain, secret),
		"both":              fmt.Errorf("%w and %w", plain, secret),
		"the cause to wait": gaveUp,
		"of Any":            errOf(future.Any(future.Failed[int](plain), future.Failed[int](secret))),
	} {
		t.Log(name)
		far, data := wire(t, err)
		is(t, far, future.ErrPanic)
		for _, s := range []string{"hunter2", "boom", "errors_test.go", "goroutine"} {
			lacks(t, data, s)
		}
	}
	// At home nothing is hidden.
	has(t, gaveUp.Error(), "hunter2")
	is(t, gaveUp, errBoom)
}

func errOf[T any](f *future.Future[T]) error {
	_, err := f.Await(context.Background())
	return err
}

// A waiter's error: what, why, and of which code and class, here and afar.
func TestF3_ErrorOfAWaiterThatGaveUp(t *testing.T) {
	var p future.Promise[int]
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	reasoned, cancelCause := context.WithCancelCause(context.Background())
	cancelCause(errCause)
	odd, cancelOdd := context.WithCancelCause(context.Background())
	cancelOdd(context.DeadlineExceeded) // the cause has another code than ctx.Err()
	timed, cancelTimed := context.WithTimeoutCause(context.Background(), 0, errCause)
	defer cancelTimed()
	for name, c := range map[string]struct {
		ctx  context.Context
		code antiphon.Code
	}{
		"canceled":               {canceled, antiphon.CodeCanceled},
		"with a cause":           {reasoned, antiphon.CodeCanceled},
		"with the other's cause": {odd, antiphon.CodeCanceled},
		"timed out with a cause": {timed, antiphon.CodeDeadlineExceeded},
	} {
		t.Log(name)
		v, err := p.Future().Await(c.ctx)
		same(t, 0, v)
		far, _ := wire(t, err)
		for _, err := range []error{err, far} {
			is(t, err, future.ErrPending)
			is(t, err, c.ctx.Err())
			same(t, c.code, antiphon.CodeOf(err))
			same(t, antiphon.ClassUnknown, antiphon.ClassOf(err))
		}
		is(t, err, context.Cause(c.ctx))
		same(t, true, strings.HasPrefix(err.Error(), "future: gave up waiting: "))
	}
}

// The work may return what it likes, and nothing that it does not return is
// ErrPending.
func TestErrorOfTheWorkIsPendingOnlyIfItSaysSo(t *testing.T) {
	for _, err := range []error{errBoom, context.Canceled, context.DeadlineExceeded, future.ErrLost, future.ErrTimeout, panicked(t, 1)} {
		isNot(t, errOf(future.Failed[int](err)), future.ErrPending)
		is(t, errOf(future.Failed[int](err)), err)
	}
	is(t, errOf(future.Failed[int](future.ErrPending)), future.ErrPending)
}

// A nil function or future is an error of the caller's, never a hang.
func TestNilFunctionsAndFutures(t *testing.T) {
	var none *future.Future[int]
	some := future.Of(1)
	never := new(future.Promise[int]).Future()
	for name, err := range map[string]error{
		"Map nil":             errOf(future.Map(none, inc)),
		"Map by nil":          errOf(future.Map[int, int](some, nil)),
		"Map pending by nil":  errOf(future.Map[int, int](never, nil)),
		"Recover nil":         errOf(future.Recover(none, func(error) (int, error) { return 0, nil })),
		"Recover by nil":      errOf(future.Recover(never, nil)),
		"Then nil":            errOf(future.Then(none, func(int) *future.Future[int] { return some })),
		"Then by nil":         errOf(future.Then[int, int](never, nil)),
		"Then to nil":         errOf(future.Then(some, func(int) *future.Future[int] { return nil })),
		"All nil":             errOf(future.All(never, none)),
		"Any nil":             errOf(future.Any(none, none)),
		"Race nil":            errOf(future.Race(never, none)),
		"Go nil":              errOf(future.Go[int](t.Context(), nil)),
		"Call nil":            errOf(future.Call[int, int](t.Context(), nil, 0)),
		"First nil":           errOf(future.First[int](t.Context(), nil)),
		"First of nil":        errOf(future.First(t.Context(), func(context.Context) *future.Future[int] { return nil })),
		"Settled's only item": valueOf(future.Settled(none))[0].Err,
	} {
		t.Log(name)
		same(t, antiphon.CodeInvalidArgument, antiphon.CodeOf(err))
		same(t, antiphon.ClassNotAccepted, antiphon.ClassOf(err))
	}
}

func valueOf[T any](f *future.Future[T]) T {
	v, _ := f.Await(context.Background())
	return v
}
