package pollertest

import (
	"context"
	"errors"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
)

func checkStored(t *trial) {
	d := t.open(echo)
	for i := range 50 {
		op := d.submit(Query{N: i})
		if got := d.get(op.ID); got.Version < op.Version {
			t.Errorf("Submit returned version %d, and Get then %d", op.Version, got.Version)
		}
	}
}

func checkIds(t *trial) {
	d := t.open(echo)
	seen := map[string]bool{}
	for i := range 100 {
		id := d.submit(Query{N: i}).ID
		if seen[id] {
			t.Errorf("id %q was given twice", id)
		}
		if seen[id] = true; len(id) < 16 { // 96 bits in base64
			t.Fatalf("id %q can be guessed: 96 random bits take 16 characters", id)
		}
	}
}

func checkResult(t *trial) {
	d := t.open(echo)
	queries := []Query{
		{}, {N: -1, Text: "<&\">  \u2028 \x00 😀"}, {N: math.MaxInt32, Text: strings.Repeat("é", 4<<10)},
	}
	ids := make([]string, len(queries))
	for i, q := range queries {
		ids[i] = d.submit(q).ID
	}
	for i, q := range queries {
		op := d.ended(ids[i], antiphon.StateSucceeded)
		if got := d.answer(op); got != Answer(q) {
			t.Errorf("asked %.40v, the result is %.40v", q, got)
		}
		if op.Err != nil {
			t.Errorf("it succeeded, with error %v", op.Err)
		}
	}
}

// errSoldOut is a sentinel.
var errSoldOut = &antiphon.Error{
	Code: antiphon.CodeFailedPrecondition, Reason: "pollertest.sold_out", Message: "sold out",
	Details: map[string]string{"shelf": "ÿ 7"}, Permanent: true,
}

func checkFailure(t *trial) {
	failures := []error{
		errSoldOut,
		antiphon.Permanent(errors.New("plain")),
		antiphon.Permanent(errors.Join(errors.New("reading"), context.DeadlineExceeded)),
		&antiphon.Error{Code: "a_code_from_the_future", Message: "new", Permanent: true},
	}
	d := t.open(func(_ context.Context, q Query) (Answer, error) { return Answer{}, failures[q.N] })
	for i, want := range failures {
		op := d.ended(d.submit(Query{N: i}).ID, antiphon.StateFailed)
		if op.Err == nil {
			t.Errorf("it failed with %q, and the operation does not say why", want)
			continue
		}
		w := antiphon.FromError(want)
		if op.Err.Code != w.Code && (op.Err.Code != "" || w.Code != antiphon.CodeUnknown) {
			t.Errorf("it failed with %q of code %s, the operation with code %s", want, w.Code, op.Err.Code)
		}
		if !strings.Contains(op.Err.Message, w.Message) || !maps.Equal(op.Err.Details, w.Details) || op.Err.Permanent != w.Permanent {
			t.Errorf("it failed with %+v, the operation with %+v", w, op.Err)
		}
		for _, sentinel := range []error{errSoldOut, context.DeadlineExceeded} {
			if errors.Is(want, sentinel) && !errors.Is(op.Err, sentinel) {
				t.Errorf("it failed with %q, which is %q; the operation's error %+v is not", want, sentinel, op.Err)
			}
		}
		if op.Result != nil {
			t.Errorf("it failed, with result %q", op.Result)
		}
	}
}

func checkInvalid(t *trial) {
	d := t.open(echo)
	_, _, err := d.ops.Submit(d.Context(), []byte{0xc1}, antiphon.Info{}) // neither JSON nor MessagePack
	t.refused("Submit of what is no request", err, antiphon.CodeInvalidArgument)
	d.nothingStored()
}

// nothingStored checks that there are no operations.
func (d *desk) nothingStored() {
	d.Helper()
	d.Pause(d.While() / 10)
	if n := d.called(); n > 0 {
		d.Errorf("Submit failed, and the work was done")
	}
	if d.store.NoList {
		return
	}
	if ops := d.list("", "", 10); len(ops) > 0 {
		d.Errorf("Submit failed, and there is %+v", ops)
	}
}

func checkFull(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	var ids []string
	for i := 0; ; i++ {
		if i > t.store.Limit {
			t.Fatalf("%d operations were accepted, and none has ended; the limit is %d", i, t.store.Limit)
		}
		op, _, err := d.trySubmit(Query{N: i}, antiphon.Info{})
		if err != nil {
			t.refused("Submit without room", err, antiphon.CodeResourceExhausted)
			break
		}
		ids = append(ids, op.ID)
	}
	g.release()
	for _, id := range ids {
		d.ended(id, antiphon.StateSucceeded)
	}
	d.ended(d.submit(Query{}).ID, antiphon.StateSucceeded)
}

