package pollertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/suite"
)

// A mistake is Operations that break one rule.
type mistake struct {
	rule string
	name string
	bend func(*bent)
}

// A suite that finds nothing in what is broken proves nothing. Each of these is broken
// in one respect, and must be found out by the rule it breaks.
func TestMistakesAreFoundOut(t *testing.T) {
	seen := map[string]bool{"NoLeak": true} // see below
	for _, m := range mistakes {
		seen[m.rule] = true
		t.Run(m.rule+"/"+m.name, func(t *testing.T) {
			r := suite.Named(t, rules, m.rule)
			s := Store{Open: bentBy(m.bend), Bubble: true, Limit: 36}
			switch m.rule { // here the mistake is to have what is said to be lacking
			case "NoKey":
				s.NoKeys = true
			case "NoCancel":
				s.NoCancel = true
			case "NoDelete":
				s.NoDelete = true
			case "NoList":
				s.NoList = true
			}
			if lack := r.Lacks(s); lack != "" {
				t.Fatalf("it is not checked: %s", lack)
			}
			defer s.world().Watchdog(r.Name).Stop()
			var found []string
			synctest.Test(t, func(t *testing.T) { found = try(t, r, s) })
			if len(found) == 0 {
				t.Fatalf("rule %s found nothing wrong", m.rule)
			}
			t.Logf("found out: %.300s", found[0])
		})
	}
	suite.Sound(t, rules, seen)
}

// A goroutine that is left would end a bubble.
func TestLeakIsFoundOut(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	found := try(t, suite.Named(t, rules, "NoLeak"), Store{Patience: 500 * time.Millisecond, Open: bentBy(func(b *bent) {
		b.wait = func(ctx context.Context, id string, after int64) (antiphon.Operation, error) {
			go func() { <-end }()
			return b.Operations.Wait(ctx, id, after)
		}
	})})
	if len(found) == 0 {
		t.Errorf("rule NoLeak found nothing wrong")
	}
}

// shows changes what is shown.
func shows(f func(*antiphon.Operation)) func(*bent) { return func(b *bent) { b.show = f } }

// infos changes what is submitted.
func infos(f func(*antiphon.Info)) func(*bent) {
	return func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			f(&info)
			return b.Operations.Submit(ctx, payload, info)
		}
	}
}

// refuses changes the errors of Submit.
func refuses(f func(error) error) func(*bent) {
	return func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			op, known, err := b.Operations.Submit(ctx, payload, info)
			if err != nil {
				err = f(err)
			}
			return op, known, err
		}
	}
}

// waits changes Wait.
func waits(f func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error)) func(*bent) {
	return func(b *bent) {
		b.wait = func(ctx context.Context, id string, after int64) (antiphon.Operation, error) {
			return f(b, ctx, id, after)
		}
	}
}

// works changes the work.
func works(f func(Func) Func) func(*bent) { return func(b *bent) { b.work = f } }

func ended(f func(*antiphon.Operation)) func(*bent) {
	return shows(func(op *antiphon.Operation) {
		if op.State.Terminal() {
			f(op)
		}
	})
}

var errOdd = errors.New("odd")

