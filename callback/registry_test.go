package callback_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// none is the context of those who have none.
var none context.Context

// A world is a bubble with a clock in it: the real one, which is virtual there, or
// a mock.
type world struct {
	clk     clock.Clock
	advance func(time.Duration)
}

// worlds runs test in a bubble with each clock.
func worlds(t *testing.T, test func(t *testing.T, w world)) {
	t.Run("clock=bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, world{nil, func(d time.Duration) { time.Sleep(d); synctest.Wait() }})
		})
	})
	t.Run("clock=mock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			mock := clock.NewMock()
			test(t, world{mock, func(d time.Duration) { mock.Add(d); synctest.Wait() }})
		})
	})
}

// bubble runs test in one, with the clock that is virtual there.
func bubble(t *testing.T, test func(t *testing.T)) { synctest.Test(t, test) }

// events collects what is observed.
type events struct {
	mu  sync.Mutex
	all []antiphon.Event
}

func (es *events) observe(e antiphon.Event) {
	es.mu.Lock()
	defer es.mu.Unlock()
	es.all = append(es.all, e)
}

// take returns what was observed since the last time.
func (es *events) take() []antiphon.Event {
	es.mu.Lock()
	defer es.mu.Unlock()
	all := es.all
	es.all = nil
	return all
}

// expect enters an expectation that must be let in.
func expect[T any](t testing.TB, r *callback.Registry[T], ctx context.Context, ttl time.Duration) (callback.ID, *future.Future[T]) {
	t.Helper()
	id, f, err := r.Expect(ctx, ttl)
	if err != nil || f == nil || id.IsZero() {
		t.Fatalf("Expect: %v, %v, %v", id, f, err)
	}
	return id, f
}

// outcome returns how f ended, which it must have.
func outcome[T any](t testing.TB, f *future.Future[T]) (T, error) {
	t.Helper()
	o, ok := f.Peek()
	if !ok {
		t.Fatal("it is still pending")
	}
	return o.Get()
}

func pending[T any](t testing.TB, f *future.Future[T]) {
	t.Helper()
	if o, ok := f.Peek(); ok {
		t.Fatalf("it ended too early: %+v", o)
	}
}

// ended says what an error of a registry must be.
func ended(t testing.TB, err error, code antiphon.Code, class antiphon.Class, is ...error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if c := antiphon.CodeOf(err); c != code {
		t.Errorf("%v has code %s, want %s", err, c, code)
	}
	if c := antiphon.ClassOf(err); c != class {
		t.Errorf("%v has class %s, want %s", err, c, class)
	}
	for _, target := range is {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
}

func TestExpectAnswerIsGivenToWhoWaits(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[string](&callback.RegistryOptions{Clock: w.clk})
		defer r.Close(nil)
		id, f := expect(t, r, nil, time.Minute)
		got := make(chan string)
		go func() {
			v, err := f.Await(t.Context())
			got <- v + errText(err)
		}()
		w.advance(time.Second)
		if err := r.Resolve(id, "paid"); err != nil {
			t.Fatal(err)
		}
		if v := <-got; v != "paid" {
			t.Fatal(v)
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestExpectAnswerMayComeBeforeAnybodyWaits(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[string](&callback.RegistryOptions{Clock: w.clk})
		defer r.Close(nil)
		id, f := expect(t, r, nil, time.Minute)
		if err := r.Resolve(id, "paid"); err != nil {
			t.Fatal(err)
		}
		if n := r.Len(); n != 0 {
			t.Fatal(n, "are left")
		}
		w.advance(time.Hour) // it is kept for as long as the future is
		if v, err := f.Await(t.Context()); v != "paid" || err != nil {
			t.Fatal(v, err)
		}
	})
}

func TestRejectGivesTheError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := callback.NewRegistry[int](nil)
		defer r.Close(nil)
		id, f := expect(t, r, nil, 0)
		why := errors.New("sold out")
		if err := r.Reject(id, why); err != nil {
			t.Fatal(err)
		}
		if _, err := outcome(t, f); err != why {
			t.Fatal(err)
		}
		id, f = expect(t, r, nil, 0)
		if err := r.Reject(id, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := outcome(t, f); err == nil || !strings.Contains(err.Error(), "nil error") {
			t.Fatal("a nil error says", err)
		}
	})
}

func TestC2_OfAllAnswersOneIsTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		r := callback.NewRegistry[int](&callback.RegistryOptions{Name: "payment", Observer: es.observe})
		defer r.Close(nil)
		for range 200 {
			id, f := expect(t, r, t.Context(), 0)
			var winner atomic.Int64
			var wins, losses atomic.Int64
			var wg sync.WaitGroup
			const n = 8
			for i := range n {
				wg.Go(func() {
					var err error
					if i%4 == 3 {
						err = r.Reject(id, antiphon.Errorf(antiphon.CodeAborted, "%d", i))
					} else {
						err = r.Resolve(id, i)
					}
					switch {
					case err == nil:
						wins.Add(1)
						winner.Store(int64(i))
					case errors.Is(err, callback.ErrDuplicate) && errors.Is(err, callback.ErrOrphan):
						losses.Add(1)
					default:
						t.Errorf("an answer too many: %v", err)
					}
				})
			}
			wg.Wait()
			if wins.Load() != 1 || losses.Load() != n-1 {
				t.Fatal(wins.Load(), "won,", losses.Load(), "lost")
			}
			v, err := outcome(t, f)
			if i := int(winner.Load()); i%4 == 3 && antiphon.CodeOf(err) != antiphon.CodeAborted || i%4 != 3 && (v != i || err != nil) {
				t.Fatal(i, "won, and it ended with", v, err)
			}
			seen := es.take()
			if len(seen) != n-1 {
				t.Fatal(len(seen), "events")
			}
			for _, e := range seen {
				if e.Name != "callback.duplicate" || e.Kind != "payment" || e.ID != id.String() || e.Err != callback.ErrDuplicate {
					t.Fatalf("%+v", e)
				}
			}
		}
	})
}

func TestC2_OrphansAreToldWhyAndObservedOnce(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		var es events
		r := callback.NewRegistry[int](&callback.RegistryOptions{Name: "payment", Observer: es.observe, Clock: w.clk})
		answered, _ := expect(t, r, nil, time.Hour)
		_ = r.Resolve(answered, 1)
		rejected, _ := expect(t, r, nil, time.Hour)
		_ = r.Reject(rejected, errors.New("no"))
		expired, _ := expect(t, r, nil, time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancelled, _ := expect(t, r, ctx, time.Hour)
		cancel()
		w.advance(time.Second)
		if seen := es.take(); len(seen) != 1 || seen[0].Name != "callback.expired" || seen[0].Kind != "payment" ||
			seen[0].ID != expired.String() || seen[0].Err != callback.ErrExpired {
			t.Fatalf("%+v", seen)
		}
		other := callback.NewRegistry[int](nil)
		defer other.Close(nil)
		foreign, _ := expect(t, other, nil, 0)
		closed, _ := expect(t, r, nil, time.Hour)
		r.Close(nil)
		for _, c := range []struct {
			what string
			id   callback.ID
			is   error
			name string
			code antiphon.Code
		}{
			{"answered", answered, callback.ErrDuplicate, "callback.duplicate", antiphon.CodeAlreadyExists},
			{"rejected", rejected, callback.ErrDuplicate, "callback.duplicate", antiphon.CodeAlreadyExists},
			{"expired", expired, callback.ErrLate, "callback.late", antiphon.CodeFailedPrecondition},
			{"cancelled", cancelled, callback.ErrLate, "callback.late", antiphon.CodeFailedPrecondition},
			{"closed", closed, callback.ErrLate, "callback.late", antiphon.CodeFailedPrecondition},
			{"of another registry", foreign, callback.ErrUnknownID, "callback.unknown", antiphon.CodeNotFound},
			{"zero", callback.ID{}, callback.ErrUnknownID, "callback.unknown", antiphon.CodeNotFound},
			{"invented", callback.ID{15: 1}, callback.ErrUnknownID, "callback.unknown", antiphon.CodeNotFound},
			{"far away", callback.ID{0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}, callback.ErrUnknownID, "callback.unknown", antiphon.CodeNotFound},
		} {
			for how, answer := range map[string]func() error{
				"Resolve": func() error { return r.Resolve(c.id, 2) },
				"Reject":  func() error { return r.Reject(c.id, errors.New("no")) },
			} {
				err := answer()
				if err != c.is || !errors.Is(err, callback.ErrOrphan) {
					t.Errorf("%s, %s: %v", c.what, how, err)
				}
				ended(t, err, c.code, antiphon.ClassNotAccepted)
				seen := es.take()
				if len(seen) != 1 || seen[0].Name != c.name || seen[0].Kind != "payment" || seen[0].ID != c.id.String() || seen[0].Err != c.is {
					t.Errorf("%s, %s: observed %+v", c.what, how, seen)
				}
			}
			if err := r.Touch(c.id, time.Second); err != c.is {
				t.Errorf("%s, Touch: %v", c.what, err)
			}
			if seen := es.take(); len(seen) != 0 { // it is no answer
				t.Errorf("%s, Touch: observed %+v", c.what, seen)
			}
		}
	})
}

