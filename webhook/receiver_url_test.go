package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
)

// What a push has behind the path of the public URL counts for schemes that sign it, and
// another query does not hold.
func TestTheQueryIsVerified(t *testing.T) {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	const public = "https://example.com/hooks"
	scheme, came := webhook.MessageSignature(nil, keys), 0
	receiver := webhook.NewReceiver(scheme, func(context.Context, webhook.Message) error { came++; return nil }, &webhook.ReceiverOptions{URL: public})
	for query, want := range map[string]int{"": 401, "?tenant=7": 204, "?tenant=8": 401} {
		r := httptest.NewRequest("POST", "/behind/a/proxy"+query, strings.NewReader("hello"))
		req := webhook.Request{Method: "POST", URL: public + "?tenant=7", Header: r.Header, Body: []byte("hello"), At: time.Now()}
		if err := scheme.Sign(t.Context(), &req, webhook.Message{ID: "msg_1"}); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if receiver.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q: %d, want %d", query, w.Code, want)
		}
	}
	if came != 1 {
		t.Errorf("%d came", came)
	}
}

// The beginning of a body cannot be made a part of the query that is signed in front.
func TestW2_ABodyIsNotShiftedIntoTheQuery(t *testing.T) {
	keys, err := webhook.ParseKeys("a secret of many bytes")
	if err != nil {
		t.Fatal(err)
	}
	const public, query, body = "https://example.com/hooks", "tenant=7", `{"ref":{"amount":1},"x":2}`
	scheme := webhook.Square(keys)
	var came []string
	receiver := webhook.NewReceiver(scheme, func(_ context.Context, m webhook.Message) error {
		came = append(came, string(m.Body))
		return nil
	}, &webhook.ReceiverOptions{URL: public})
	req := webhook.Request{Method: "POST", URL: public + "?" + query, Body: []byte(body), At: time.Now()}
	if err := scheme.Sign(t.Context(), &req, webhook.Message{}); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]int{0: 204, 7: 401} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body[n:]))
		r.URL.RawQuery = query + body[:n]
		r.Header = req.Header.Clone()
		if a := push(receiver, r); a.Code != want {
			t.Errorf("%d bytes shifted: %d, want %d (%q)", n, a.Code, want, came)
		}
	}
}

// A form that is written in another way, under the same signature, is the same message.
func TestW5_TwilioFormsAreTheSameHoweverWritten(t *testing.T) {
	keys, err := webhook.ParseKeys("a secret of many bytes")
	if err != nil {
		t.Fatal(err)
	}
	const public = "https://example.com/hooks"
	scheme, came := webhook.Twilio(keys), 0
	receiver := webhook.NewReceiver(scheme, func(context.Context, webhook.Message) error { came++; return nil }, &webhook.ReceiverOptions{URL: public})
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	req := webhook.Request{Method: "POST", URL: public, Header: form, Body: []byte("Body=pay&To=me"), At: time.Now()}
	if err := scheme.Sign(t.Context(), &req, webhook.Message{}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"Body=pay&To=me", "To=me&Body=pay", "Body=p%61y&To=me", "Body=pay&Body=pay&To=me", "Bod=ypay&To=me"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header = req.Header.Clone()
		if a := push(receiver, r); a.Code != 204 {
			t.Errorf("%s: %d", body, a.Code)
		}
	}
	if came != 1 {
		t.Errorf("handled %d times", came)
	}
}

// A scheme whose keys do not suit is a mistake that shows at once, at either end.
func TestW3_SchemesThatAreWrongAreMistakes(t *testing.T) {
	keys, err := webhook.ParseKeys("a secret of many bytes")
	if err != nil {
		t.Fatal(err)
	}
	sender, err := webhook.NewSender(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Shutdown(t.Context())
	for name, scheme := range map[string]*webhook.Scheme{"a key that is none of its": webhook.Standard(keys), "no Keys": webhook.GitHub(nil)} {
		receiver := webhook.NewReceiver(scheme, func(context.Context, webhook.Message) error { return nil }, nil)
		if err := receiver.Shutdown(t.Context()); !errors.Is(err, scheme.Err()) {
			t.Errorf("%s: Shutdown returns %v", name, err)
		}
		if a := push(receiver, httptest.NewRequest("POST", "/", nil)); a.Code != 500 {
			t.Errorf("%s: %d", name, a.Code)
		}
		if err := sender.Add(webhook.Endpoint{ID: "shop", URL: "https://shop.example", Signer: scheme}); !errors.Is(err, scheme.Err()) {
			t.Errorf("%s: Add returns %v", name, err)
		}
	}
}
