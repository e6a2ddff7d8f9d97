package webhooktest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
)

// A SchemeTrial is a scheme to be tested: its two ends.
type SchemeTrial struct {
	Signer   webhook.Signer
	Verifier webhook.Verifier
	// Other is a Signer of the same scheme with another key.
	Other webhook.Signer
	// URL is where it is pushed to. "" means https://example.com/hooks.
	URL string
	// Message is what is pushed: one that the scheme can carry, with a body.
	Message webhook.Message
}

// TestScheme tests that what the Signer signs is verified, and that nothing else is.
// Every rule is a subtest, and says why it is one when it is broken.
func TestScheme(t *testing.T, s SchemeTrial) {
	t.Helper()
	if s.URL == "" {
		s.URL = "https://example.com/hooks"
	}
	sign := func(t *testing.T) *Push { return Sign(t, s.Signer, s.URL, s.Message) }
	ctx := context.Background()

	t.Run("genuine", func(t *testing.T) {
		p := sign(t)
		before := p.clone()
		for range 2 {
			m, err := s.Verifier.Verify(ctx, p.Request)
			switch {
			case err != nil:
				t.Fatalf("what the Signer signs is refused, so nothing arrives: %v", err)
			case !bytes.Equal(m.Body, s.Message.Body):
				t.Error("the Message has another body than was signed")
			case m.IDSigned && m.ID != s.Message.ID:
				t.Error("the ID that is said to be signed is not the one that was")
			case m.TypeSigned && m.Type != s.Message.Type:
				t.Error("the Type that is said to be signed is not the one that was")
			case p.timed() && m.Time.Unix() != p.At.Unix():
				t.Errorf("the Message is of %v and was signed at %v", m.Time, p.At)
			}
		}
		if !reflect.DeepEqual(p.Request, before.Request) {
			t.Error("Verify changes the request, which others read as well")
		}
	})

	t.Run("the signer changes only the header", func(t *testing.T) {
		p := sign(t)
		if p.Method != http.MethodPost || p.URL != s.URL || !bytes.Equal(p.Body, s.Message.Body) {
			t.Error("the Signer changes more of the request than its header")
		}
		if len(p.signed()) == 0 {
			t.Error("the Signer sets no field")
		}
	})

	t.Run("fresh", func(t *testing.T) {
		p := sign(t)
		if !p.timed() {
			t.Skip("NOT CHECKED: that clocks may be a minute apart; the scheme signs no time")
		}
		for _, d := range []time.Duration{-time.Minute, time.Minute} {
			p.At = time.Now().Add(d)
			if _, err := s.Verifier.Verify(ctx, p.Request); err != nil {
				t.Errorf("clocks that are a minute apart, as happens, stop everything: %v", err)
			}
		}
	})

	for _, w := range append(Tampers(), OtherKey(s.Other)) {
		t.Run("tampered: "+w.Name, func(t *testing.T) {
			q := w.Do(sign(t))
			if q == nil {
				return // there is nothing of the kind in this scheme
			}
			_, err := s.Verifier.Verify(ctx, q.Request)
			var refused *webhook.RejectError
			switch {
			case err == nil:
				t.Fatalf("it is accepted: whoever knows one push can forge another\n%v\n%q", q.Header, q.Body)
			case !errors.As(err, &refused):
				t.Fatalf("the error is a %T, no *webhook.RejectError, so it is asked for again: %v", err, err)
			}
			for _, lines := range q.Header {
				for _, v := range lines {
					if len(v) > 8 && strings.Contains(err.Error(), v) {
						t.Errorf("the error quotes what came, and gets into logs: %v", err)
					}
				}
			}
			if len(q.Body) > 8 && strings.Contains(err.Error(), string(q.Body)) {
				t.Errorf("the error quotes the body, and gets into logs: %v", err)
			}
			if early, ok := s.Verifier.(webhook.Prechecker); ok && strings.HasPrefix(w.Name, "timestamp, of") {
				q.Body = nil
				if early.Precheck(q.Request) == nil {
					t.Error("it is refused only when the body is there, which costs whoever pushes nothing")
				}
			}
		})
	}

	t.Run("an empty request", func(t *testing.T) {
		for _, h := range []http.Header{nil, {}} {
			if _, err := s.Verifier.Verify(ctx, webhook.Request{Method: http.MethodPost, URL: s.URL, Header: h, At: time.Now()}); err == nil {
				t.Error("nothing at all is accepted")
			}
		}
	})

	t.Run("concurrent", func(t *testing.T) {
		p := sign(t)
		var g sync.WaitGroup
		for range 8 {
			g.Go(func() {
				for range 50 {
					if _, err := s.Verifier.Verify(ctx, p.Request); err != nil {
						t.Errorf("several at once: %v", err)
						return
					}
					q := p.clone()
					q.Body = append(q.Body, '.')
					if _, err := s.Verifier.Verify(ctx, q.Request); err == nil {
						t.Error("several at once: another body is accepted")
						return
					}
				}
			})
		}
		g.Wait()
	})
}