func TestC2_TheLast256OfEachSortAreRemembered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := callback.NewRegistry[int](nil)
		defer r.Close(nil)
		var answered, given []callback.ID
		for range 700 {
			id, _ := expect(t, r, nil, 0)
			_ = r.Resolve(id, 1)
			answered = append(answered, id)
			ctx, cancel := context.WithCancel(t.Context())
			id, _ = expect(t, r, ctx, 0)
			cancel()
			given = append(given, id)
			synctest.Wait()
		}
		answered, given = answered[700-256:], given[700-256:]
		for i := range answered {
			if err := r.Resolve(answered[i], 2); err != callback.ErrDuplicate {
				t.Fatal(i, err)
			}
			if err := r.Resolve(given[i], 2); err != callback.ErrLate {
				t.Fatal(i, err)
			}
		}
		for range 1 << 14 { // but not for ever
			id, _ := expect(t, r, nil, 0)
			_ = r.Resolve(id, 1)
		}
		if err := r.Resolve(answered[0], 2); err != callback.ErrUnknownID {
			t.Fatal(err)
		}
		if err := r.Resolve(given[0], 2); err != callback.ErrLate { // of another sort
			t.Fatal(err)
		}
	})
}

func TestC3_ExpiresAtItsTimeAndNotBefore(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
		defer r.Close(nil)
		for _, ttl := range []time.Duration{1, 2, time.Microsecond, time.Millisecond - 1, time.Second, 90 * time.Minute, 9000 * time.Hour} {
			_, f := expect(t, r, nil, ttl)
			w.advance(ttl - 1)
			pending(t, f)
			w.advance(1)
			_, err := outcome(t, f)
			if err != callback.ErrExpired {
				t.Fatal(err)
			}
			ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, context.DeadlineExceeded)
			if r.Len() != 0 {
				t.Fatal("it was not let go")
			}
		}
	})
}

func TestC3_InTheOrderOfTheirTimes(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
		defer r.Close(nil)
		const n = 3000
		fs := make([]*future.Future[int], n)
		for i := range fs { // 1 to n ms, mixed up
			_, fs[i*1009%n] = expect(t, r, nil, time.Duration(i*1009%n+1)*time.Millisecond)
		}
		for i := range fs {
			if i > 0 {
				if _, err := outcome(t, fs[i-1]); err != callback.ErrExpired {
					t.Fatal(i, err)
				}
			}
			pending(t, fs[i])
			w.advance(time.Millisecond)
		}
	})
}

func TestC3_ALongTimeIsNoShortOne(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
		w.advance(time.Hour)
		id, f := expect(t, r, nil, 1<<63-1) // 292 years: together more than a moment can be
		_, g := expect(t, r, nil, 1<<62)
		w.advance(24 * time.Hour)
		pending(t, f)
		pending(t, g)
		if err := r.Touch(id, 1<<63-1); err != nil {
			t.Fatal(err)
		}
		w.advance(24 * time.Hour)
		pending(t, f)
		if err := r.Touch(id, time.Second); err != nil {
			t.Fatal(err)
		}
		w.advance(time.Second)
		if _, err := outcome(t, f); err != callback.ErrExpired {
			t.Fatal(err)
		}
		r.Close(nil)
	})
}

func TestC3_TTLOfTheRegistry(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		for want, o := range map[time.Duration]*callback.RegistryOptions{
			30 * time.Second: {Clock: w.clk},
			7 * time.Second:  {Clock: w.clk, TTL: 7 * time.Second},
		} {
			r := callback.NewRegistry[int](o)
			id, f := expect(t, r, nil, 0)
			w.advance(want - 1)
			pending(t, f)
			if err := r.Touch(id, 0); err != nil { // as much again
				t.Fatal(err)
			}
			w.advance(want - 1)
			pending(t, f)
			w.advance(1)
			if _, err := outcome(t, f); err != callback.ErrExpired {
				t.Fatal(err)
			}
			r.Close(nil)
		}
	})
}

