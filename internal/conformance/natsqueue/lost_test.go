package natsqueue_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// The connection breaks when the server has made a write and not told of it. Who wrote
// learns by the next connection that it is made, long before the Timeout, and nothing is
// made twice, or leased to nobody.
func TestQ1_Q3_AnswersAreLost(t *testing.T) {
	s := serve(t)
	x := natsd.NewProxy(t, s.Embedded().Addr().String())
	there := open(t, dial(t, s.URL()), &natsqueue.Options{Bucket: "b"})
	here := open(t, dial(t, x.URL()), &natsqueue.Options{Bucket: "b", Timeout: time.Hour})
	put := func(ids ...string) error {
		r := driver.PutRequest{Queue: "q"}
		for _, id := range ids {
			r.Jobs = append(r.Jobs, driver.Envelope{ID: id, Payload: payload, Keep: time.Hour})
		}
		placed, err := here.Put(t.Context(), r)
		for _, p := range placed {
			if p.Duplicate {
				t.Errorf("%s is told to be there already", p.ID)
			}
		}
		return err
	}
	var leased []driver.Leased
	for _, step := range []struct {
		name string
		do   func() error
		made driver.Stats // when the server has made the write
	}{
		{"Put", func() error { return put("1") }, driver.Stats{Ready: 1}},
		{"Put of a batch", func() error { return put("2", "3") }, driver.Stats{Ready: 3}},
		{"Take", func() (err error) {
			leased, err = here.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: 1, Lease: time.Hour})
			return err
		}, driver.Stats{Ready: 2, Running: 1}},
		{"Extend", func() error {
			return first(here.Extend(t.Context(), "q", []driver.Extension{{Lease: leased[0].Lease, For: 2 * time.Hour, Progress: &antiphon.Progress{Percent: 50}}}))
		}, driver.Stats{Ready: 2, Running: 1}},
		{"Settle", func() error {
			return first(here.Settle(t.Context(), "q", []driver.Settlement{{Lease: leased[0].Lease, State: antiphon.StateSucceeded}}))
		}, driver.Stats{Ready: 2, Kept: 1}},
	} {
		written := make(chan *nats.Msg, 10)
		watching, err := nats.Connect(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watching.ChanSubscribe("$KV.b.>", written); err != nil {
			t.Fatal(err)
		}
		_ = watching.Flush()
		x.MuteAfter("Antiphon-Write")
		ended := make(chan error, 1)
		go func() { ended <- step.do() }()
		patience := time.After(time.Minute)
		select {
		case <-written:
		case <-patience:
			t.Fatalf("%s: nothing was written", step.name)
		}
		watching.Close()
		for {
			st, err := there.Stats(t.Context(), "q")
			if err != nil {
				t.Fatal(err)
			}
			if st.Ready == step.made.Ready && st.Running == step.made.Running && st.Kept == step.made.Kept {
				break
			}
		}
		select {
		case err := <-ended:
			t.Errorf("%s: ended before it can have been told: %v", step.name, err)
		default:
		}
		x.Drop()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
		case <-patience:
			t.Fatalf("%s: nobody was told", step.name)
		}
	}
	if len(leased) != 1 || leased[0].Fence != 1 || leased[0].Attempt != 1 {
		t.Errorf("leased %+v", leased)
	}
}

// first is the one error of a call about one job.
func first(errs []error) error {
	if errs == nil {
		return nil
	}
	return errs[0]
}
