package webhook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/antiphon-go/antiphon/webhook"
)

// One value signs and verifies. What was changed on its way is refused.
func ExampleStandard() {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		panic(err)
	}
	s := webhook.Standard(keys)
	r := webhook.Request{Method: "POST", Body: []byte(`{"amount": 100}`)}
	if err := s.Sign(context.Background(), &r, webhook.Message{ID: "msg_1"}); err != nil {
		panic(err)
	}
	m, err := s.Verify(context.Background(), r)
	fmt.Println(m.ID, m.IDSigned, err)

	r.Body = []byte(`{"amount": 900}`)
	_, err = s.Verify(context.Background(), r)
	var refused *webhook.RejectError
	fmt.Println(errors.As(err, &refused), err)
	// Output:
	// msg_1 true <nil>
	// true webhook: refused: signature: no signature holds
}

// A scheme that nobody here knows is data.
func ExampleHMAC() {
	keys, err := webhook.ParseKeys("a secret of at least 16 bytes")
	if err != nil {
		panic(err)
	}
	s, err := webhook.HMAC(webhook.HMACSpec{
		Signature: "X-Acme-Signature", Prefix: "v1=",
		Timestamp: "X-Acme-Time", Signed: "{timestamp}.{body}",
	}, keys)
	if err != nil {
		panic(err)
	}
	r := webhook.Request{Body: []byte("hello")}
	err = s.Sign(context.Background(), &r, webhook.Message{})
	fmt.Println(len(r.Header.Get("X-Acme-Signature")), err)
	// Output: 67 <nil>
}
