package antiphon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/antiphon-go/antiphon"
)

var errSoldOut = &antiphon.Error{
	Code:    antiphon.CodeFailedPrecondition,
	Reason:  "shop.sold_out",
	Message: "sold out",
}

var errClosed = &antiphon.Error{Code: antiphon.CodeUnavailable, Reason: "shop.closed"}

// overWire sends err to the far side and back.
func overWire(t testing.TB, err error) error {
	t.Helper()
	data, e := json.Marshal(antiphon.FromError(err))
	if e != nil {
		t.Fatalf("%v does not encode: %v", err, e)
	}
	got := new(antiphon.Error)
	if e := json.Unmarshal(data, got); e != nil {
		t.Fatalf("%s does not decode: %v", data, e)
	}
	return got
}

func TestErrorSurvivesTheWire(t *testing.T) {
	for _, c := range []struct {
		err   error
		code  antiphon.Code
		class antiphon.Class
		is    []error
	}{
		{errors.New("plain"), antiphon.CodeUnknown, antiphon.ClassFailed, nil},
		{context.Canceled, antiphon.CodeCanceled, antiphon.ClassUnknown, []error{context.Canceled}},
		{context.DeadlineExceeded, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, []error{context.DeadlineExceeded}},
		{fmt.Errorf("asking: %w", context.DeadlineExceeded), antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, []error{context.DeadlineExceeded}},
		{os.ErrDeadlineExceeded, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, []error{os.ErrDeadlineExceeded}},
		{&net.DNSError{IsTimeout: true}, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, nil},
		{errSoldOut, antiphon.CodeFailedPrecondition, antiphon.ClassFailed, []error{errSoldOut}},
		{fmt.Errorf("cart: %w", errSoldOut), antiphon.CodeFailedPrecondition, antiphon.ClassFailed, []error{errSoldOut}},
		{errors.Join(errSoldOut, errClosed, io.EOF), antiphon.CodeFailedPrecondition, antiphon.ClassFailed, []error{errSoldOut, errClosed, io.EOF}},
		{fmt.Errorf("%w and %w", errClosed, errSoldOut), antiphon.CodeUnavailable, antiphon.ClassUnknown, []error{errSoldOut, errClosed}},
		{antiphon.Errorf(antiphon.CodeAborted, "lost: %w", errSoldOut), antiphon.CodeAborted, antiphon.ClassFailed, []error{errSoldOut}},
		{antiphon.Errorf(antiphon.CodeAborted, "%w, %w", errSoldOut, io.EOF), antiphon.CodeAborted, antiphon.ClassFailed, []error{errSoldOut, io.EOF}},
		{fs.ErrNotExist, antiphon.CodeNotFound, antiphon.ClassFailed, []error{fs.ErrNotExist}},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrExist}, antiphon.CodeAlreadyExists, antiphon.ClassFailed, []error{fs.ErrExist}},
		{fs.ErrPermission, antiphon.CodePermissionDenied, antiphon.ClassFailed, []error{fs.ErrPermission}},
		{fs.ErrInvalid, antiphon.CodeInvalidArgument, antiphon.ClassFailed, []error{fs.ErrInvalid}},
		{fs.ErrClosed, antiphon.CodeUnknown, antiphon.ClassFailed, []error{fs.ErrClosed}},
		{net.ErrClosed, antiphon.CodeUnknown, antiphon.ClassFailed, []error{net.ErrClosed}},
		{io.ErrUnexpectedEOF, antiphon.CodeUnknown, antiphon.ClassFailed, []error{io.ErrUnexpectedEOF}},
		{errors.ErrUnsupported, antiphon.CodeUnimplemented, antiphon.ClassFailed, []error{errors.ErrUnsupported}},
		{&antiphon.Error{Code: "from_the_future"}, "from_the_future", antiphon.ClassFailed, nil},
		{&antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassNotAccepted}, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, nil},
		{&antiphon.Error{}, antiphon.CodeUnknown, antiphon.ClassFailed, nil},
		{outOfInk{3}, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, []error{errOutOfInk}},
		{fmt.Errorf("page 7: %w", outOfInk{3}), antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, []error{errOutOfInk}},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			far := overWire(t, c.err)
			twice := overWire(t, far)
			for side, err := range map[string]error{"near": c.err, "far": far, "twice": twice, "wrapped": fmt.Errorf("x: %w", far)} {
				if got := antiphon.CodeOf(err); got != c.code {
					t.Errorf("%s: code %s, want %s", side, got, c.code)
				}
				if got := antiphon.ClassOf(err); got != c.class {
					t.Errorf("%s: class %s, want %s", side, got, c.class)
				}
				if side == "near" {
					continue
				}
				for _, target := range c.is {
					if !errors.Is(err, target) {
						t.Errorf("%s: %v is not %v", side, err, target)
					}
				}
				for _, target := range []error{context.Canceled, context.DeadlineExceeded, errSoldOut, errClosed, io.EOF, fs.ErrNotExist, &antiphon.Error{}} {
					if errors.Is(err, target) && !errors.Is(c.err, target) && !(target == context.DeadlineExceeded && c.code == antiphon.CodeDeadlineExceeded) {
						t.Errorf("%s: %v became %v", side, err, target)
					}
				}
			}
			if _, own := c.err.(outOfInk); !own && far.Error() != c.err.Error() && antiphon.CodeOf(c.err) != antiphon.CodeResourceExhausted {
				t.Errorf("text %q became %q", c.err, far)
			}
			var e *antiphon.Error
			if !errors.As(far, &e) {
				t.Errorf("errors.As finds no *Error in %v", far)
			}
			if errors.Unwrap(far) != nil {
				t.Errorf("%v wraps something on the far side", far)
			}
		})
	}
}

