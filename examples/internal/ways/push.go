package ways

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
)

// push asks over HTTP, and has the answer pushed. Each end repeats what the other has not
// acknowledged.
func push(s *Stage, price Func) Asker {
	mux := http.NewServeMux()
	at := s.Serve(mux)
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	scheme := webhook.Standard(Must(webhook.ParseKeys("whsec_" + base64.StdEncoding.EncodeToString(secret))))

	mux.Handle("POST /questions", answerer(s, price, scheme, at))

	inbox := webhook.NewInbox(at+"/answers", &webhook.InboxOptions{Verifier: scheme})
	mux.Handle("POST /answers/", inbox)
	return webhook.Ask[Item, Price](inbox, sendTo(s, at+"/questions"))
}

// A question says where the answer is to be pushed.
type question struct {
	Item     Item   `json:"item"`
	AnswerTo string `json:"answerTo"`
}

// answerer makes a job of each question, whose outcome is pushed.
func answerer(s *Stage, price Func, scheme webhook.Signer, at string) http.Handler {
	sender := Must(webhook.NewSender(&webhook.SenderOptions{
		Callbacks:  webhook.Endpoint{Signer: scheme, Concurrency: Lanes},
		Egress:     loopback(at),
		Schedule:   webhook.Schedule{Delays: []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond, time.Second}},
		BreakAfter: Questions, // it is no customer that is down for hours
	}))
	prices := Must(queue.New[Item, Price]("prices", queue.Memory(nil), &queue.Options{Ending: webhook.Push(sender)}))
	s.Go(sender.Run)
	s.Go(func(ctx context.Context) error { return prices.Work(ctx, price, &queue.WorkOptions{Drain: 1}) })

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q question
		err := json.NewDecoder(r.Body).Decode(&q)
		if err == nil { // a question that comes again is the same job
			_, err = prices.Submit(r.Context(), q.Item, &queue.SubmitOptions{Key: q.AnswerTo, Header: webhook.PushTo(q.AnswerTo)})
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
}

// sendTo posts questions, again if they were not accepted.
func sendTo(s *Stage, to string) func(ctx context.Context, answerTo string, item Item) error {
	post := future.With(func(ctx context.Context, q question) (struct{}, error) {
		body, _ := json.Marshal(q)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
		if err != nil {
			return struct{}{}, err
		}
		res, err := s.Client().Do(r)
		if err != nil {
			return struct{}{}, err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			err = antiphon.Errorf(antiphon.CodeUnavailable, "the question was answered with %s", res.Status)
		}
		return struct{}{}, err
	}, &future.Policy{Attempts: 5})
	return func(ctx context.Context, answerTo string, item Item) error {
		_, err := post(ctx, question{item, answerTo})
		return err
	}
}

// loopback lets the sender connect to where the inbox is, and nowhere else.
func loopback(at string) webhook.Egress {
	u := Must(url.Parse(at))
	to := Must(netip.ParseAddrPort(u.Host))
	return webhook.Egress{PlainHTTP: true, Allow: []netip.Prefix{netip.PrefixFrom(to.Addr(), 32)}, Ports: []uint16{to.Port()}}
}
