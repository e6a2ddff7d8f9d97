package callback_test

import (
	"context"
	"errors"
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
		if n := r.Pending(); n != 0 {
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