func TestC3_TouchGivesAnotherTime(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
		defer r.Close(nil)
		id, f := expect(t, r, nil, time.Second)
		for range 100 { // longer
			w.advance(time.Second - 1)
			if err := r.Touch(id, time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Touch(id, time.Millisecond); err != nil { // and shorter
			t.Fatal(err)
		}
		w.advance(time.Millisecond - 1)
		pending(t, f)
		if err := r.Touch(id, -1); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Fatal(err)
		}
		w.advance(1)
		if _, err := outcome(t, f); err != callback.ErrExpired {
			t.Fatal(err)
		}
		if err := r.Touch(id, time.Second); err != callback.ErrLate {
			t.Fatal(err)
		}
	})
}

func TestC4_ContextThatEndsFreesTheEntryBeforeTheFutureSettles(t *testing.T) {
	why := errors.New("the shop has closed")
	for name, end := range map[string]struct {
		with func(context.Context) (context.Context, func())
		code antiphon.Code
		is   []error
	}{
		"cancel": {func(ctx context.Context) (context.Context, func()) {
			c, cancel := context.WithCancel(ctx)
			return c, cancel
		}, antiphon.CodeCanceled, []error{context.Canceled}},
		"cause": {func(ctx context.Context) (context.Context, func()) {
			c, cancel := context.WithCancelCause(ctx)
			return c, func() { cancel(why) }
		}, antiphon.CodeCanceled, []error{why, context.Canceled}},
		"deadline": {func(ctx context.Context) (context.Context, func()) {
			c, cancel := context.WithTimeout(ctx, time.Second)
			_ = cancel // its parent does it
			return c, func() {}
		}, antiphon.CodeDeadlineExceeded, []error{context.DeadlineExceeded}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: 1})
				defer r.Close(nil)
				ctx, finish := end.with(t.Context())
				id, f := expect(t, r, ctx, time.Hour)
				looked := future.Recover(f, func(err error) (int, error) { // on the goroutine that settles it
					if n := r.Len(); n != 0 {
						t.Error(n, "are left")
					}
					if err := r.Resolve(id, 1); err != callback.ErrLate {
						t.Error(err)
					}
					id, _, err2 := r.Expect(none, 0) // there is room
					if err2 != nil {
						t.Error(err2)
					}
					return 1, r.Resolve(id, 1)
				})
				began := time.Now()
				finish()
				if _, err := looked.Await(none); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > time.Second {
					t.Fatal("it took", took)
				}
				_, err := outcome(t, f)
				ended(t, err, end.code, antiphon.ClassUnknown, end.is...)
			})
		})
	}
}

func TestC4_HoweverItEndsTheEntryIsFreedFirst(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		for name, end := range map[string]func(*callback.Registry[int], callback.ID){
			"resolve": func(r *callback.Registry[int], id callback.ID) { _ = r.Resolve(id, 1) },
			"reject":  func(r *callback.Registry[int], id callback.ID) { _ = r.Reject(id, nil) },
			"expire":  func(*callback.Registry[int], callback.ID) { w.advance(time.Second) },
			"close":   func(r *callback.Registry[int], _ callback.ID) { r.Close(nil) },
		} {
			r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
			id, f := expect(t, r, nil, time.Second)
			look := func() (int, error) {
				if n := r.Len(); n != 0 {
					t.Error(name, n, "are left")
				}
				if err := r.Touch(id, time.Second); !errors.Is(err, callback.ErrOrphan) {
					t.Error(name, err)
				}
				return 5, nil
			}
			looked := future.Recover(future.Map(f, func(int) (int, error) { return look() }), func(error) (int, error) { return look() })
			end(r, id)
			if v, err := looked.Await(t.Context()); v != 5 || err != nil {
				t.Fatal(v, err)
			}
			r.Close(nil)
		}
	})
}

func TestExpectFailsIfItsContextHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, wait := range []bool{false, true} {
			r := callback.NewRegistry[int](&callback.RegistryOptions{Wait: wait})
			why := errors.New("too late")
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(why)
			id, f, err := r.Expect(ctx, 0)
			ended(t, err, antiphon.CodeCanceled, antiphon.ClassNotAccepted, why, context.Canceled)
			if !id.IsZero() || f != nil || r.Len() != 0 {
				t.Fatal(id, f, r.Len())
			}
			r.Close(nil)
		}
	})
}

