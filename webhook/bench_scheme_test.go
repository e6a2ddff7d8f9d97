package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
)

const benchSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// Verify beside hmac.New and a comparison of its hex.
func BenchmarkVerify(b *testing.B) {
	keys, err := webhook.ParseKeys(benchSecret)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	for _, size := range []int{256, 4 << 10, 1 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		b.Run("body="+strconv.Itoa(size)+"/raw", func(b *testing.B) {
			m := hmac.New(sha256.New, []byte(benchSecret))
			m.Write(body)
			want := hex.EncodeToString(m.Sum(nil))
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				m := hmac.New(sha256.New, []byte(benchSecret))
				m.Write(body)
				if !hmac.Equal([]byte(hex.EncodeToString(m.Sum(nil))), []byte(want)) {
					b.Fatal("does not hold")
				}
			}
		})
		for _, s := range []struct {
			name   string
			scheme *webhook.Scheme
		}{
			{"standard", webhook.Standard(keys)},
			{"github", webhook.GitHub(keys)},
			{"stripe", webhook.Stripe(keys)},
			{"square", webhook.Square(keys)},
			{"rfc9421", webhook.MessageSignature(nil, keys)},
		} {
			b.Run("body="+strconv.Itoa(size)+"/"+s.name, func(b *testing.B) {
				r := webhook.Request{Method: "POST", URL: "https://example.com/hooks", Body: body, At: time.Unix(1700000000, 0)}
				if err := s.scheme.Sign(ctx, &r, webhook.Message{ID: "msg_1"}); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, err := s.scheme.Verify(ctx, r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A forged push, and one that is refused before its body is looked at.
func BenchmarkRefuse(b *testing.B) {
	keys, err := webhook.ParseKeys(benchSecret)
	if err != nil {
		b.Fatal(err)
	}
	s := webhook.Standard(keys)
	ctx := context.Background()
	r := webhook.Request{Method: "POST", Body: make([]byte, 1<<20), At: time.Unix(1700000000, 0)}
	if err := s.Sign(ctx, &r, webhook.Message{ID: "msg_1"}); err != nil {
		b.Fatal(err)
	}
	stale := r
	stale.At = r.At.Add(time.Hour)
	b.Run("stale", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Verify(ctx, stale); err == nil {
				b.Fatal("accepted")
			}
		}
	})
	b.Run("precheck", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Precheck(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	keys, err := webhook.ParseKeys(benchSecret)
	if err != nil {
		b.Fatal(err)
	}
	s := webhook.Standard(keys)
	ctx := context.Background()
	r := webhook.Request{Method: "POST", Body: make([]byte, 256), At: time.Unix(1700000000, 0)}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Sign(ctx, &r, webhook.Message{ID: "msg_1"}); err != nil {
			b.Fatal(err)
		}
	}
}
