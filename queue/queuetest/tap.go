package queuetest

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// A tap is a backend whose calls are noted.
type tap struct {
	driver.Backend
	to *Recorder
}

func (t *tap) Put(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
	steps := make([]*noted, len(r.Jobs))
	for i, e := range r.Jobs {
		steps[i] = t.to.note(Step{What: Submitted, Queue: r.Queue, ID: e.ID, Delay: e.Delay})
	}
	placed, err := t.Backend.Put(ctx, r)
	if err != nil {
		return placed, err
	}
	for i, p := range placed {
		if p.Duplicate {
			steps[i].What, steps[i].ID, steps[i].Delay = Duplicated, p.ID, 0
		}
	}
	t.to.sure(steps...)
	for _, p := range placed {
		if p.Leased != nil {
			t.taken(r.Queue, *p.Leased)
		}
	}
	return placed, nil
}

func (t *tap) taken(queue string, l driver.Leased) {
	t.to.sure(t.to.note(Step{What: Taken, Queue: queue, ID: l.ID, Attempt: l.Attempt}))
}

func (t *tap) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	n := len(into)
	got, err := t.Backend.Take(ctx, into, r)
	for _, l := range got[min(n, len(got)):] {
		t.taken(r.Queue, l)
	}
	return got, err
}

func (t *tap) Settle(ctx context.Context, queue string, all []driver.Settlement) []error {
	steps := make([]*noted, len(all))
	for i, s := range all {
		step := Step{What: Ended, Queue: queue, ID: s.ID, State: s.State, Delay: s.Delay}
		switch s.Outcome {
		case driver.Retry:
			step.What, step.State = Retried, ""
		case driver.Release:
			step.What, step.State = Released, ""
		case driver.Bury:
			step.What = Buried
		}
		if s.Err != nil {
			step.Err = s.Err
		}
		steps[i] = t.to.note(step)
	}
	errs := t.Backend.Settle(ctx, queue, all)
	for i, step := range steps {
		switch {
		case errs == nil || errs[i] == nil:
		case errors.Is(errs[i], driver.ErrLeaseLost):
			step.What = Late
		default:
			continue
		}
		t.to.sure(step)
	}
	return errs
}

// A controlTap is a tap of a Controller.
type controlTap struct {
	driver.Controller
	to *Recorder
}

func (t *controlTap) Cancel(ctx context.Context, queue, id string) (driver.Record, error) {
	step := t.to.note(Step{What: Canceled, Queue: queue, ID: id})
	r, err := t.Controller.Cancel(ctx, queue, id)
	if err == nil {
		step.State = r.State
		t.to.sure(step)
	}
	return r, err
}

// A morgueTap is a tap of a Morgue.
type morgueTap struct {
	driver.Morgue
	to *Recorder
}

func (t *morgueTap) Redrive(ctx context.Context, queue string, ids []string) (int, error) {
	steps := []*noted{}
	for _, id := range ids {
		steps = append(steps, t.to.note(Step{What: Redriven, Queue: queue, ID: id}))
	}
	if ids == nil {
		steps = append(steps, t.to.note(Step{What: Redriven, Queue: queue}))
	}
	n, err := t.Morgue.Redrive(ctx, queue, ids)
	if err == nil && n > 0 {
		t.to.sure(steps...)
	}
	return n, err
}

// tapped returns t with those of the optional interfaces that its backend has: what
// a backend can do is seen by what it is.
func tapped(t *tap) driver.Backend {
	r, _ := t.Backend.(driver.Results)
	w, _ := t.Backend.(driver.Watcher)
	var m driver.Morgue
	if inner, ok := t.Backend.(driver.Morgue); ok {
		m = &morgueTap{inner, t.to}
	}
	var c driver.Controller
	if inner, ok := t.Backend.(driver.Controller); ok {
		c = &controlTap{inner, t.to}
	}
	type (
		results = driver.Results
		dead    = driver.Morgue
		control = driver.Controller
		watch   = driver.Watcher
	)
	switch [4]bool{r != nil, m != nil, c != nil, w != nil} {
	case [4]bool{true}:
		return struct {
			*tap
			results
		}{t, r}
	case [4]bool{false, true}:
		return struct {
			*tap
			dead
		}{t, m}
	case [4]bool{true, true}:
		return struct {
			*tap
			results
			dead
		}{t, r, m}
	case [4]bool{false, false, true}:
		return struct {
			*tap
			control
		}{t, c}
	case [4]bool{true, false, true}:
		return struct {
			*tap
			results
			control
		}{t, r, c}
	case [4]bool{false, true, true}:
		return struct {
			*tap
			dead
			control
		}{t, m, c}
	case [4]bool{true, true, true}:
		return struct {
			*tap
			results
			dead
			control
		}{t, r, m, c}
	case [4]bool{false, false, false, true}:
		return struct {
			*tap
			watch
		}{t, w}
	case [4]bool{true, false, false, true}:
		return struct {
			*tap
			results
			watch
		}{t, r, w}
	case [4]bool{false, true, false, true}:
		return struct {
			*tap
			dead
			watch
		}{t, m, w}
	case [4]bool{true, true, false, true}:
		return struct {
			*tap
			results
			dead
			watch
		}{t, r, m, w}
	case [4]bool{false, false, true, true}:
		return struct {
			*tap
			control
			watch
		}{t, c, w}
	case [4]bool{true, false, true, true}:
		return struct {
			*tap
			results
			control
			watch
		}{t, r, c, w}
	case [4]bool{false, true, true, true}:
		return struct {
			*tap
			dead
			control
			watch
		}{t, m, c, w}
	case [4]bool{true, true, true, true}:
		return struct {
			*tap
			results
			dead
			control
			watch
		}{t, r, m, c, w}
	}
	return t
}
