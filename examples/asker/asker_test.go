package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/examples/asker/internal/books"
	"github.com/antiphon-go/antiphon/future"
)

var errBoom = errors.New("boom")

// notes is a Books that writes down how it was called.
type notes struct {
	books.Books // nil: what is not below is not called
	mu          sync.Mutex
	calls       []string
	err         error
	takes       time.Duration
}

func (n *notes) note(ctx context.Context, call string, args ...any) error {
	time.Sleep(n.takes)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = append(n.calls, fmt.Sprint(call, ctx.Value(key{}), args))
	return n.err
}

type key struct{}

func (n *notes) Title(ctx context.Context, number int64) (string, error) {
	return "title", n.note(ctx, "Title", number)
}

func (n *notes) Count(ctx context.Context) (int, error) { return 3, n.note(ctx, "Count") }

func (n *notes) Return(ctx context.Context, number int64) error { return n.note(ctx, "Return", number) }

func (n *notes) Sync(ctx context.Context) error { return n.note(ctx, "Sync") }

func (n *notes) Lend(ctx context.Context, number int64, reader string, d time.Duration) (time.Time, error) {
	return time.Unix(7, 0), n.note(ctx, "Lend", number, reader, d)
}

func (n *notes) Search(ctx context.Context, words string, opts ...books.Option) ([]int64, error) {
	var s books.Search
	for _, opt := range opts {
		opt(&s)
	}
	return []int64{5}, n.note(ctx, "Search", words, len(opts), s.Limit)
}

func (n *notes) Newest(ctx context.Context, opts ...books.Option) (int64, error) {
	return 9, n.note(ctx, "Newest", len(opts))
}

func (n *notes) Position(ctx context.Context, number int64) (string, int, error) {
	return "A", 4, n.note(ctx, "Position", number)
}

func (n *notes) Name() string { return "notes" }
func (n *notes) Close() error { return n.err }

func check[T any](t *testing.T, f *future.Future[T], want T, wantErr error) {
	t.Helper()
	got, err := f.Await(context.Background())
	if fmt.Sprint(got) != fmt.Sprint(want) || !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) {
		t.Errorf("%v, %v; want %v, %v", got, err, want, wantErr)
	}
}

// Every shape carries the context and the arguments there, and the answer and the
// error back.
func TestEveryShape(t *testing.T) {
	for _, wantErr := range []error{nil, errBoom} {
		n := &notes{err: wantErr}
		a := NewBooksAsker(n, nil)
		ctx := context.WithValue(context.Background(), key{}, "·")
		check(t, a.Title(ctx, 1), "title", wantErr)
		check(t, a.Count(ctx), 3, wantErr)
		check(t, a.Return(ctx, 2), struct{}{}, wantErr)
		check(t, a.Sync(ctx), struct{}{}, wantErr)
		check(t, a.Lend(ctx, 3, "who", time.Second), time.Unix(7, 0), wantErr)
		check(t, a.Search(ctx, "w", books.AtMost(1), books.AtMost(2)), []int64{5}, wantErr)
		check(t, a.Search(ctx, "w"), []int64{5}, wantErr)
		check(t, a.Newest(ctx, books.AtMost(1)), 9, wantErr)
		shelf, place, err := a.Position(ctx, 4)
		if shelf != "A" || place != 4 || err != wantErr || a.Name() != "notes" || a.Close() != wantErr {
			t.Errorf("passed through: %s, %d, %v", shelf, place, err)
		}
		want := "[Title·[1] Count·[] Return·[2] Sync·[] Lend·[3 who 1s] Search·[w 2 2] Search·[w 0 0] Newest·[1] Position·[4]]"
		if got := fmt.Sprint(n.calls); got != want {
			t.Errorf("called %s\n  want %s", got, want)
		}
	}
}