func TestC5_TooManyAreRefusedAtOnce(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		const limit = 100
		r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: limit, Clock: w.clk})
		defer r.Close(nil)
		ctx, cancel := context.WithCancel(t.Context())
		var ids []callback.ID
		for i := range limit {
			c := ctx
			if i%2 == 0 {
				c = nil
			}
			id, _ := expect(t, r, c, time.Duration(i+1)*time.Second)
			ids = append(ids, id)
		}
		full := func() {
			t.Helper()
			id, f, err := r.Expect(t.Context(), 0)
			if err != callback.ErrFull || !id.IsZero() || f != nil {
				t.Fatal(id, f, err)
			}
			ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted)
			if n := r.Len(); n != limit {
				t.Fatal(n)
			}
		}
		again := func() {
			t.Helper()
			expect(t, r, nil, time.Hour)
			full()
		}
		full()
		_ = r.Resolve(ids[limit-1], 1)
		again()
		_ = r.Reject(ids[limit-2], errors.New("no"))
		again()
		w.advance(time.Second)
		again()
		cancel()
		synctest.Wait()
		for range limit/2 - 1 {
			expect(t, r, nil, time.Hour)
		}
		full()
	})
}

func TestC5_NobodyIsRefusedForAnotherThatIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = 8
		r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: limit})
		defer r.Close(nil)
		var most atomic.Int64
		var wg sync.WaitGroup
		for range 2 * limit {
			wg.Go(func() {
				for range 500 {
					id, f, err := r.Expect(none, 0)
					if n := int64(r.Len()); n > most.Load() {
						most.Store(n)
					}
					switch {
					case err == nil:
						runtime.Gosched()
						_ = r.Resolve(id, 1)
						_, _ = outcome(t, f)
					case err != callback.ErrFull:
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := most.Load(); n > limit {
			t.Fatal(n, "at once")
		}
		for range limit { // nothing was lost by the way
			expect(t, r, nil, 0)
		}
	})
}

func TestX5_ZeroValuesAreSafe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r callback.Registry[string]
		if err := r.Resolve(callback.ID{}, "x"); err != callback.ErrUnknownID {
			t.Fatal(err)
		}
		id, f := expect(t, &r, nil, 0)
		if r.Len() != 1 {
			t.Fatal(r.Len())
		}
		if err := r.Resolve(id, "x"); err != nil {
			t.Fatal(err)
		}
		if v, err := f.Await(none); v != "x" || err != nil {
			t.Fatal(v, err)
		}
		r.Close(nil)
		for name, use := range map[string]func(r *callback.Registry[string]) error{
			"Reject": func(r *callback.Registry[string]) error { return r.Reject(callback.ID{}, nil) },
			"Touch":  func(r *callback.Registry[string]) error { return r.Touch(callback.ID{}, 0) },
		} {
			if err := use(new(callback.Registry[string])); err != callback.ErrUnknownID {
				t.Error(name, err)
			}
		}
		if n := new(callback.Registry[string]).Len(); n != 0 {
			t.Error(n)
		}
		var closed callback.Registry[string]
		closed.Close(nil)
		if _, _, err := closed.Expect(none, 0); err != callback.ErrClosed {
			t.Error(err)
		}
	})
}

func TestX5_ZeroValueIsUsedByManyAtFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r callback.Registry[int]
		defer r.Close(nil)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { expect(t, &r, nil, 0) })
		}
		wg.Wait()
		if r.Len() != 50 {
			t.Fatal(r.Len())
		}
	})
}

func TestNegativeOptionsAreNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, o := range map[string]callback.RegistryOptions{
			"MaxPending": {MaxPending: -1},
			"TTL":        {TTL: -1},
		} {
			for _, wait := range []bool{false, true} {
				o.Wait = wait
				r := callback.NewRegistry[int](&o)
				for range 2 {
					_, _, err := r.Expect(none, time.Second)
					ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
					if !strings.Contains(err.Error(), "RegistryOptions."+name) {
						t.Error(err)
					}
				}
				if r.Len() != 0 || r.Resolve(callback.ID{}, 1) != callback.ErrUnknownID {
					t.Error(name, "is in the way")
				}
				r.Close(nil)
			}
		}
		r := callback.NewRegistry[int](nil)
		_, _, err := r.Expect(none, -1)
		ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		if r.Len() != 0 {
			t.Error(r.Len())
		}
		r.Close(nil)
	})
}

func TestOptionsAreCopied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &callback.RegistryOptions{TTL: time.Second}
		r := callback.NewRegistry[int](o)
		defer r.Close(nil)
		*o = callback.RegistryOptions{TTL: time.Hour, MaxPending: -1}
		_, f := expect(t, r, nil, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := outcome(t, f); err != callback.ErrExpired {
			t.Fatal(err)
		}
	})
}