// outOfInk is a type of a user's own.
type outOfInk struct{ page int }

var errOutOfInk = &antiphon.Error{Reason: "printer.out_of_ink"}

func (outOfInk) Error() string { return "out of ink at a secret place" }

func (o outOfInk) AntiphonError() *antiphon.Error {
	return &antiphon.Error{
		Code:    antiphon.CodeResourceExhausted,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "printer.out_of_ink",
		Message: "out of ink",
		Details: map[string]string{"page": fmt.Sprint(o.page)},
	}
}

func TestDescriberDecidesWhatTravels(t *testing.T) {
	var far *antiphon.Error
	errors.As(overWire(t, fmt.Errorf("wrapped: %w", outOfInk{3})), &far)
	if far.Message != "out of ink" || far.Details["page"] != "3" {
		t.Errorf("%q with details %v", far.Message, far.Details)
	}
}

func TestFromError(t *testing.T) {
	if antiphon.FromError(nil) != nil {
		t.Error("nil is not nil")
	}
	if antiphon.FromError(errSoldOut) != errSoldOut {
		t.Error("an *Error is not itself")
	}
	cause := errors.New("cause")
	if e := antiphon.FromError(fmt.Errorf("x: %w", cause)); !errors.Is(e, cause) {
		t.Error("the wire form does not wrap the error on this side")
	}
	if e := antiphon.FromError(fmt.Errorf("x: %w", io.EOF)); !errors.Is(e, io.EOF) {
		t.Error("the wire form is not io.EOF on this side")
	}
}

