// Package tested is tests as users of the library write them, in virtual time and without
// a network. docs/testing.md explains them.
package tested

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/queuetest"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

func TestATimeoutOfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := func(ctx context.Context, _ string) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		ask := future.Lift(deaf, &future.Policy{Timeout: time.Minute})
		from := time.Now()
		_, err := ask(t.Context(), "anybody there?").Await(t.Context())
		if !errors.Is(err, future.ErrTimeout) || time.Since(from) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(from))
		}
	})
}

// total is what is to be tested: it asks for all prices at once.
func total(ctx context.Context, price future.Asker[string, int], items ...string) (sum int, err error) {
	var asked []*future.Future[int]
	for _, item := range items {
		asked = append(asked, price(ctx, item))
	}
	prices, err := future.All(asked...).Await(ctx)
	for _, p := range prices {
		sum += p
	}
	return sum, err
}

func TestAnAskerOfMyOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := map[string]*future.Promise[int]{"pear": {}, "plum": {}}
		price := func(_ context.Context, item string) *future.Future[int] { return answers[item].Future() }
		sum := future.Go(t.Context(), func(ctx context.Context) (int, error) { return total(ctx, price, "pear", "plum") })

		answers["plum"].Resolve(3)
		synctest.Wait() // until nothing goes on any more
		if _, settled := sum.Peek(); settled {
			t.Error("nobody has said what a pear costs")
		}
		answers["pear"].Resolve(2)
		if v, err := sum.Await(t.Context()); v != 5 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestAClockThatIsMoved(t *testing.T) {
	mock := clock.NewMock()
	payments := callback.NewRegistry[string](&callback.RegistryOptions{Clock: mock})
	defer payments.Close(nil)
	id, paid, err := payments.Expect(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	mock.Add(time.Hour)
	if _, err := paid.Await(t.Context()); !errors.Is(err, callback.ErrExpired) {
		t.Error(err)
	}
	if err := payments.Resolve(id, "too late"); err == nil {
		t.Error("it was taken")
	}
}

func TestAWireThatLosesMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := callback.Pipe(nil)
		shop, customer := callback.NewPeer(there, nil), callback.NewPeer(callbacktest.Faulty(here, &callbacktest.FaultOptions{Seed: 7, Loss: 0.3}), nil)
		defer shop.Close()
		defer customer.Close()
		callback.Serve(shop, "price", func(context.Context, string) (int, error) { return 2, nil }, nil)
		go shop.Run(t.Context())
		go customer.Run(t.Context())

		price := callback.Dial[string, int](customer, "price", &callback.DialOptions{Timeout: time.Hour, Attempts: 50})
		if sum, err := total(t.Context(), price, "pear", "plum", "fig"); sum != 6 || err != nil {
			t.Error(sum, err)
		}
	})
}

func TestADayOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := queuetest.Record(queue.Memory(nil))
		defer rec.Backend().Close()
		mails, err := queue.New[string, string]("mails", rec.Backend(), &queue.Options{
			Attempts: 3, Backoff: antiphon.Constant(12 * time.Hour), Observer: rec.Observe,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer mails.Close()
		ctx, stop := context.WithCancel(t.Context())
		worked := future.Go(t.Context(), func(context.Context) (struct{}, error) {
			return struct{}{}, mails.Work(ctx, func(context.Context, string) (string, error) { return "", errors.New("busy") }, nil)
		})

		job, err := mails.Submit(t.Context(), "ada", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := job.Await(t.Context()); !errors.Is(err, queue.ErrDead) {
			t.Error(err)
		}
		if n := rec.Count(queuetest.Retried); n != 2 {
			t.Error(n, "retries")
		}
		stop()
		if _, err := worked.Await(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAServerThatIsSlowAndBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := &pollertest.Script{
			Start:   []pollertest.Step{{Status: http.StatusServiceUnavailable}, {}},
			Monitor: []pollertest.Step{{State: antiphon.StateRunning}, {Cut: true}, {State: antiphon.StateRunning}, {}},
			Value:   "done",
		}
		n := pollertest.Serve(script)
		defer n.Close()
		report := poller.Dial[string, string](n.URL, &poller.HTTPOptions{Client: n.Client()})
		if v, err := report(t.Context(), "whales").Await(t.Context()); v != "done" || err != nil {
			t.Error(v, err)
		}
		if polls := len(script.Requests("monitor")); polls != 4 || script.AtOnce() != 1 {
			t.Error(polls, "polls,", script.AtOnce(), "at once")
		}
	})
}

func TestForgedPushes(t *testing.T) {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	scheme, handled := webhook.Standard(keys), 0
	hooks := webhook.NewReceiver(scheme, func(context.Context, webhook.Message) error { handled++; return nil }, nil)
	push := func(p *webhooktest.Push) int {
		w := httptest.NewRecorder()
		hooks.ServeHTTP(w, p.HTTP())
		return w.Code
	}

	paid := webhooktest.Sign(t, scheme, "https://shop.example/hooks", webhook.Message{ID: "1", Type: "paid", Body: []byte(`{"order":7}`)})
	for _, spoil := range webhooktest.Tampers() {
		if p := spoil.Do(paid); p != nil && push(p) < 400 {
			t.Errorf("taken although it was spoilt: %s", spoil.Name)
		}
	}
	if a, b := push(paid), push(paid); a != http.StatusNoContent || b != http.StatusNoContent || handled != 1 {
		t.Errorf("%d, %d, and %d handled", a, b, handled)
	}
}

func TestReceiverThatFailsForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		merchant := &webhooktest.Target{Steps: []webhooktest.Step{{Status: 500}, {Status: 500}, {Status: 204}}}
		n := pollertest.Serve(merchant)
		defer n.Close()
		sender, err := webhook.NewSender(&webhook.SenderOptions{Egress: memory(n)})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		if err != nil {
			t.Fatal(err)
		}
		if err := sender.Add(webhook.Endpoint{ID: "m1", URL: "http://shop.example/hooks", Signer: webhook.Standard(keys)}); err != nil {
			t.Fatal(err)
		}
		ran := future.Go(t.Context(), func(ctx context.Context) (struct{}, error) { return struct{}{}, sender.Run(ctx) })
		if err := sender.Send(t.Context(), webhook.Message{Type: "paid", Body: []byte(`{"order":7}`)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour) // takes no time
		if pushed := merchant.Pushed(); len(pushed) != 3 {
			t.Errorf("%d attempts", len(pushed))
		}
		if err := sender.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := ran.Await(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
