package main

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/webhook"
)

// A jeweller has stones weighed.
type jeweller struct {
	at     net.Addr
	inbox  *webhook.Inbox
	server *http.Server // of the inbox
	client *http.Client
	unseen atomic.Int64 // polls that failed
}

// openJeweller opens an inbox, which takes what is signed by scheme.
func openJeweller(n network, scheme *webhook.Scheme) (*jeweller, error) {
	l, err := n.listen()
	if err != nil {
		return nil, err
	}
	j := &jeweller{at: l.Addr(), client: &http.Client{Transport: &http.Transport{DialContext: n.dial}}}
	j.inbox = webhook.NewInbox("http://"+l.Addr().String(), &webhook.InboxOptions{Verifier: scheme})
	j.server = &http.Server{Handler: j.inbox, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = j.server.Serve(l) }() // until it is closed
	return j, nil
}

// An answer is a weight, and the way that it came.
type answer struct {
	carats int
	by     string
}

// ask has the lab weigh a stone, and returns when that has accepted. Until ctx ends it
// waits for the push, and polls; the first answer counts. An error means that there will
// be no answer: the future does not begin to wait for one.
func (j *jeweller) ask(ctx context.Context, lab, stone string) (*future.Future[answer], error) {
	url, pushed, err := webhook.Expect[int](j.inbox, time.Minute) // before it can come
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, lab, strings.NewReader(strconv.Quote(stone)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", strconv.Quote(rand.Text()))
	r.Header.Set(webhook.PushToHeader, url)
	remote, err := poller.Begin[int](r, &poller.HTTPOptions{Client: j.client, LongPoll: -1, Poll: &poller.Options{
		MaxErrors: -1, // as long as the push may come
		Observer: func(e antiphon.Event) {
			if e.Name == "poller.poll" && e.Err != nil {
				j.unseen.Add(1)
			}
		},
	}})
	if err != nil {
		return nil, err
	}
	return future.Any(by("push", pushed), by("poll", remote.Future())), nil
}

func by(way string, carats *future.Future[int]) *future.Future[answer] {
	return future.Map(carats, func(n int) (answer, error) { return answer{n, way}, nil })
}

func (j *jeweller) close() {
	j.inbox.Close(nil)
	_ = j.server.Close()
	j.client.CloseIdleConnections()
}
