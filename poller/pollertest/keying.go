package pollertest

import (
	"errors"
	"sync"

	"github.com/antiphon-go/antiphon"
)

// again submits what is known, and returns whose it is.
func (d *desk) again(what string, q Query, info antiphon.Info, id string) {
	d.Helper()
	switch op, known, err := d.trySubmit(q, info); {
	case err != nil:
		d.Errorf("%s: %v", what, err)
	case !known || op.ID != id:
		d.Errorf("%s: Submit of what is operation %q returned %q, known: %t", what, id, op.ID, known)
	}
}

func checkKey(t *trial) {
	g := t.gated()
	d := t.open(g.echo)
	q, info := Query{N: 1}, antiphon.Info{Key: "key ÿ"}
	op := d.submitInfo(q, info)
	d.again("while it has not ended", q, info, op.ID)
	g.release()
	d.ended(op.ID, antiphon.StateSucceeded)
	d.again("when it has ended", q, info, op.ID)
	if n := t.called(); n != 1 {
		t.Errorf("the work was done %d times, want once", n)
	}
	for _, info := range []antiphon.Info{{Key: "another"}, {}, {}} { // no key is equal to none
		if other := d.submitInfo(q, info); other.ID == op.ID {
			t.Errorf("a request with key %q is operation %q, whose key is %q", info.Key, op.ID, "key ÿ")
		}
	}
}

func checkKeyReused(t *trial) {
	d := t.open(echo)
	info := antiphon.Info{Key: "key"}
	op := d.submitInfo(Query{N: 1}, info)
	_, _, err := d.trySubmit(Query{N: 2}, info)
	t.refused("Submit of another request with its key", err, antiphon.CodeAlreadyExists)
	if got := d.answer(d.ended(op.ID, antiphon.StateSucceeded)); got.N != 1 {
		t.Errorf("the result is %v", got)
	}
}

func checkKeyAtOnce(t *trial) {
	d := t.open(echo)
	const n = 32
	ids, news := map[string]bool{}, 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			op, known, err := d.trySubmit(Query{N: 1}, antiphon.Info{Key: "key"})
			if err != nil {
				t.Errorf("Submit: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[op.ID] = true
			if !known {
				news++
			}
		})
	}
	all.Wait()
	if len(ids) != 1 || news != 1 {
		t.Fatalf("%d Submits with one key returned %d operations, %d as new; want one", n, len(ids), news)
	}
	for id := range ids {
		d.ended(id, antiphon.StateSucceeded)
	}
	if n := t.called(); n != 1 {
		t.Errorf("the work was done %d times, want once", n)
	}
}

func checkKeyFree(t *trial) {
	d := t.open(echo)
	info := antiphon.Info{Key: "key"}
	op := d.submitInfo(Query{N: 1}, info)
	d.ended(op.ID, antiphon.StateSucceeded)
	d.delete(op.ID)
	if other := d.submitInfo(Query{N: 2}, info); other.ID == op.ID {
		t.Errorf("a new operation has the id of one that was deleted, %q", op.ID)
	}
}

func checkNoKey(t *trial) {
	d := t.open(echo)
	_, _, err := d.trySubmit(Query{}, antiphon.Info{Key: "key"})
	t.unsupported("Submit with a Key", err)
	if antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
		t.Errorf("Submit with a Key: %v of class %s, want not accepted", err, antiphon.ClassOf(err))
	}
	d.nothingStored()
}

// unsupported checks what a store says that it lacks.
func (t *trial) unsupported(what string, err error) {
	t.Helper()
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%s: %v, want errors.ErrUnsupported", what, err)
	}
}
