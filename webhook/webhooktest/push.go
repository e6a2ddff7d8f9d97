package webhooktest

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
)

// A Push is a message as a Signer sends it. It can be verified, as a webhook.Request;
// sent or handled, any number of times, as HTTP makes a request of it; and tampered with.
type Push struct {
	webhook.Request
	// Message is what was signed.
	Message webhook.Message

	signer webhook.Signer
	plain  http.Header // before it was signed
}

// Sign returns m as s signs it now for url. If s fails, so does the test.
func Sign(t testing.TB, s webhook.Signer, url string, m webhook.Message) *Push {
	t.Helper()
	p := &Push{
		Request: webhook.Request{Method: http.MethodPost, URL: url, Header: m.Header.Clone(), Body: m.Body, At: time.Now()},
		Message: m, signer: s,
	}
	if p.Header == nil {
		p.Header = http.Header{}
	}
	p.plain = p.Header.Clone()
	if err := s.Sign(context.Background(), &p.Request, m); err != nil {
		t.Fatalf("webhooktest: the signer fails: %v", err)
	}
	return p
}

// HTTP returns the push as a request to serve, or to send: each call a new one, so that
// a push can be replayed.
func (p *Push) HTTP() *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), p.Method, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		panic(err) // the URL is none
	}
	r.Header = p.Header.Clone()
	return r
}

func (p *Push) clone() *Push {
	q := *p
	q.Header, q.Body = p.Header.Clone(), slices.Clone(p.Body)
	return &q
}

// signed are the names of the fields that the signer has set.
func (p *Push) signed() []string {
	var names []string
	for name, lines := range p.Header {
		if !slices.Equal(lines, p.plain[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// resigned is the push as if it had been signed otherwise; nil if that cannot be.
func (p *Push) resigned(s webhook.Signer, at time.Time, m webhook.Message) *Push {
	q := p.clone()
	q.Header = p.plain.Clone()
	q.At = at
	if s.Sign(context.Background(), &q.Request, m) != nil {
		return nil
	}
	q.At = p.At
	return q
}