func TestErrorf(t *testing.T) {
	cause := errors.New("cause")
	e := antiphon.Errorf(antiphon.CodeAborted, "step %d: %w", 2, cause)
	if e.Error() != "step 2: cause" || e.Code != antiphon.CodeAborted || !errors.Is(e, cause) {
		t.Errorf("%q of code %s", e, e.Code)
	}
	if antiphon.Errorf(antiphon.CodeAborted, "nothing wrapped").Unwrap() != nil {
		t.Error("wraps something")
	}
	kept := antiphon.Errorf(antiphon.CodeAborted, "%w", antiphon.Permanent(&antiphon.Error{Class: antiphon.ClassNotAccepted}))
	if antiphon.ClassOf(kept) != antiphon.ClassNotAccepted || !antiphon.IsPermanent(overWire(t, kept)) {
		t.Error("class or advice of what was wrapped is lost")
	}
	after := antiphon.Errorf(antiphon.CodeAborted, "%w", antiphon.RetryAfter(cause, time.Minute))
	if d, _ := antiphon.RetryDelay(overWire(t, after)); d != time.Minute {
		t.Errorf("asks to wait %v", d)
	}
}

func TestNilErrors(t *testing.T) {
	if antiphon.CodeOf(nil) != "" || antiphon.ClassOf(nil) != "" {
		t.Error("nil has a code or class")
	}
}

func TestErrorText(t *testing.T) {
	if got := (&antiphon.Error{Code: antiphon.CodeNotFound}).Error(); got != "not_found" {
		t.Errorf("without a message: %q", got)
	}
	if got := (&antiphon.Error{}).Error(); got != "unknown" {
		t.Errorf("zero: %q", got)
	}
}

func TestSentinelsAreToldApart(t *testing.T) {
	if errors.Is(errSoldOut, errClosed) || errors.Is(&antiphon.Error{Code: antiphon.CodeNotFound}, &antiphon.Error{Code: antiphon.CodeNotFound}) {
		t.Error("errors of different or no reason are the same")
	}
	if !errors.Is(&antiphon.Error{Reason: "shop.sold_out", Code: antiphon.CodeInternal}, errSoldOut) {
		t.Error("errors of the same reason are not the same")
	}
}

func TestErrorJSON(t *testing.T) {
	e := &antiphon.Error{
		Code: antiphon.CodeUnavailable, Class: antiphon.ClassNotAccepted, Reason: "a.b", Message: "text",
		Details: map[string]string{"k": "v"}, Marks: []string{"io.eof"}, Permanent: true,
		RetryAfter: 1500*time.Microsecond + 1,
	}
	const want = `{"code":"unavailable","message":"text","class":"not_accepted","reason":"a.b","details":{"k":"v"},"marks":["io.eof"],"permanent":true,"retryAfterMs":2}`
	if got, _ := json.Marshal(e); string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, _ := json.Marshal(&antiphon.Error{}); string(got) != `{"code":"unknown","message":"unknown"}` {
		t.Errorf("zero: %s", got)
	}
}