func checkSubmitEnded(t *trial) {
	d := t.open(echo)
	ctx, cancel := context.WithCancel(d.Context())
	cancel()
	_, _, err := d.ops.Submit(ctx, d.payload(Query{}), antiphon.Info{})
	if err == nil || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !errors.Is(err, context.Canceled) {
		t.Errorf("Submit whose context has been canceled: %v of class %s; want context.Canceled, not accepted", err, antiphon.ClassOf(err))
	}
	d.nothingStored()
}

func checkSubmitContext(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	ctx, cancel := context.WithCancel(d.Context())
	op, _, err := d.ops.Submit(ctx, d.payload(Query{N: 7}), antiphon.Info{})
	if err != nil {
		t.Fatalf("Submit: %v", err)
	}
	cancel()
	work := receive(t, "the work did not begin", g.begun)
	t.Pause(t.While())
	if work.Err() != nil {
		t.Errorf("the context of Submit ended after it had returned, and so did the work's: %v", context.Cause(work))
	}
	g.release()
	d.ended(op.ID, antiphon.StateSucceeded)
}

// expiring submits an operation that is to end in a while, and returns when.
func (d *desk) expiring() (antiphon.Operation, time.Time) {
	d.Helper()
	end := time.Now().Add(d.While() + min(d.store.Slack, d.store.Patience/4))
	ctx, cancel := context.WithDeadline(d.Context(), end)
	defer cancel()
	op, _, err := d.ops.Submit(ctx, d.payload(Query{}), antiphon.Info{})
	if err != nil {
		d.Fatalf("Submit: %v", err)
	}
	return op, end
}

func checkDeadline(t *trial) {
	work := t.gated().echo
	if !t.store.NoDeadline {
		work = func(ctx context.Context, _ Query) (Answer, error) {
			<-ctx.Done()
			return Answer{}, ctx.Err()
		}
	}
	d := t.open(work)
	op, end := d.expiring()
	op = d.until("the operation does not end with its asker's deadline", op.ID, func(op antiphon.Operation) bool { return op.State.Terminal() })
	t.Soon("it ended with its asker's deadline, seen", end)
	if early := time.Until(end); early > t.store.Slack {
		t.Errorf("it ended %v before its asker's deadline", early)
	}
	if op.State != antiphon.StateExpired && op.State != antiphon.StateFailed || op.Err == nil || op.Err.Code != antiphon.CodeDeadlineExceeded {
		t.Errorf("its time was over, and it is %s with %v; want expired or failed, of code deadline_exceeded", op.State, op.Err)
	}
}

func checkDeadlineReachesWork(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	_, end := d.expiring()
	work := receive(t, "the work did not begin", g.begun)
	if at, ok := work.Deadline(); !ok || at.After(end.Add(t.store.Slack)) {
		t.Errorf("the asker's deadline is %v, the work's %v (%t)", end, at, ok)
	}
}

func checkHeader(t *trial) {
	got := make(chan map[string]string, 1)
	d := t.open(func(ctx context.Context, q Query) (Answer, error) {
		got <- antiphon.InfoFrom(ctx).Header
		return Answer(q), nil
	})
	want := map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "ÿ": "", "x": "<&\"😀"}
	op := d.submitInfo(Query{}, antiphon.Info{Header: maps.Clone(want)})
	if h := receive(t, "the work did not begin", got); !contains(h, want) {
		t.Errorf("the header is %q, and the work sees %q", want, h)
	}
	for _, op := range []antiphon.Operation{op, d.ended(op.ID, antiphon.StateSucceeded)} {
		if !contains(op.Metadata, want) {
			t.Errorf("the header is %q, and the operation's metadata %q", want, op.Metadata)
		}
	}
}

// contains: a store may have something to add.
func contains(all, some map[string]string) bool {
	for k, v := range some {
		if got, ok := all[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func checkOwnership(t *trial) {
	d := t.open(echo)
	header := map[string]string{"a": "b"}
	payload := d.payload(Query{N: 1, Text: "first"})
	op, _, err := d.ops.Submit(d.Context(), payload, antiphon.Info{})
	if !t.store.NoHeader {
		op, _, err = d.ops.Submit(d.Context(), payload, antiphon.Info{Header: header})
	}
	if err != nil {
		t.Fatalf("Submit: %v", err)
	}
	if string(payload) != string(d.payload(Query{N: 1, Text: "first"})) || len(header) != 1 {
		t.Errorf("Submit changed what it was given to %q, %q", payload, header)
	}
	op = d.ended(op.ID, antiphon.StateSucceeded)
	first := string(op.Result)
	for i := range 20 {
		d.ended(d.submit(Query{N: i, Text: "other"}).ID, antiphon.StateSucceeded)
	}
	if string(op.Result) != first {
		t.Errorf("a result that was given became %q, it was %q", op.Result, first)
	}
	if got := d.answer(op); got != (Answer{N: 1, Text: "first"}) {
		t.Errorf("the result is %v", got)
	}
}
