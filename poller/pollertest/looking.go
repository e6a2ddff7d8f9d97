package pollertest

import (
	"context"
	"reflect"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
)

func checkLife(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	start := time.Now()
	op := d.submit(Query{N: 1})
	if op.Version < 1 {
		t.Errorf("a new operation has version %d, want 1 at least", op.Version)
	}
	if op.State != antiphon.StateQueued && op.State != antiphon.StateRunning {
		t.Errorf("a new operation is %q, want queued or running", op.State)
	}
	running := d.begun(g, op.ID)
	t.Pause(t.While())
	if now := d.get(op.ID); now.Version != running.Version {
		t.Errorf("nothing happened, and version %d became %d: %+v", running.Version, now.Version, now)
	}
	release := time.Now()
	g.release()
	ended := d.ended(op.ID, antiphon.StateSucceeded)
	if op.State != running.State && running.Version <= op.Version || ended.Version <= running.Version {
		t.Errorf("the versions were %d, %d when it was running, %d when it had ended", op.Version, running.Version, ended.Version)
	}
	if !running.Ended.IsZero() {
		t.Errorf("it is running, and has ended at %v", running.Ended)
	}
	t.at("Created", ended.Created, start)
	t.at("Ended", ended.Ended, release)
	t.at("Updated", ended.Updated, release)
	if !ended.Created.Equal(op.Created) {
		t.Errorf("it was created at %v, and then at %v", op.Created, ended.Created)
	}
}

// at checks when something happened, by a clock that may be another's.
func (t *trial) at(what string, got, want time.Time) {
	t.Helper()
	if d := got.Sub(want).Abs(); d > t.store.Slack+time.Millisecond {
		t.Errorf("%s is %v, and it happened at %v", what, got, want)
	}
}

func checkEnds(t *trial) {
	d := t.open(func(_ context.Context, q Query) (Answer, error) {
		if q.N == 0 {
			return Answer{}, errSoldOut
		}
		return Answer(q), nil
	})
	for i, state := range []antiphon.State{antiphon.StateFailed, antiphon.StateSucceeded} {
		op := d.ended(d.submit(Query{N: i}).ID, state)
		t.Pause(t.While())
		if now := d.get(op.ID); !reflect.DeepEqual(now, op) {
			t.Errorf("it has ended as %+v, and became %+v", op, now)
		}
	}
}

func checkProgress(t *trial) {
	told, g := make(chan struct{}), t.gated()
	d := t.open(func(ctx context.Context, q Query) (Answer, error) {
		antiphon.Report(ctx, 30, "a third", nil)
		select {
		case <-told:
		case <-ctx.Done():
		}
		antiphon.Report(ctx, 60, "two of <three>", nil)
		return g.echo(ctx, q)
	})
	id := d.submit(Query{}).ID
	first := d.until("30 % was reported, and is not shown", id, func(op antiphon.Operation) bool { return op.Percent == 30 && op.Message == "a third" })
	start := time.Now()
	close(told)
	second := d.until("60 % was reported, and is not shown", id, func(op antiphon.Operation) bool { return op.Percent == 60 && op.Message == "two of <three>" })
	t.Soon("it was reported, and shown", start.Add(time.Second)) // reports may be gathered for as long
	if second.Version <= first.Version {
		t.Errorf("two reports are versions %d and %d", first.Version, second.Version)
	}
	if second.State != antiphon.StateRunning {
		t.Errorf("it reports, and is %s", second.State)
	}
}

func checkUnknown(t *trial) {
	d := t.open(echo)
	id := d.submit(Query{}).ID
	d.ended(id, antiphon.StateSucceeded)
	for _, unknown := range []string{"", "unknown", id + "x", id[:len(id)-1], "../" + id, "'; --", "\x00", "ÿ", strings.Repeat("x", 10_000)} {
		d.unknown("id "+unknown[:min(len(unknown), 40)], unknown)
	}
	d.get(id) // is there still
}

