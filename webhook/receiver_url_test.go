package webhook_test

import (
	"context"
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
