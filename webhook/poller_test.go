package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/webhook"
)

// order is a request that says where the answer is to be pushed.
type order struct {
	No       int    `json:"no"`
	AnswerTo string `json:"answerTo"`
}

// The same operation is waited for by push and by poll; whichever comes first settles
// it, and if one of the ways is dead the other does.
func TestPushOrPoll(t *testing.T) {
	for name, tt := range map[string]struct {
		noPush, noPoll bool
		by             time.Duration // it is settled
	}{
		"push is faster":   {false, false, 10 * time.Second},
		"the push is lost": {true, false, 18 * time.Second}, // the work, and one pause of the sixth poll
		"polls are lost":   {false, true, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				mux := http.NewServeMux()
				n := pollertest.Serve(mux)
				defer n.Close()
				pusher, asker := n.Client(), n.Client()
				server := poller.ServeFunc(func(ctx context.Context, o order) (receipt, error) {
					time.Sleep(10 * time.Second)
					r := receipt{o.No}
					if !tt.noPush {
						m := webhook.Answer(r, nil)
						req, _ := http.NewRequest("POST", o.AnswerTo, bytes.NewReader(m.Body))
						req.Header = m.Header
						res, err := pusher.Do(req)
						if err != nil || res.StatusCode != 204 {
							t.Errorf("the push: %v %v", res, err)
							return r, err
						}
						res.Body.Close()
					}
					return r, nil
				}, nil)
				in := webhook.NewInbox(n.URL+"/answers", nil)
				mux.Handle("/answers/", in)
				mux.Handle("/", server)

				began := time.Now()
				url, pushed := expect[receipt](t, in, time.Minute) // before the request leaves
				body, _ := json.Marshal(order{42, url})
				res, err := asker.Post(n.URL, "application/json", bytes.NewReader(body))
				if err != nil || res.StatusCode != http.StatusAccepted {
					t.Fatal(res, err)
				}
				res.Body.Close()
				status := res.Header.Get("Operation-Location")
				polled := poller.Submit(t.Context(), nil, func(ctx context.Context) (poller.Status[receipt], error) {
					var st poller.Status[receipt]
					if tt.noPoll {
						return st, antiphon.Errorf(antiphon.CodeUnavailable, "the status is not to be had")
					}
					req, _ := http.NewRequestWithContext(ctx, "GET", status, nil)
					res, err := asker.Do(req)
					if err != nil {
						return st, err
					}
					defer res.Body.Close()
					var op antiphon.Operation
					if err := json.NewDecoder(res.Body).Decode(&op); err != nil {
						return st, err
					}
					if st.State = op.State; op.State == antiphon.StateSucceeded {
						err = json.Unmarshal(op.Result, &st.Value)
					}
					return st, err
				}, nil)
				v, err := future.Any(pushed, polled).Await(t.Context())
				took := time.Since(began)
				if err != nil || v.No != 42 || took > tt.by || tt.noPush && took == 10*time.Second {
					t.Errorf("%v %v after %v (status at %s)", v, err, took, status)
				}
				if _, err := pushed.Await(t.Context()); tt.noPush != (err != nil) {
					t.Errorf("the push: %v", err)
				}
				in.Close(nil)
				if err := server.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if err := polledOr(polled, 20*time.Minute); tt.noPoll != (err != nil) {
					t.Errorf("the polls: %v", err)
				}
			})
		})
	}
}

func polledOr[T any](f *future.Future[T], patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := f.Await(ctx)
	return err
}
