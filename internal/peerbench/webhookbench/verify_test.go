package webhookbench_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-github/v84/github"
	"github.com/slack-go/slack"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v82/webhook"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/antiphon-go/antiphon/webhook"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// What each library does in a row: it verifies the push r, which is the scheme's.
var rows = []struct {
	name   string
	scheme func(webhook.Keys) *webhook.Scheme
	peer   func(b *testing.B) func(r *webhook.Request) error // nil is ours
}{
	{"standard/antiphon", webhook.Standard, nil},
	{"standard/standardwebhooks", webhook.Standard, func(b *testing.B) func(r *webhook.Request) error {
		w, err := standard.NewWebhook(secret)
		if err != nil {
			b.Fatal(err)
		}
		return func(r *webhook.Request) error { return w.Verify(r.Body, r.Header) }
	}},
	{"standard/svix", webhook.Standard, func(b *testing.B) func(r *webhook.Request) error {
		w, err := svix.NewWebhook(secret)
		if err != nil {
			b.Fatal(err)
		}
		return func(r *webhook.Request) error { return w.Verify(r.Body, r.Header) }
	}},
	{"stripe/antiphon", webhook.Stripe, nil},
	{"stripe/stripe", webhook.Stripe, func(*testing.B) func(r *webhook.Request) error {
		return func(r *webhook.Request) error {
			return stripe.ValidatePayload(r.Body, r.Header.Get("Stripe-Signature"), secret)
		}
	}},
	{"github/antiphon", webhook.GitHub, nil},
	{"github/gogithub", webhook.GitHub, func(*testing.B) func(r *webhook.Request) error {
		return func(r *webhook.Request) error {
			return github.ValidateSignature(r.Header.Get("X-Hub-Signature-256"), r.Body, []byte(secret))
		}
	}},
	{"slack/antiphon", webhook.Slack, nil},
	{"slack/slackgo", webhook.Slack, func(*testing.B) func(r *webhook.Request) error {
		return func(r *webhook.Request) error {
			v, err := slack.NewSecretsVerifier(r.Header, secret)
			if err != nil {
				return err
			}
			if _, err = v.Write(r.Body); err != nil {
				return err
			}
			return v.Ensure()
		}
	}},
}

func BenchmarkVerify(b *testing.B) {
	keys, err := webhook.ParseKeys(secret)
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{256, 1 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		b.Run("body="+strconv.Itoa(size)+"/raw", func(b *testing.B) {
			m := hmac.New(sha256.New, []byte(secret))
			m.Write(body)
			want := []byte(hex.EncodeToString(m.Sum(nil)))
			b.ReportAllocs()
			for b.Loop() {
				m := hmac.New(sha256.New, []byte(secret))
				m.Write(body)
				if !hmac.Equal([]byte(hex.EncodeToString(m.Sum(nil))), want) {
					b.Fatal("does not hold")
				}
			}
		})
		for _, row := range rows {
			b.Run("body="+strconv.Itoa(size)+"/"+row.name, func(b *testing.B) {
				s := row.scheme(keys)
				r := &webhook.Request{Method: http.MethodPost, Body: body, At: time.Now()}
				if err := s.Sign(context.Background(), r, webhook.Message{ID: "msg_1"}); err != nil {
					b.Fatal(err)
				}
				verify := func(r *webhook.Request) error {
					_, err := s.Verify(context.Background(), *r)
					return err
				}
				if row.peer != nil {
					verify = row.peer(b)
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := verify(r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