var mistakes = []mistake{
	{"Stored", "answers before it stores", func(b *bent) {
		var young sync.Map
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			op, known, err := b.Operations.Submit(ctx, payload, info)
			young.Store(op.ID, time.Now())
			return op, known, err
		}
		b.get = func(ctx context.Context, id string) (antiphon.Operation, error) {
			if at, ok := young.Load(id); ok && time.Since(at.(time.Time)) < time.Millisecond {
				return antiphon.Operation{}, antiphon.Errorf(antiphon.CodeNotFound, "not there yet")
			}
			return b.Operations.Get(ctx, id)
		}
	}},
	{"Stored", "reads from a copy that lags behind", func(b *bent) {
		b.get = func(ctx context.Context, id string) (antiphon.Operation, error) {
			op, err := b.Operations.Get(ctx, id)
			op.Version = 0
			return op, err
		}
	}},
	{"Ids", "counts", func(b *bent) {
		var n atomic.Int64
		b.show = func(op *antiphon.Operation) { op.ID = fmt.Sprint("operation-", n.Add(1)) }
	}},
	{"Ids", "gives the same", shows(func(op *antiphon.Operation) { op.ID = "0123456789abcdef0123456789abcdef" })},
	{"Result", "loses the result", shows(func(op *antiphon.Operation) { op.Result = nil })},
	{"Result", "keeps ASCII", shows(func(op *antiphon.Operation) {
		op.Result = bytes.Map(func(r rune) rune { return min(r, 127) }, op.Result)
	})},
	{"Result", "sends the request back", works(func(f Func) Func {
		return func(ctx context.Context, q Query) (Answer, error) { return f(ctx, Query{}) }
	})},
	{"Result", "has failed all the same", ended(func(op *antiphon.Operation) { op.Err = errSoldOut })},
	{"Failure", "does not say why", shows(func(op *antiphon.Operation) { op.Err = nil })},
	{"Failure", "keeps the text", ended(func(op *antiphon.Operation) {
		if op.Err != nil {
			op.Err = &antiphon.Error{Message: op.Err.Message}
		}
	})},
	{"Failure", "keeps no details", ended(func(op *antiphon.Operation) { op.Err = without(op.Err, func(e *antiphon.Error) { e.Details = nil }) })},
	{"Failure", "keeps no marks", ended(func(op *antiphon.Operation) {
		op.Err = without(op.Err, func(e *antiphon.Error) { e.Marks, e.Reason = nil, "" })
	})},
	{"Failure", "keeps no advice", ended(func(op *antiphon.Operation) {
		op.Err = without(op.Err, func(e *antiphon.Error) { e.Permanent = false })
	})},
	{"Failure", "calls it success", shows(func(op *antiphon.Operation) {
		if op.State == antiphon.StateFailed {
			op.State = antiphon.StateSucceeded
		}
	})},
	{"Failure", "makes up a result", ended(func(op *antiphon.Operation) { op.Result = []byte("{}") })},
	{"Life", "has one version", shows(func(op *antiphon.Operation) { op.Version = 1 })},
	{"Life", "counts from -1", shows(func(op *antiphon.Operation) { op.Version -= 2 })},
	{"Life", "has another version at each look", func(b *bent) {
		var n atomic.Int64
		b.show = func(op *antiphon.Operation) { op.Version += n.Add(1) }
	}},
	{"Life", "is never running", shows(func(op *antiphon.Operation) {
		if op.State == antiphon.StateRunning {
			op.State = antiphon.StateQueued
		}
	})},
	{"Life", "has ended from the beginning", shows(func(op *antiphon.Operation) { op.Ended = op.Created })},
	{"Life", "does not say when it ended", shows(func(op *antiphon.Operation) { op.Ended = time.Time{} })},
	{"Life", "is always new", shows(func(op *antiphon.Operation) { op.Created = time.Now() })},
	{"Life", "is updated when it is looked at", shows(func(op *antiphon.Operation) { op.Updated = op.Created })},
	{"Life", "has no state", shows(func(op *antiphon.Operation) {
		if !op.State.Terminal() {
			op.State = ""
		}
	})},
	{"Ends", "succeeds in the end", func(b *bent) {
		b.get = func(ctx context.Context, id string) (antiphon.Operation, error) {
			op, err := b.Operations.Get(ctx, id)
			if op.State == antiphon.StateFailed && time.Since(op.Ended) > time.Millisecond {
				op.State = antiphon.StateSucceeded
			}
			return op, err
		}
	}},
	{"Ends", "runs again", func(b *bent) {
		b.get = func(ctx context.Context, id string) (antiphon.Operation, error) {
			op, err := b.Operations.Get(ctx, id)
			if op.State.Terminal() && time.Since(op.Ended) > time.Millisecond {
				op.State, op.Result = antiphon.StateRunning, nil
			}
			return op, err
		}
	}},
	{"Invalid", "accepts everything", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			if payload[0] != '{' {
				payload = []byte("{}")
			}
			return b.Operations.Submit(ctx, payload, info)
		}
	}},
	{"Invalid", "says that it failed", refuses(func(err error) error {
		return without(antiphon.FromError(err), func(e *antiphon.Error) { e.Class = antiphon.ClassFailed })
	})},
	{"Invalid", "stores it first", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			if payload[0] != '{' {
				_, _, _ = b.Operations.Submit(ctx, []byte("{}"), info)
			}
			return b.Operations.Submit(ctx, payload, info)
		}
	}},
	{"Full", "has room for all", func(b *bent) {
		ok := make(map[string]bool)
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			op, known, err := b.Operations.Submit(ctx, payload, info)
			if err != nil {
				return antiphon.Operation{ID: "another"}, false, nil
			}
			ok[op.ID] = true
			return op, known, err
		}
	}},
	{"Full", "does not know whether it is", refuses(func(err error) error {
		return without(antiphon.FromError(err), func(e *antiphon.Error) { e.Class = antiphon.ClassUnknown })
	})},
	{"Full", "is full for good", func(b *bent) {
		full := false
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (op antiphon.Operation, known bool, err error) {
			if full {
				return op, false, errOdd
			}
			op, known, err = b.Operations.Submit(ctx, payload, info)
			full = err != nil
			return op, known, err
		}
	}},
	{"SubmitEnded", "does not look at its context", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			return b.Operations.Submit(context.WithoutCancel(ctx), payload, info)
		}
	}},
	{"SubmitEnded", "accepts and fails", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			_, _, _ = b.Operations.Submit(context.WithoutCancel(ctx), payload, info)
			return b.Operations.Submit(ctx, payload, info)
		}
	}},
	{"SubmitContext", "cancels with the request", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			op, known, err := b.Operations.Submit(ctx, payload, info)
			context.AfterFunc(ctx, func() { _, _ = b.Operations.Cancel(context.Background(), op.ID) })
			return op, known, err
		}
	}},
	{"Deadline", "has time", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			return b.Operations.Submit(context.WithoutCancel(ctx), payload, info)
		}
	}},
	{"Deadline", "has no time", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			at, _ := ctx.Deadline()
			ctx, cancel := context.WithDeadline(ctx, at.Add(-time.Millisecond))
			defer cancel()
			return b.Operations.Submit(ctx, payload, info)
		}
	}},
	{"Deadline", "does not say what it was", ended(func(op *antiphon.Operation) { op.Err = nil })},
	{"DeadlineReachesWork", "keeps it to itself", works(func(f Func) Func {
		return func(ctx context.Context, q Query) (Answer, error) {
			inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			return f(inner, q)
		}
	})},
	{"Header", "loses it", infos(func(i *antiphon.Info) { i.Header = nil })},
	{"Header", "does not show it", shows(func(op *antiphon.Operation) { op.Metadata = nil })},
	{"Header", "loses empty values", infos(func(i *antiphon.Info) {
		i.Header = maps.Clone(i.Header)
		maps.DeleteFunc(i.Header, func(_, v string) bool { return v == "" })
	})},
	{"Header", "does not tell the work", works(func(f Func) Func {
		return func(ctx context.Context, q Query) (Answer, error) {
			return f(antiphon.WithInfo(ctx, antiphon.Info{}), q)
		}
	})},
	{"Progress", "is silent", works(func(f Func) Func {
		return func(ctx context.Context, q Query) (Answer, error) { return f(antiphon.WithProgress(ctx, nil), q) }
	})},
	{"Progress", "tells the number alone", shows(func(op *antiphon.Operation) { op.Message = "" })},
	{"Progress", "wakes nobody", waits(func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
		op, err := b.Operations.Wait(ctx, id, after)
		if op.Percent == 60 && !op.State.Terminal() {
			time.Sleep(5 * time.Second)
		}
		return op, err
	})},
	{"Key", "has none", infos(func(i *antiphon.Info) { i.Key = "" })},
	{"Key", "does not say that it is known", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			op, _, err := b.Operations.Submit(ctx, payload, info)
			return op, false, err
		}
	}},
	{"Key", "forgets it with the end", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			op, known, err := b.Operations.Submit(ctx, payload, info)
			if known && op.State.Terminal() {
				return b.Operations.Submit(ctx, payload, antiphon.Info{})
			}
			return op, known, err
		}
	}},
	{"Key", "takes no key for one", infos(func(i *antiphon.Info) {
		if i.Key == "" {
			i.Key = "none"
		}
	})},
	{"Key", "takes all keys for one", infos(func(i *antiphon.Info) {
		if i.Key != "" {
			i.Key = "one"
		}
	})},
	{"KeyReused", "does not compare", func(b *bent) {
		var first []byte
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			if first == nil {
				first = payload
			}
			return b.Operations.Submit(ctx, first, info)
		}
	}},
	{"KeyReused", "says that it failed", refuses(func(err error) error {
		return without(antiphon.FromError(err), func(e *antiphon.Error) { e.Class = antiphon.ClassFailed })
	})},
	{"KeyAtOnce", "looks before it stores", func(b *bent) {
		var mu sync.Mutex
		ids := map[string]string{}
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			mu.Lock()
			id := ids[info.Key]
			mu.Unlock()
			if id != "" {
				op, err := b.Operations.Get(ctx, id)
				return op, true, err
			}
			time.Sleep(time.Millisecond)
			op, _, err := b.Operations.Submit(ctx, payload, antiphon.Info{})
			mu.Lock()
			defer mu.Unlock()
			ids[info.Key] = op.ID
			return op, false, err
		}
	}},
	{"KeyFree", "is taken for good", func(b *bent) {
		var seen sync.Map
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			if _, taken := seen.LoadOrStore(info.Key, true); taken {
				return antiphon.Operation{}, false, errOdd
			}
			return b.Operations.Submit(ctx, payload, info)
		}
	}},
	{"NoKey", "has keys", func(*bent) {}},
	{"NoKey", "ignores keys", infos(func(i *antiphon.Info) { i.Key = "" })},
	{"NoCancel", "has it", func(*bent) {}},
	{"NoDelete", "has it", func(*bent) {}},
	{"NoList", "has it", func(*bent) {}},
	{"NoList", "is always empty", func(b *bent) {
		b.list = func(context.Context, antiphon.State, string, int) ([]antiphon.Operation, error) { return nil, nil }
	}},
	{"Unknown", "knows prefixes", func(b *bent) {
		var mu sync.Mutex
		last := ""
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			op, known, err := b.Operations.Submit(ctx, payload, info)
			mu.Lock()
			defer mu.Unlock()
			last = op.ID
			return op, known, err
		}
		b.get = func(ctx context.Context, id string) (antiphon.Operation, error) {
			mu.Lock()
			defer mu.Unlock()
			if len(id) == len(last)-1 {
				id = last
			}
			return b.Operations.Get(ctx, id)
		}
	}},
	{"Unknown", "has other words for it", func(b *bent) {
		b.get = func(ctx context.Context, id string) (antiphon.Operation, error) {
			op, err := b.Operations.Get(ctx, id)
			if err != nil {
				err = errOdd
			}
			return op, err
		}
	}},
	{"Unknown", "waits for what is not there", waits(func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
		op, err := b.Operations.Wait(ctx, id, after)
		if err != nil {
			<-ctx.Done()
			return op, nil
		}
		return op, err
	})},
	{"Unknown", "cancels what is not there", func(b *bent) {
		b.cancel = func(ctx context.Context, id string) (antiphon.Operation, error) {
			op, err := b.Operations.Cancel(ctx, id)
			if antiphon.CodeOf(err) == antiphon.CodeNotFound {
				err = nil
			}
			return op, err
		}
	}},
	{"Unknown", "deletes what is not there", func(b *bent) {
		b.delete = func(ctx context.Context, id string) error {
			err := b.Operations.Delete(ctx, id)
			if antiphon.CodeOf(err) == antiphon.CodeNotFound {
				return nil
			}
			return err
		}
	}},
	{"WaitChanges", "returns at once", waits(func(b *bent, ctx context.Context, id string, _ int64) (antiphon.Operation, error) {
		return b.Operations.Get(ctx, id)
	})},
	{"WaitChanges", "sleeps and looks", waits(polling)},
	{"WaitChanges", "returns what was before", waits(func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
		before, err := b.Operations.Get(ctx, id)
		if err != nil {
			return before, err
		}
		_, err = b.Operations.Wait(ctx, id, after)
		return before, err
	})},
	{"WaitReturnsAtOnce", "waits for the next", waits(func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
		op, err := b.Operations.Get(ctx, id)
		if err != nil {
			return op, err
		}
		return b.Operations.Wait(ctx, id, max(after, op.Version))
	})},
	{"WaitReturnsAtOnce", "waits for what is beyond the end", waits(func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
		op, err := b.Operations.Wait(ctx, id, after)
		if err == nil && op.Version <= after {
			<-ctx.Done()
		}
		return op, err
	})},
	{"WaitEnds", "fails", waits(func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
		op, err := b.Operations.Wait(ctx, id, after)
		return op, errors.Join(err, ctx.Err())
	})},
	{"WaitEnds", "returns nothing", waits(func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
		op, err := b.Operations.Wait(ctx, id, after)
		if ctx.Err() != nil {
			op = antiphon.Operation{}
		}
		return op, err
	})},
	{"WaitEnds", "looks at its context now and then", waits(func(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
		op, err := b.Operations.Wait(ctx, id, after)
		if ctx.Err() != nil {
			time.Sleep(70 * time.Millisecond)
		}
		return op, err
	})},
	{"WaitMany", "wakes one", func(b *bent) {
		var mu sync.Mutex
		waiting := map[string]int{}
		b.wait = func(ctx context.Context, id string, after int64) (antiphon.Operation, error) {
			mu.Lock()
			waiting[id]++
			first := waiting[id] == 1
			mu.Unlock()
			defer func() { mu.Lock(); waiting[id]--; mu.Unlock() }()
			if first {
				return b.Operations.Wait(ctx, id, after)
			}
			return polling(b, ctx, id, after)
		}
	}},
	{"WaitMany", "wakes all of all", func(b *bent) {
		var mu sync.Mutex
		change := make(chan struct{})
		b.wait = func(ctx context.Context, id string, after int64) (antiphon.Operation, error) {
			mu.Lock()
			c := change
			mu.Unlock()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() {
				select {
				case <-c:
					cancel()
				case <-ctx.Done():
				}
			}()
			op, err := b.Operations.Wait(ctx, id, after)
			mu.Lock()
			defer mu.Unlock()
			if op.Version > after && c == change {
				close(change)
				change = make(chan struct{})
			}
			return op, err
		}
	}},
	{"CancelRunning", "does not tell the work", works(func(f Func) Func {
		return func(ctx context.Context, q Query) (Answer, error) { return f(context.WithoutCancel(ctx), q) }
	})},
	{"CancelRunning", "tells it later", func(b *bent) {
		b.cancel = func(ctx context.Context, id string) (antiphon.Operation, error) {
			time.AfterFunc(100*time.Millisecond, func() { _, _ = b.Operations.Cancel(context.Background(), id) })
			op, err := b.Operations.Get(ctx, id)
			op.CancelRequested = true
			op.Version++
			return op, err
		}
	}},
	{"CancelRunning", "does not show it", shows(func(op *antiphon.Operation) { op.CancelRequested = false })},
	{"CancelRunning", "has failed", shows(func(op *antiphon.Operation) {
		if op.State == antiphon.StateCanceled {
			op.State = antiphon.StateFailed
		}
	})},
	{"CancelRunning", "gives no reason", shows(func(op *antiphon.Operation) { op.Err = nil })},
	{"CancelIgnored", "ends it at once", func(b *bent) {
		gone := map[string]bool{}
		b.cancel = func(ctx context.Context, id string) (antiphon.Operation, error) {
			gone[id] = true
			return b.Operations.Cancel(ctx, id)
		}
		b.show = func(op *antiphon.Operation) {
			if gone[op.ID] {
				op.State = antiphon.StateCanceled
			}
		}
	}},
	{"CancelEnded", "cancels what has ended", func(b *bent) {
		b.cancel = func(ctx context.Context, id string) (antiphon.Operation, error) {
			op, err := b.Operations.Cancel(ctx, id)
			op.State = antiphon.StateCanceled
			return op, err
		}
	}},
	{"CancelEnded", "fails", func(b *bent) {
		b.cancel = func(ctx context.Context, id string) (antiphon.Operation, error) {
			op, err := b.Operations.Cancel(ctx, id)
			if op.State.Terminal() {
				err = errOdd
			}
			return op, err
		}
	}},
	{"Delete", "does nothing", func(b *bent) { b.delete = func(context.Context, string) error { return nil } }},
	{"Delete", "deletes all", func(b *bent) {
		b.delete = func(ctx context.Context, id string) error {
			err := b.Operations.Delete(ctx, id)
			ops, _ := b.Operations.List(ctx, "", "", 100)
			for _, op := range ops {
				_ = b.Operations.Delete(ctx, op.ID)
			}
			return err
		}
	}},
	{"Delete", "still lists it", func(b *bent) {
		var gone []antiphon.Operation
		b.delete = func(ctx context.Context, id string) error {
			op, _ := b.Operations.Get(ctx, id)
			gone = append(gone, op)
			return b.Operations.Delete(ctx, id)
		}
		b.list = func(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
			ops, err := b.Operations.List(ctx, state, after, limit)
			return append(ops, gone...), err
		}
	}},
	{"DeleteRunning", "takes it for canceled", func(b *bent) {
		b.delete = func(ctx context.Context, id string) error {
			_, err := b.Operations.Cancel(ctx, id)
			return err
		}
	}},
	{"DeleteRunning", "says that it is not known", func(b *bent) {
		b.delete = func(ctx context.Context, id string) error {
			if err := b.Operations.Delete(ctx, id); err != nil {
				return antiphon.Errorf(antiphon.CodeNotFound, "%v", err)
			}
			return nil
		}
	}},
	{"List", "lists the oldest first", listings(func(ops []antiphon.Operation) []antiphon.Operation {
		slices.Reverse(ops)
		return ops
	})},
	{"List", "has no pages", func(b *bent) {
		b.list = func(ctx context.Context, state antiphon.State, _ string, limit int) ([]antiphon.Operation, error) {
			return b.Operations.List(ctx, state, "", limit)
		}
	}},
	{"List", "repeats the last of a page", func(b *bent) {
		b.list = func(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
			ops, err := b.Operations.List(ctx, state, after, limit)
			if op, e := b.Operations.Get(ctx, after); e == nil && len(ops) > 0 {
				ops = append([]antiphon.Operation{op}, ops[:len(ops)-1]...)
			}
			return ops, err
		}
	}},
	{"List", "has one more", func(b *bent) {
		b.list = func(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
			return b.Operations.List(ctx, state, after, limit+1)
		}
	}},
	{"List", "shows less than Get", listings(func(ops []antiphon.Operation) []antiphon.Operation {
		for i := range ops {
			ops[i].Result = nil
		}
		return ops
	})},
	{"ListState", "lists them all", func(b *bent) {
		b.list = func(ctx context.Context, _ antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
			return b.Operations.List(ctx, "", after, limit)
		}
	}},
	{"ListState", "filters by page", func(b *bent) {
		b.list = func(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
			ops, err := b.Operations.List(ctx, "", after, limit)
			return slices.DeleteFunc(ops, func(op antiphon.Operation) bool { return state != "" && op.State != state }), err
		}
	}},
	{"ListUnknown", "begins again", func(b *bent) {
		b.list = func(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
			ops, err := b.Operations.List(ctx, state, after, limit)
			if err != nil {
				return b.Operations.List(ctx, state, "", limit)
			}
			return ops, nil
		}
	}},
	{"ListUnknown", "has other words for it", func(b *bent) {
		b.list = func(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
			ops, err := b.Operations.List(ctx, state, after, limit)
			if err != nil {
				err = errOdd
			}
			return ops, err
		}
	}},
	{"Ownership", "writes into the request", func(b *bent) {
		b.submit = func(ctx context.Context, payload []byte, info antiphon.Info) (antiphon.Operation, bool, error) {
			op, known, err := b.Operations.Submit(ctx, payload, info)
			clear(payload)
			return op, known, err
		}
	}},
	{"Ownership", "adds to the header", infos(func(i *antiphon.Info) {
		if i.Header != nil {
			i.Header["more"] = ""
		}
	})},
	{"Ownership", "uses one buffer for all results", func(b *bent) {
		buffer := make([]byte, 1024)
		b.show = func(op *antiphon.Operation) {
			if op.Result != nil {
				op.Result = buffer[:copy(buffer, op.Result)]
			}
		}
	}},
}

// without returns e but for what f changes.
func without(e *antiphon.Error, f func(*antiphon.Error)) *antiphon.Error {
	if e == nil {
		return nil
	}
	c := *e
	f(&c)
	return &c
}

func listings(f func([]antiphon.Operation) []antiphon.Operation) func(*bent) {
	return func(b *bent) {
		b.list = func(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
			ops, err := b.Operations.List(ctx, state, after, limit)
			return f(ops), err
		}
	}
}

// polling looks now and then.
func polling(b *bent, ctx context.Context, id string, after int64) (antiphon.Operation, error) {
	for {
		op, err := b.Operations.Get(context.WithoutCancel(ctx), id)
		if err != nil || op.Version > after || op.State.Terminal() || ctx.Err() != nil {
			return op, err
		}
		time.Sleep(70 * time.Millisecond)
	}
}
