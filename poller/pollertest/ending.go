package pollertest

import (
	"context"
	"reflect"
	"time"

	"github.com/antiphon-go/antiphon"
)

// cancel cancels an operation that is known.
func (d *desk) cancel(id string) antiphon.Operation {
	d.Helper()
	ctx, cancel := d.Patient()
	defer cancel()
	op, err := d.ops.Cancel(ctx, id)
	if err != nil || op.ID != id {
		d.Fatalf("Cancel of %q returned %+v, %v", id, op, err)
	}
	return op
}

func checkCancelRunning(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	id := d.submit(Query{}).ID
	work := receive(t, "the work did not begin", g.begun)
	op := d.until("the work has begun, and the operation is not running", id, func(op antiphon.Operation) bool { return op.State == antiphon.StateRunning })
	start := time.Now()
	if got := d.cancel(id); !got.CancelRequested && !got.State.Terminal() || got.Version <= op.Version {
		t.Errorf("it was %+v, and Cancel returned %+v", op, got)
	}
	d.cancel(id) // once more is once
	receive(t, "it was canceled, and the work's context did not end", work.Done())
	t.Soon("it was canceled, and the work's context ended", start)
	op = d.ended(id, antiphon.StateCanceled)
	t.Soon("it was canceled, and ended", start)
	if op.Err == nil || op.Err.Code != antiphon.CodeCanceled {
		t.Errorf("it was canceled, and its error is %+v", op.Err)
	}
	if !op.CancelRequested {
		t.Errorf("it was canceled, and nobody asked for that: %+v", op)
	}
}

func checkCancelIgnored(t *trial) {
	g := t.gated()
	d := t.open(func(ctx context.Context, q Query) (Answer, error) { return g.echo(context.WithoutCancel(ctx), q) })
	op := d.running(g, Query{N: 3})
	d.cancel(op.ID)
	t.Pause(t.While())
	if now := d.get(op.ID); now.State == antiphon.StateSucceeded || now.State == antiphon.StateFailed {
		t.Errorf("the work goes on, and the operation is %s", now.State)
	}
	g.release()
	if got := d.answer(d.ended(op.ID, antiphon.StateSucceeded)); got.N != 3 {
		t.Errorf("the result is %v", got)
	}
}

func checkCancelEnded(t *trial) {
	d := t.open(echo)
	op := d.ended(d.submit(Query{}).ID, antiphon.StateSucceeded)
	if got := d.cancel(op.ID); !reflect.DeepEqual(got, d.get(op.ID)) || got.State != op.State || got.CancelRequested || got.Version != op.Version {
		t.Errorf("it has ended as %+v, and Cancel returned %+v", op, got)
	}
}

func checkNoCancel(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	op := d.running(g, Query{})
	_, err := d.ops.Cancel(d.Context(), op.ID)
	t.unsupported("Cancel", err)
	g.release()
	d.ended(op.ID, antiphon.StateSucceeded)
}

// delete deletes an operation that has ended.
func (d *desk) delete(id string) {
	d.Helper()
	ctx, cancel := d.Patient()
	defer cancel()
	if err := d.ops.Delete(ctx, id); err != nil {
		d.Fatalf("Delete: %v", err)
	}
}

func checkDelete(t *trial) {
	d := t.open(echo)
	op, other := d.submit(Query{N: 1}), d.submit(Query{N: 2})
	for _, id := range []string{op.ID, other.ID} {
		d.ended(id, antiphon.StateSucceeded)
	}
	d.delete(op.ID)
	d.unknown("it was deleted", op.ID)
	if !t.store.NoList {
		if ops := d.list("", "", 10); len(ops) != 1 || ops[0].ID != other.ID {
			t.Errorf("one of two was deleted, and there is %+v", ops)
		}
	}
	if got := d.answer(d.get(other.ID)); got.N != 2 {
		t.Errorf("the result of the other is %v", got)
	}
}

func checkDeleteRunning(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	op := d.running(g, Query{N: 1})
	err := d.ops.Delete(d.Context(), op.ID)
	t.refused("Delete of what is running", err, antiphon.CodeFailedPrecondition)
	g.release()
	if got := d.answer(d.ended(op.ID, antiphon.StateSucceeded)); got.N != 1 {
		t.Errorf("the result is %v", got)
	}
}

func checkNoDelete(t *trial) {
	d := t.open(echo)
	op := d.ended(d.submit(Query{}).ID, antiphon.StateSucceeded)
	t.unsupported("Delete", d.ops.Delete(d.Context(), op.ID))
	d.get(op.ID)
}
