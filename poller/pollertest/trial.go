package pollertest

import (
	"context"
	"sync"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/poller"
)

type (
	rule = suite.Rule[*trial, Store]
	need = suite.Need[Store]
)

// A trial is one rule being checked.
type trial struct {
	*suite.Trial
	store Store

	mu    sync.Mutex
	gates []*gate
	calls int // of the work
}

func newTrial(tb testing.TB, s Store) *trial {
	if s.Codec == nil {
		s.Codec = antiphon.JSON{}
	}
	return &trial{Trial: s.world().Begin(tb), store: s}
}

// End opens the gates first, or the work would not end.
func (t *trial) End() {
	t.mu.Lock()
	gates := t.gates
	t.mu.Unlock()
	for _, g := range gates {
		g.release()
	}
	t.Trial.End()
}

// A desk is Operations in use.
type desk struct {
	*trial
	ops poller.Operations
}

// open opens the store around f, whose calls are counted.
func (t *trial) open(f Func) *desk {
	t.Helper()
	ops := t.store.Open(t, func(ctx context.Context, q Query) (Answer, error) {
		t.mu.Lock()
		t.calls++
		t.mu.Unlock()
		return f(ctx, q)
	})
	if ops == nil {
		t.Fatalf("Open returned no Operations")
	}
	return &desk{trial: t, ops: ops}
}

func (t *trial) called() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls
}

// receive waits for a value, or ends the test.
func receive[T any](t *trial, what string, c <-chan T) T {
	t.Helper()
	ctx, cancel := t.Patient()
	defer cancel()
	select {
	case v := <-c:
		return v
	case <-ctx.Done():
		t.Fatalf("%s within %v", what, t.Patience)
		panic("unreachable")
	}
}

// payload encodes a request.
func (t *trial) payload(q Query) []byte {
	t.Helper()
	b, err := t.store.Codec.Marshal(q)
	if err != nil {
		t.Fatalf("encoding %+v: %v", q, err)
	}
	return b
}

// trySubmit submits, and may fail. Its context has no deadline: that would be the
// operation's.
func (d *desk) trySubmit(q Query, info antiphon.Info) (antiphon.Operation, bool, error) {
	d.Helper()
	return d.ops.Submit(d.Context(), d.payload(q), info)
}

// submit submits what is new.
func (d *desk) submit(q Query) antiphon.Operation {
	d.Helper()
	return d.submitInfo(q, antiphon.Info{})
}

func (d *desk) submitInfo(q Query, info antiphon.Info) antiphon.Operation {
	d.Helper()
	op, known, err := d.trySubmit(q, info)
	switch {
	case err != nil:
		d.Fatalf("Submit: %v", err)
	case known:
		d.Errorf("Submit of a new request says that it is known")
	case op.ID == "":
		d.Fatalf("Submit returned an operation without an ID")
	}
	return op
}

// get reads an operation that is known.
func (d *desk) get(id string) antiphon.Operation {
	d.Helper()
	ctx, cancel := d.Patient()
	defer cancel()
	op, err := d.ops.Get(ctx, id)
	if err != nil {
		d.Fatalf("Get: %v", err)
	}
	if op.ID != id {
		d.Errorf("Get of %q returned operation %q", id, op.ID)
	}
	return op
}

// wait waits for a change.
func (d *desk) wait(id string, after int64) antiphon.Operation {
	d.Helper()
	ctx, cancel := d.Patient()
	defer cancel()
	op, err := d.ops.Wait(ctx, id, after)
	if err != nil {
		d.Fatalf("Wait: %v", err)
	}
	return op
}

// until waits until an operation is as it should be.
func (d *desk) until(what, id string, so func(antiphon.Operation) bool) antiphon.Operation {
	d.Helper()
	ctx, cancel := d.Patient()
	defer cancel()
	for op, err := d.ops.Get(ctx, id); ; op, err = d.ops.Wait(ctx, id, op.Version) {
		switch {
		case err != nil:
			d.Fatalf("%s: %v", what, err)
		case so(op):
			return op
		case ctx.Err() != nil || op.State.Terminal():
			d.Fatalf("%s: it is %+v", what, op)
		}
	}
}

// ended waits until an operation has ended, in this state.
func (d *desk) ended(id string, state antiphon.State) antiphon.Operation {
	d.Helper()
	op := d.until("the operation does not end", id, func(op antiphon.Operation) bool { return op.State.Terminal() })
	if op.State != state {
		d.Errorf("the operation is %s (%v), want %s", op.State, op.Err, state)
	}
	return op
}

// refused checks an error that says that nothing was done.
func (t *trial) refused(what string, err error, code antiphon.Code) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error, want code %s", what, code)
	case antiphon.CodeOf(err) != code || antiphon.ClassOf(err) != antiphon.ClassNotAccepted:
		t.Errorf("%s: %v of code %s and class %s, want %s, not accepted", what, err, antiphon.CodeOf(err), antiphon.ClassOf(err), code)
	}
}

// unknown checks that an id is not known to anything that there is.
func (d *desk) unknown(what, id string) {
	d.Helper()
	ctx, cancel := d.Patient()
	defer cancel()
	for name, call := range d.byID() {
		d.refused(what+": "+name, call(ctx, id), antiphon.CodeNotFound)
	}
}

// byID are the calls that take an id.
func (d *desk) byID() map[string]func(context.Context, string) error {
	calls := map[string]func(context.Context, string) error{
		"Get": func(ctx context.Context, id string) error {
			_, err := d.ops.Get(ctx, id)
			return err
		},
		"Wait": func(ctx context.Context, id string) error {
			_, err := d.ops.Wait(ctx, id, 0)
			return err
		},
	}
	if !d.store.NoCancel {
		calls["Cancel"] = func(ctx context.Context, id string) error {
			_, err := d.ops.Cancel(ctx, id)
			return err
		}
	}
	if !d.store.NoDelete {
		calls["Delete"] = func(ctx context.Context, id string) error { return d.ops.Delete(ctx, id) }
	}
	return calls
}

// answer decodes a result.
func (t *trial) answer(op antiphon.Operation) (a Answer) {
	t.Helper()
	if err := t.store.Codec.Unmarshal(op.Result, &a); err != nil {
		t.Errorf("the result %q cannot be decoded: %v", op.Result, err)
	}
	return a
}

// echo is the simplest work.
func echo(_ context.Context, q Query) (Answer, error) { return Answer(q), nil }

// A gate is work that waits.
type gate struct {
	begun chan context.Context // of each call
	open  chan struct{}        // closed to let all of them answer
	once  sync.Once
}

// gated makes one, which is open when the trial ends.
func (t *trial) gated() *gate {
	g := &gate{begun: make(chan context.Context, 1024), open: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gates = append(t.gates, g)
	return g
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// echo answers when the gate is open, or its context ends.
func (g *gate) echo(ctx context.Context, q Query) (Answer, error) {
	g.begun <- ctx
	select {
	case <-g.open:
		return Answer(q), nil
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// running submits what waits at g, and returns it when it is running.
func (d *desk) running(g *gate, q Query) antiphon.Operation {
	d.Helper()
	return d.begun(g, d.submit(q).ID)
}

func (d *desk) begun(g *gate, id string) antiphon.Operation {
	d.Helper()
	receive(d.trial, "the work did not begin", g.begun)
	return d.until("the work has begun, and the operation is not running", id, func(op antiphon.Operation) bool { return op.State == antiphon.StateRunning })
}
