package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/internal/trace"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/webhook"
)

// An answerer is asked over HTTP, and pushes what becomes of it to where it was told to,
// until that is acknowledged. It is what an answering end has to be, and no more.
type answerer struct {
	f      futuretest.Func
	client *http.Client
	ctx    context.Context // ends with the answerer
	work   sync.WaitGroup
	early  bool // the answer is pushed before the question is acknowledged
}

func (a *answerer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q futuretest.Query
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithCancel(trace.In(a.ctx, r.Header))
	if ms, err := strconv.Atoi(r.Header.Get("Timeout-Ms")); err == nil {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
	}
	pushed := make(chan struct{})
	a.work.Go(func() {
		defer cancel()
		defer close(pushed)
		v, err := future.Call(ctx, a.f, q).Await(noContext)
		a.push(r.Header.Get("Answer-To"), webhook.Answer(v, err))
	})
	if a.early {
		<-pushed
	}
	w.WriteHeader(http.StatusAccepted)
}

func (a *answerer) push(url string, m webhook.Message) {
	for i := range 20 {
		r, _ := http.NewRequestWithContext(a.ctx, "POST", url, bytes.NewReader(m.Body))
		r.Header = m.Header.Clone()
		res, err := a.client.Do(r)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == 204 || res.StatusCode == 410 {
				return
			}
		}
		select {
		case <-time.After(time.Duration(i+1) * 10 * time.Millisecond):
		case <-a.ctx.Done():
			return
		}
	}
}

// askOver returns an Asker over an answerer of f and an inbox, both at url.
func askOver(in *webhook.Inbox, url string, c *http.Client) futuretest.Asker {
	return webhook.Ask[futuretest.Query, futuretest.Answer](in, func(ctx context.Context, answerTo string, q futuretest.Query) error {
		body, _ := json.Marshal(q)
		r, err := http.NewRequestWithContext(ctx, "POST", url+"/ask", bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Answer-To", answerTo)
		trace.Put(ctx, r.Header)
		if at, ok := ctx.Deadline(); ok {
			r.Header.Set("Timeout-Ms", strconv.FormatInt(time.Until(at).Milliseconds(), 10))
		}
		res, err := c.Do(r)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	})
}

// openLaw is a way whose pushes go through bend.
func openLaw(tb testing.TB, f futuretest.Func, early bool, bend func(http.RoundTripper) http.RoundTripper) futuretest.Asker {
	ctx, stop := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	n := pollertest.Serve(mux)
	pusher := n.Client()
	if bend != nil {
		pusher.Transport = bend(pusher.Transport)
	}
	a := &answerer{f: f, client: pusher, ctx: ctx, early: early}
	in := webhook.NewInbox(n.URL+"/answers", nil)
	mux.Handle("/ask", a)
	mux.Handle("/answers/", in)
	tb.Cleanup(func() {
		in.Close(nil)
		stop()
		a.work.Wait()
		_ = n.Close()
	})
	return askOver(in, n.URL, n.Client())
}

func TestX8_Push(t *testing.T) {
	way := futuretest.Way{Bubble: true, NoCancel: true, NoProgress: true}
	t.Run("plain", func(t *testing.T) {
		way.Open = func(tb testing.TB, f futuretest.Func) futuretest.Asker { return openLaw(tb, f, false, nil) }
		futuretest.TestAsker(t, way)
	})
	t.Run("early", func(t *testing.T) {
		way.Open = func(tb testing.TB, f futuretest.Func) futuretest.Asker { return openLaw(tb, f, true, nil) }
		futuretest.TestAsker(t, way)
	})
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("unreliable %d", seed), func(t *testing.T) {
			way.Open = func(tb testing.TB, f futuretest.Func) futuretest.Asker {
				return openLaw(tb, f, false, func(rt http.RoundTripper) http.RoundTripper {
					return &unreliable{next: rt, dice: rand.New(rand.NewPCG(seed, 1))}
				})
			}
			futuretest.TestAsker(t, way)
		})
	}
}

func TestX8_PushOverLoopback(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{NoCancel: true, NoProgress: true, Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
		ctx, stop := context.WithCancel(context.Background())
		mux := http.NewServeMux()
		s := httptest.NewServer(mux)
		a := &answerer{f: f, client: s.Client(), ctx: ctx}
		in := webhook.NewInbox(s.URL+"/answers/", nil)
		mux.Handle("/ask", a)
		mux.Handle("/answers/", in)
		tb.Cleanup(func() {
			in.Close(nil)
			stop()
			a.work.Wait()
			s.Close()
		})
		return askOver(in, s.URL, s.Client())
	}})
}

// unreliable loses pushes before and after they arrive, doubles them, and delays them so
// that they overtake each other.
type unreliable struct {
	next http.RoundTripper
	mu   sync.Mutex
	dice *rand.Rand
}

var errLost = errors.New("lost")

func (u *unreliable) RoundTrip(r *http.Request) (*http.Response, error) {
	u.mu.Lock()
	fate, delay := u.dice.IntN(5), time.Duration(u.dice.IntN(20))*time.Millisecond
	u.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	switch fate {
	case 0: // on the way there
		return nil, errLost
	case 1: // on the way back
		if res, err := u.next.RoundTrip(r); err == nil {
			_ = res.Body.Close()
		}
		return nil, errLost
	case 2: // twice
		again := r.Clone(r.Context())
		again.Body, _ = r.GetBody()
		if res, err := u.next.RoundTrip(again); err == nil {
			_ = res.Body.Close()
		}
	}
	return u.next.RoundTrip(r)
}