func TestX6_HostileErrorJSONIsCut(t *testing.T) {
	var details, marks []string
	for i := range 1000 {
		details = append(details, fmt.Sprintf(`"d%04d":%q`, i, strings.Repeat("x", 5000)))
		marks = append(marks, fmt.Sprintf("%q", strings.Repeat("m", 500)))
	}
	hostile := fmt.Sprintf(`{"code":%q,"class":%[1]q,"reason":%[1]q,"message":%[1]q,"details":{%s},"marks":[%s],"retryAfterMs":9223372036854775807}`,
		strings.Repeat("é", 50_000), strings.Join(details, ","), strings.Join(marks, ","))
	var e antiphon.Error
	if err := json.Unmarshal([]byte(hostile), &e); err != nil {
		t.Fatal(err)
	}
	if len(e.Code) > 128 || len(e.Class) > 128 || len(e.Reason) > 128 || len(e.Message) > 4<<10 || len(e.Details) > 64 || len(e.Marks) > 32 {
		t.Errorf("kept %d %d %d %d bytes, %d details, %d marks", len(e.Code), len(e.Class), len(e.Reason), len(e.Message), len(e.Details), len(e.Marks))
	}
	for k, v := range e.Details {
		if len(k) > 128 || len(v) > 1<<10 {
			t.Errorf("detail of %d and %d bytes", len(k), len(v))
		}
	}
	for _, m := range e.Marks {
		if len(m) > 128 {
			t.Errorf("mark of %d bytes", len(m))
		}
	}
	if !utf8.ValidString(e.Message) {
		t.Error("a character is cut in two")
	}
	if e.RetryAfter < math.MaxInt64/2 {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	if err := json.Unmarshal([]byte(`{"retryAfterMs":-5}`), &e); err != nil || e.RetryAfter != 0 {
		t.Errorf("negative delay: %v, %v", e.RetryAfter, err)
	}
	if err := json.Unmarshal([]byte(`{"code":7}`), &e); err == nil {
		t.Error("a number is taken for a code")
	}
	long := &antiphon.Error{Message: strings.Repeat("x", 1<<20) + "\xff"}
	if data, _ := json.Marshal(long); len(data) > 5<<10 {
		t.Errorf("%d bytes sent", len(data))
	}
}

// What is cut stays text, and within its bound, whatever its bytes are.
func TestX6_CutBetweenRunes(t *testing.T) {
	const most = 4 << 10
	for name, c := range map[string]struct{ in, want string }{
		"at the bound":          {strings.Repeat("x", most), strings.Repeat("x", most)},
		"over it":               {strings.Repeat("x", most+1), strings.Repeat("x", most)},
		"a rune over it":        {strings.Repeat("x", most-1) + "é", strings.Repeat("x", most-1)},
		"a rune that fits":      {strings.Repeat("x", most-2) + "éé", strings.Repeat("x", most-2) + "é"},
		"bad bytes":             {"a\xffb", "a\uFFFDb"},
		"bad bytes, which grow": {strings.Repeat("\xffa", most), strings.Repeat("\uFFFDa", most/4)},
		"bad bytes at the end":  {strings.Repeat("x", most-1) + "\xff", strings.Repeat("x", most-1)},
	} {
		data, err := json.Marshal(&antiphon.Error{Message: c.in})
		if err != nil {
			t.Fatal(err)
		}
		var sent struct{ Message string }
		if err := json.Unmarshal(data, &sent); err != nil || sent.Message != c.want {
			t.Errorf("%s: %d bytes came out as %d, want %d (%v)", name, len(c.in), len(sent.Message), len(c.want), err)
		}
		var back antiphon.Error
		if err := json.Unmarshal(data, &back); err != nil || back.Message != c.want {
			t.Errorf("%s: read as %d bytes, want %d (%v)", name, len(back.Message), len(c.want), err)
		}
	}
}

// A tree of errors can be as wide, deep or cyclic as its maker likes.
type cyclic struct{}

func (c *cyclic) Error() string   { return "cyclic" }
func (c *cyclic) Unwrap() []error { return []error{errSoldOut, io.EOF} }

func TestWideAndDeepErrorTrees(t *testing.T) {
	var wide []error
	for i := range 10_000 {
		wide = append(wide, &antiphon.Error{Reason: fmt.Sprintf("r.%d", i)})
	}
	e := antiphon.FromError(errors.Join(wide...))
	if len(e.Marks) > 32 {
		t.Errorf("%d marks", len(e.Marks))
	}
	err := error(errSoldOut)
	for range 1000 {
		err = fmt.Errorf("%w", err)
	}
	if !errors.Is(overWire(t, err), errSoldOut) {
		t.Error("lost in the depth")
	}
	if !errors.Is(overWire(t, &cyclic{}), errSoldOut) {
		t.Error("lost in a tree of a user's own")
	}
}

func TestAdviceSurvivesTheWire(t *testing.T) {
	base := errors.New("busy")
	for name, c := range map[string]struct {
		err       error
		permanent bool
		after     time.Duration
		asks      bool
	}{
		"none":               {base, false, 0, false},
		"permanent":          {antiphon.Permanent(base), true, 0, false},
		"wrapped permanent":  {fmt.Errorf("x: %w", antiphon.Permanent(base)), true, 0, false},
		"joined permanent":   {errors.Join(io.EOF, antiphon.Permanent(base)), true, 0, false},
		"after":              {antiphon.RetryAfter(base, 3*time.Second), false, 3 * time.Second, true},
		"the longest of two": {errors.Join(antiphon.RetryAfter(base, time.Second), antiphon.RetryAfter(base, time.Minute)), false, time.Minute, true},
		"both":               {antiphon.Permanent(antiphon.RetryAfter(base, time.Second)), true, time.Second, true},
		"on an Error":        {&antiphon.Error{Permanent: true, RetryAfter: time.Second}, true, time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			for side, err := range map[string]error{"near": c.err, "far": overWire(t, c.err)} {
				if got := antiphon.IsPermanent(err); got != c.permanent {
					t.Errorf("%s: permanent %t", side, got)
				}
				if d, ok := antiphon.RetryDelay(err); d != c.after || ok != c.asks {
					t.Errorf("%s: asks to wait %v, %t", side, d, ok)
				}
			}
		})
	}
	if d, ok := antiphon.RetryDelay(antiphon.RetryAfter(base, -1)); d != 0 || !ok {
		t.Errorf("a negative delay asks for %v, %t", d, ok)
	}
	if antiphon.Permanent(nil) != nil || antiphon.RetryAfter(nil, 1) != nil {
		t.Error("advice makes an error of nil")
	}
	for _, err := range []error{antiphon.Permanent(base), antiphon.RetryAfter(base, 1)} {
		if err.Error() != "busy" || !errors.Is(err, base) {
			t.Errorf("%v does not read as what it wraps", err)
		}
		if !strings.HasPrefix(fmt.Sprintf("%#v", err), "antiphon.") {
			t.Errorf("%%#v does not show the advice: %#v", err)
		}
	}
}

