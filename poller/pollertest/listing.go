package pollertest

import (
	"context"
	"slices"

	"github.com/antiphon-go/antiphon"
)

// list lists operations.
func (d *desk) list(state antiphon.State, after string, limit int) []antiphon.Operation {
	d.Helper()
	ctx, cancel := d.Patient()
	defer cancel()
	ops, err := d.ops.List(ctx, state, after, limit)
	if err != nil {
		d.Fatalf("List: %v", err)
	}
	if len(ops) > limit {
		d.Errorf("List of at most %d returned %d", limit, len(ops))
	}
	return ops
}

// pages lists all operations in a state, and returns their ids.
func (d *desk) pages(state antiphon.State, limit, most int) []string {
	d.Helper()
	var ids []string
	for after := ""; len(ids) <= most; {
		ops := d.list(state, after, limit)
		if len(ops) == 0 {
			break
		}
		for _, op := range ops {
			ids = append(ids, op.ID)
		}
		after = ids[len(ids)-1]
	}
	return ids
}

func checkList(t *trial) {
	d := t.open(echo)
	const n = 23
	ids := make([]string, n)
	for i := range n {
		ids[i] = d.submit(Query{N: i}).ID
	}
	for _, id := range ids {
		d.ended(id, antiphon.StateSucceeded)
	}
	slices.Reverse(ids)
	for _, limit := range []int{1, 7, n, 100} {
		if got := d.pages("", limit, n); !slices.Equal(got, ids) {
			t.Errorf("by pages of %d, the operations are\n%q, want\n%q", limit, got, ids)
		}
	}
	op, got := d.get(ids[0]), d.list("", "", 1)
	if len(got) == 0 || got[0].ID != op.ID || got[0].Version != op.Version || string(got[0].Result) != string(op.Result) {
		t.Errorf("List has %+v, and Get %+v", got, op)
	}
}

func checkListState(t *trial) {
	g := t.gated()
	d := t.open(func(ctx context.Context, q Query) (Answer, error) {
		if q.N%2 == 0 {
			return g.echo(ctx, q)
		}
		return Answer(q), nil
	})
	ids := map[antiphon.State][]string{}
	for i := range 6 {
		state := antiphon.StateRunning
		id := d.submit(Query{N: i}).ID
		if i%2 == 0 {
			d.begun(g, id)
		} else {
			state = antiphon.StateSucceeded
			d.ended(id, state)
		}
		ids[state] = append([]string{id}, ids[state]...)
	}
	for _, state := range []antiphon.State{antiphon.StateQueued, antiphon.StateRunning, antiphon.StateSucceeded, antiphon.StateFailed, "no state"} {
		for _, limit := range []int{1, 2, 10} {
			if got := d.pages(state, limit, 6); !slices.Equal(got, ids[state]) {
				t.Errorf("by pages of %d, those that are %s are %q, want %q", limit, state, got, ids[state])
			}
		}
	}
}

func checkListUnknown(t *trial) {
	d := t.open(echo)
	for i := range 3 {
		d.ended(d.submit(Query{N: i}).ID, antiphon.StateSucceeded)
	}
	ops, err := d.ops.List(d.Context(), "", "unknown", 10)
	if err != nil {
		t.refused("List after an id that is not known", err, antiphon.CodeNotFound)
	}
	if len(ops) > 0 {
		t.Errorf("List after an id that is not known returned %+v", ops)
	}
}

func checkNoList(t *trial) {
	d := t.open(echo)
	_, err := d.ops.List(d.Context(), "", "", 10)
	t.unsupported("List", err)
}
