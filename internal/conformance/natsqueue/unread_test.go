package natsqueue_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// told keeps what an observer is told.
type told struct {
	mu  sync.Mutex
	all []antiphon.Event
}

func (o *told) observe(e antiphon.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, e)
}

// of returns the events of a name.
func (o *told) of(name string) []antiphon.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.all), func(e antiphon.Event) bool { return e.Name != name })
}

// subject is where a bucket keeps something of a queue.
func subject(bucket, queue, kind, name string) string {
	token := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("a" + s)) }
	return "$KV." + bucket + "." + token(queue) + "." + kind + "." + token(name)
}

// What others wrote into the bucket is told, and harms nobody: jobs beside it are done,
// and who waits for one that was written over gets an error that says so.
func TestForeignRecords(t *testing.T) {
	nc := dial(t, serve(t).URL())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var seen told
	b := open(t, nc, &natsqueue.Options{Bucket: "b", Observer: seen.observe})
	q, err := queue.New[int, int]("q", b, &queue.Options{Poll: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	submit := func(n int, o *queue.SubmitOptions) *queue.Job[int] {
		j, err := q.Submit(t.Context(), n, o)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	over, later, good := submit(1, &queue.SubmitOptions{Group: "g"}), submit(2, nil), submit(3, &queue.SubmitOptions{Group: "g"})
	for subject, data := range map[string][]byte{
		subject("b", "q", "j", over.ID()):  {1, 2, 255},
		subject("b", "q", "j", later.ID()): {7, 2, 255},
		subject("b", "q", "u", "name"):     []byte("{"),
		"$KV.b.YXE.x":                      []byte("what is this"),
		"$KV.b.YXE.j":                      []byte("whose is this"),
	} {
		if _, err := js.Publish(t.Context(), subject, data); err != nil {
			t.Fatal(err)
		}
	}
	working, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Work(working, func(_ context.Context, n int) (int, error) { return n * n, nil }, nil)
	}()
	if v, err := good.Await(t.Context()); v != 9 || err != nil {
		t.Errorf("the job beside them: %d, %v", v, err)
	}
	for j, code := range map[*queue.Job[int]]antiphon.Code{over: antiphon.CodeDataLoss, later: antiphon.CodeFailedPrecondition} {
		if _, err := j.Await(t.Context()); antiphon.CodeOf(err) != code || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Errorf("want %s: %v", code, err)
		}
		if _, err := q.Submit(t.Context(), 4, nil); err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	jobs := map[string]bool{}
	for _, e := range seen.of("nats.unread") {
		jobs[e.ID] = true
		if e.Kind != "q" || e.Err == nil {
			t.Errorf("%+v", e)
		}
	}
	if n := len(seen.of("nats.unread")); n != 5 || !jobs[over.ID()] || !jobs[later.ID()] || jobs[good.ID()] {
		t.Errorf("told of %d: %v", n, seen.of("nats.unread"))
	}
	// Deleted by hand, as nats kv purge does, they are gone.
	if _, err := js.Publish(t.Context(), subject("b", "q", "j", over.ID()), nil); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Lookup(t.Context(), "q", []string{over.ID(), later.ID()}, false); err != nil || len(got) != 1 || got[0].ID != later.ID() {
		t.Errorf("%+v, %v", got, err)
	}
}

// A worker's lease is over when its job was written over.
func TestQ5_ALeasedJobIsWrittenOver(t *testing.T) {
	nc := dial(t, serve(t).URL())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, nc, &natsqueue.Options{Bucket: "b"})
	if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: "1"}}}); err != nil {
		t.Fatal(err)
	}
	got, err := b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: 1, Lease: time.Minute})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if _, err := js.Publish(t.Context(), subject("b", "q", "j", "1"), []byte("no record")); err != nil {
		t.Fatal(err)
	}
	errs := b.Settle(t.Context(), "q", []driver.Settlement{{Lease: got[0].Lease, State: antiphon.StateSucceeded}})
	if len(errs) != 1 || !errors.Is(errs[0], driver.ErrLeaseLost) {
		t.Errorf("%v", errs)
	}
	if s, err := b.Stats(t.Context(), "q"); err != nil || s.Running+s.Ready+s.Kept+s.Dead != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// The order of a group is that of putting, also for who reads the bucket later and
// finds the record of the first behind that of the second.
func TestQ8_AGroupIsReadLater(t *testing.T) {
	nc := dial(t, serve(t).URL())
	b := open(t, nc, nil)
	jobs := []driver.Envelope{{ID: "1", Group: "g"}, {ID: "2", Group: "g"}}
	if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: jobs}); err != nil {
		t.Fatal(err)
	}
	got, err := b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: 1, Lease: time.Minute})
	if err != nil || len(got) != 1 || got[0].ID != "1" {
		t.Fatal(got, err)
	}
	late := open(t, dial(t, nc.ConnectedUrl()), nil)
	more, err := late.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: 1, Lease: time.Minute, Wait: 50 * time.Millisecond})
	if err != nil || len(more) != 0 {
		t.Errorf("handed out beside the first of its group: %+v, %v", more, err)
	}
	if s, err := late.Stats(t.Context(), "q"); err != nil || s.Ready != 0 || s.Delayed != 1 || s.Running != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Whoever comes too late again and again tells.
func TestContended(t *testing.T) {
	nc := dial(t, serve(t).URL())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	contended := make(chan antiphon.Event, 1)
	b := open(t, nc, &natsqueue.Options{Bucket: "b", Observer: func(e antiphon.Event) {
		select {
		case contended <- e:
		default:
		}
	}})
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	for range 4 {
		others.Go(func() { // who writes the same, without looking
			for ctx.Err() == nil {
				_, _ = js.Publish(ctx, "$KV.b.YXE.c", []byte("runs"))
			}
		})
	}
	for {
		if err := b.Pause(t.Context(), "q", true); err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-contended:
			if e.Name != "nats.contended" || e.Kind != "q" || e.Count < 8 {
				t.Errorf("%+v", e)
			}
			return
		default:
		}
	}
}

// A Put of more than a batch holds is refused as a whole.
func TestLargePut(t *testing.T) {
	b := open(t, dial(t, serve(t).URL()), nil)
	_, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: make([]driver.Envelope, 901)})
	if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || errors.Is(err, driver.ErrFull) {
		t.Errorf("901 jobs: %v", err)
	}
	keyed := make([]driver.Envelope, 501)
	for i := range keyed {
		keyed[i].ID, keyed[i].Key = fmt.Sprint(i), fmt.Sprint(i)
	}
	_, err = b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: keyed})
	if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || errors.Is(err, driver.ErrFull) {
		t.Errorf("501 jobs with keys: %v", err)
	}
	if s, err := b.Stats(t.Context(), "q"); err != nil || s.Ready != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