// The policy is that of every method, by itself.
func TestPolicyHoldsForEachMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notes{takes: time.Second}
		a := NewBooksAsker(n, &future.Policy{Concurrency: 1})
		ctx, start := context.Background(), time.Now()
		first, second, other := a.Title(ctx, 1), a.Title(ctx, 2), a.Lend(ctx, 1, "", 0)
		check(t, first, "title", nil)
		check(t, other, time.Unix(7, 0), nil)
		if took := time.Since(start); took != time.Second {
			t.Errorf("one of each method after %v", took)
		}
		check(t, second, "title", nil)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("two of one method after %v", took)
		}
	})
}

func TestBadPolicyFailsEachAsk(t *testing.T) {
	n := &notes{}
	a := NewBooksAsker(n, &future.Policy{Concurrency: -1})
	ctx := context.Background()
	for _, err := range []error{fail(a.Title(ctx, 1)), fail(a.Sync(ctx)), fail(a.Search(ctx, ""))} {
		if err == nil {
			t.Error("a negative limit, and no error")
		}
	}
	if n.calls != nil {
		t.Errorf("called: %v", n.calls)
	}
}

func fail[T any](f *future.Future[T]) error {
	_, err := f.Await(context.Background())
	return err
}

// mapStore is a Store.
type mapStore map[string]int

func (m mapStore) Get(_ context.Context, key string) (int, error) { return m[key], nil }
func (m mapStore) Put(_ context.Context, key string, value int) error {
	m[key] = value
	return nil
}

func TestTypeParameters(t *testing.T) {
	a := NewStoreAsker(mapStore{}, nil)
	ctx := context.Background()
	check(t, a.Put(ctx, "a", 1), struct{}{}, nil)
	check(t, a.Get(ctx, "a"), 1, nil)
}

// connector is a driver.Connector, an interface from elsewhere.
type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return nil, errBoom }
func (c connector) Driver() driver.Driver                      { return opener{} }

type opener struct{ driver.Driver }

func TestInterfaceFromElsewhere(t *testing.T) {
	a := NewConnectorAsker(connector{}, nil)
	check(t, a.Connect(context.Background()), nil, errBoom)
	if a.Driver() != (opener{}) {
		t.Error("the driver is another")
	}
}

// What is generated has every method of what it was generated from: if not, `go
// generate` is due.
func TestNothingIsMissing(t *testing.T) {
	complete(t, reflect.TypeFor[books.Books](), reflect.TypeFor[*BooksAsker]())
	complete(t, reflect.TypeFor[books.Store[int, string]](), reflect.TypeFor[*StoreAsker[int, string]]())
	complete(t, reflect.TypeFor[driver.Connector](), reflect.TypeFor[*ConnectorAsker]())
}

func complete(t *testing.T, from, made reflect.Type) {
	if from.NumMethod() != made.NumMethod() {
		t.Errorf("%v has %d methods, %v %d", from, from.NumMethod(), made, made.NumMethod())
	}
	for m := range from.Methods() {
		asks, ok := made.MethodByName(m.Name)
		if !ok {
			t.Errorf("%v has no %s", made, m.Name)
			continue
		}
		if got, want := asks.Type.NumIn()-1, m.Type.NumIn(); got != want {
			t.Errorf("%v.%s takes %d arguments, want %d", made, m.Name, got, want)
			continue
		}
		for i := range m.Type.NumIn() {
			if got, want := asks.Type.In(i+1), m.Type.In(i); got != want {
				t.Errorf("%v.%s takes %v, want %v", made, m.Name, got, want)
			}
		}
		results := asks.Type
		if await, ok := asks.Type.Out(0).MethodByName("Await"); ok {
			results = await.Type
		}
		last := m.Type.NumOut() - 1
		if got, want := results.Out(results.NumOut()-1), m.Type.Out(last); got != want {
			t.Errorf("%v.%s ends with %v, want %v", made, m.Name, got, want)
		}
		if got, want := results.Out(0), m.Type.Out(0); last > 0 && got != want {
			t.Errorf("%v.%s gives %v, want %v", made, m.Name, got, want)
		}
	}
}