func checkWaitChanges(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	op := d.running(g, Query{})
	id := op.ID
	got := make(chan antiphon.Operation, 1)
	go func() {
		ctx, cancel := t.Patient()
		defer cancel()
		op, err := d.ops.Wait(ctx, id, op.Version)
		if err != nil {
			t.Errorf("Wait: %v", err)
		}
		got <- op
	}()
	t.Pause(t.While())
	select {
	case early := <-got:
		t.Fatalf("nothing happened beyond version %d, and Wait returned %+v", op.Version, early)
	default:
	}
	start := time.Now()
	g.release()
	now := receive(t, "it ended, and Wait did not return", got)
	t.Soon("it ended, and Wait returned", start)
	if now.Version <= op.Version || now.State != antiphon.StateSucceeded {
		t.Errorf("Wait beyond version %d returned %+v", op.Version, now)
	}
}

func checkWaitReturnsAtOnce(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	op := d.running(g, Query{})
	id := op.ID
	start := time.Now()
	if got := d.wait(id, op.Version-1); got.Version < op.Version {
		t.Errorf("Wait beyond version %d returned %d", op.Version-1, got.Version)
	}
	t.Soon("there is a greater version, and Wait returned", start)
	g.release()
	op = d.ended(id, antiphon.StateSucceeded)
	start = time.Now()
	for _, after := range []int64{-1, 0, op.Version, op.Version + 1, 1 << 62} {
		if got := d.wait(id, after); !reflect.DeepEqual(got, op) {
			t.Errorf("it has ended as %+v, and Wait beyond version %d returned %+v", op, after, got)
		}
	}
	t.Soon("it has ended, and five Waits returned", start)
}

func checkWaitEnds(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	op := d.running(g, Query{})
	id := op.ID
	for _, d2 := range []time.Duration{t.While(), 0} {
		ctx, cancel := context.WithTimeout(d.Context(), d2)
		start := time.Now()
		got, err := d.ops.Wait(ctx, id, op.Version)
		cancel()
		if err != nil || got.ID != id || got.Version != op.Version || got.State != antiphon.StateRunning {
			t.Errorf("a Wait whose context ended after %v returned %+v, %v; want it as it was, and no error", d2, got, err)
		}
		t.Soon("a Wait whose context had ended returned", start.Add(d2))
	}
}

func checkWaitMany(t *trial) {
	a, b := t.gated(), t.gated()
	d := t.open(func(ctx context.Context, q Query) (Answer, error) {
		if q.N == 0 {
			return a.echo(ctx, q)
		}
		return b.echo(ctx, q)
	})
	woken, other := d.running(a, Query{N: 0}), d.running(b, Query{N: 1})
	const n = 50
	ended, still := make(chan antiphon.Operation, n), make(chan antiphon.Operation, n)
	wait := func(op antiphon.Operation, into chan antiphon.Operation) {
		for range n {
			go func() {
				got, err := d.ops.Wait(d.Context(), op.ID, op.Version)
				if err != nil {
					t.Errorf("Wait: %v", err)
				}
				into <- got
			}()
		}
	}
	wait(woken, ended)
	wait(other, still)
	t.Pause(t.While())
	start := time.Now()
	a.release()
	for range n {
		if op := receive(t, "it ended, and not all who waited were woken", ended); op.ID != woken.ID || op.State != antiphon.StateSucceeded {
			t.Errorf("who waited for an operation that succeeded got %+v", op)
		}
	}
	t.Soon("all who waited were woken", start)
	t.Pause(t.While()) // who was woken by mistake may be late
	if len(still) > 0 {
		t.Errorf("who waited for another operation got %+v", <-still)
	}
	b.release()
	for range n {
		receive(t, "it ended, and not all who waited were woken", still)
	}
}

func checkNoLeak(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	op := d.running(g, Query{})
	id := op.ID
	t.LeavesNothing(100, func(int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _ = d.ops.Wait(ctx, id, op.Version)
	})
}