func TestRetryable(t *testing.T) {
	for _, err := range []error{
		errors.New("plain"), context.DeadlineExceeded, antiphon.RetryAfter(io.EOF, 1),
		&antiphon.Error{Code: antiphon.CodeUnavailable}, &antiphon.Error{Code: antiphon.CodeResourceExhausted},
		&antiphon.Error{Code: antiphon.CodeAborted}, &antiphon.Error{Code: antiphon.CodeInternal},
	} {
		if !antiphon.Retryable(err) {
			t.Errorf("%v is not worth another attempt", err)
		}
	}
	for _, err := range []error{
		nil, context.Canceled, antiphon.Permanent(errors.New("x")), fs.ErrNotExist, fs.ErrExist, fs.ErrPermission,
		errors.ErrUnsupported, errSoldOut, &antiphon.Error{Code: antiphon.CodeInvalidArgument},
		&antiphon.Error{Code: antiphon.CodeUnauthenticated}, &antiphon.Error{Code: antiphon.CodeOutOfRange},
		&antiphon.Error{Code: antiphon.CodeDataLoss},
	} {
		if antiphon.Retryable(err) {
			t.Errorf("%v is worth another attempt", err)
		}
	}
}

// A Describer's own text goes before that of whatever surrounds it, also where
// an Error comes first in the tree.
func TestFromErrorDescriberBesideAnError(t *testing.T) {
	plain := antiphon.Errorf(antiphon.CodeNotFound, "plain")
	for _, err := range []error{errors.Join(plain, discreet{}), fmt.Errorf("%w, %w", discreet{}, plain), fmt.Errorf("secret: %w", errors.Join(plain, discreet{}))} {
		if got := antiphon.FromError(err).Message; got != "for all to see" {
			t.Errorf("%q", got)
		}
	}
	if got := antiphon.FromError(errors.Join(plain, discreet{})).Code; got != antiphon.CodeNotFound {
		t.Errorf("code %s, which is the first Describer's to say", got)
	}
}

type discreet struct{}

func (discreet) Error() string { return "secret" }

func (discreet) AntiphonError() *antiphon.Error {
	return &antiphon.Error{Code: antiphon.CodeInternal, Message: "for all to see"}
}
