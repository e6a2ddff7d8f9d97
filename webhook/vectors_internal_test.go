package webhook

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// documented is a key of this text, however short: documentation is not always careful.
func documented(secret string) Key {
	k := &macKey{key: []byte(secret)}
	return Key{of: &keyMaterial{text: k, decoded: k}}
}

func mustRing(t testing.TB, keys ...Key) Keys {
	t.Helper()
	ks, err := KeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func mustParse(t testing.TB, text string) Key {
	t.Helper()
	k, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// What the inventors of the schemes publish verifies, and signing gives the same.
func TestVectors(t *testing.T) {
	const twilioURL = "https://mycompany.com/myapp.php?foo=1&bar=2"
	form := "application/x-www-form-urlencoded"
	for _, v := range []struct {
		name, source string
		scheme       func(Keys) *Scheme
		key          Key
		url          string
		at           int64
		header       http.Header
		body         string
		message      Message
	}{
		{
			name:   "Standard Webhooks v1",
			source: "github.com/standard-webhooks/standard-webhooks, libraries/javascript/src/webhook.test.ts, 'sign function works'",
			scheme: Standard, key: mustParse(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), at: 1614265330,
			header: header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330",
				"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
			body:    `{"test": 2432232314}`,
			message: Message{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", IDSigned: true},
		},
		{
			name:   "Standard Webhooks v1a",
			source: "github.com/standard-webhooks/standard-webhooks, libraries/go/webhook_asymmetric_test.go, TestAsymmetricWebhookSign",
			scheme: Standard, key: mustParse(t, "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="), at: 1614265330,
			header: header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330",
				"webhook-signature", "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="),
			body:    `{"test": 2432232314}`,
			message: Message{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", IDSigned: true},
		},
		{
			name:   "GitHub",
			source: "docs.github.com, Validating webhook deliveries, Testing the webhook payload validation",
			scheme: GitHub, key: documented("It's a Secret to Everybody"),
			header: header("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
				"X-GitHub-Event", "push", "X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
			body:    "Hello, World!",
			message: Message{ID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", Type: "push"},
		},
		{
			name:   "Slack",
			source: "api.slack.com, Verifying requests from Slack, the step-by-step example",
			scheme: Slack, key: documented("8f742231b10e8888abcd99yyyzzz85a5"), at: 1531420618,
			header: header("X-Slack-Request-Timestamp", "1531420618",
				"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
			body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
		},
		{
			name:   "Shopify",
			source: "github.com/sqlpage/SQLPage, the tests of sqlpage.hmac with Shopify's header",
			scheme: Shopify, key: documented("test-webhook-secret"),
			header:  header("X-Shopify-Hmac-Sha256", "QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw=", "X-Shopify-Topic", "orders/create"),
			body:    `{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}`,
			message: Message{Type: "orders/create"},
		},
		{
			name:   "Square",
			source: "developer.squareup.com, Verify and Validate an Event Notification, the values of its example",
			scheme: Square, key: documented("asdf1234"), url: "https://example.com/webhook",
			header: header("x-square-hmacsha256-signature", "2kRE5qRU2tR+tBGlDwMEw2avJ7QM4ikPYD/PJ3bd9Og="),
			body:   `{"hello":"world"}`,
		},
		{
			name:   "Twilio, a form",
			source: "github.com/twilio/twilio-go, client/request_validator_test.go",
			scheme: Twilio, key: documented("12345"), url: twilioURL,
			header: header("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "Content-Type", form),
			body:   "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309",
		},
		{
			name:   "Twilio, a repeated parameter",
			source: "github.com/twilio/twilio-python, tests/unit/test_request_validator.py, test_compute_signature_duplicate_query_dict",
			scheme: Twilio, key: documented("12345"), url: twilioURL,
			header: header("X-Twilio-Signature", "IK+Dwps556ElfBT0I3Rgjkr1wJU=", "Content-Type", form+"; charset=UTF-8"),
			body:   "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234",
		},
		{
			name:   "Twilio, JSON",
			source: "github.com/twilio/twilio-go, client/request_validator_test.go, TestRequestValidator_ValidateBody",
			scheme: Twilio, key: documented("12345"),
			url:    twilioURL + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
			header: header("X-Twilio-Signature", "a9nBmqA0ju/hNViExpshrM61xv4=", "Content-Type", "application/json"),
			body:   `{"property": "value", "boolean": true}`,
		},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := v.scheme(mustRing(t, v.key.Named("k")))
			r := Request{Method: "POST", URL: v.url, Header: v.header, Body: []byte(v.body), At: time.Unix(v.at, 0)}
			m, err := s.Verify(t.Context(), r)
			if err != nil {
				t.Fatalf("%s: %v", v.source, err)
			}
			if m.ID != v.message.ID || m.Type != v.message.Type || m.IDSigned != v.message.IDSigned || m.KeyID != "k" ||
				string(m.Body) != v.body || v.at != 0 && m.Time.Unix() != v.at {
				t.Errorf("message %+v", m)
			}
			again := Request{Method: "POST", URL: v.url, Header: header("Content-Type", v.header.Get("Content-Type")), Body: r.Body, At: r.At}
			if err := s.Sign(t.Context(), &again, Message{ID: v.message.ID, Type: v.message.Type}); err != nil {
				t.Fatal(err)
			}
			for name := range v.header {
				if got, want := again.Header.Get(name), v.header.Get(name); got != want {
					t.Errorf("%s signed as %q, published as %q", name, got, want)
				}
			}
			r.Body = append([]byte(v.body), ' ')
			if _, err := s.Verify(t.Context(), r); err == nil {
				t.Error("another body verifies")
			}
		})
	}
}

// The keys of RFC 9421, appendix B.1.
const (
	rfcRSAPSS = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
`
	rfcP256 = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
`
	rfcEd25519 = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
`
	rfcShared = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)

// rfcRequest is test-request of RFC 9421, appendix B.2.
func rfcRequest(input, code string) Request {
	return Request{
		Method: "POST", URL: "https://example.com/foo?param=Value&Pet=dog",
		Header: header(
			"Date", "Tue, 20 Apr 2021 02:07:55 GMT", "Content-Type", "application/json",
			"Content-Digest", "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
			"Content-Length", "18", "Signature-Input", input, "Signature", code,
		),
		Body: []byte(`{"hello": "world"}`), At: time.Unix(1618884473, 0),
	}
}

func TestVectorsRFC9421(t *testing.T) {
	shared, _ := unbase64(rfcShared)
	hmacKey, err := NewKey(shared)
	if err != nil {
		t.Fatal(err)
	}
	keys := mustRing(t, hmacKey.Named("test-shared-secret"), mustParse(t, rfcRSAPSS).Named("test-key-rsa-pss"),
		mustParse(t, rfcP256).Named("test-key-ecc-p256"), mustParse(t, rfcEd25519).Named("test-key-ed25519"))
	for _, v := range []struct {
		name, label, params, code string
		base                      string // what the RFC prints
		whole                     bool   // it covers the digest
		key                       int
	}{
		{
			name: "B.2.1 minimal, rsa-pss-sha512", label: "sig-b21", key: 1,
			params: `();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"`,
			base:   `"@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"`,
			code:   "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
		},
		{
			name: "B.2.2 selective, rsa-pss-sha512", label: "sig-b22", key: 1, whole: true,
			params: `("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"`,
			base: `"@authority": example.com
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"@query-param";name="Pet": dog
"@signature-params": ("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"`,
			code: "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
		},
		{
			name: "B.2.3 full, rsa-pss-sha512", label: "sig-b23", key: 1, whole: true,
			params: `("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"`,
			base: `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@query": ?param=Value&Pet=dog
"@authority": example.com
"content-type": application/json
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"`,
			code: "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
		},
		{
			name: "B.2.5 hmac-sha256", label: "sig-b25", key: 0,
			params: `("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`,
			base: `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`,
			code: "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
		},
		{
			name: "B.2.6 ed25519", label: "sig-b26", key: 3,
			params: `("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
			base: `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
			code: "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
		},
	} {
		t.Run(v.name, func(t *testing.T) {
			r := rfcRequest(v.label+"="+v.params, v.label+"=:"+v.code+":")
			c := cursor{v.params}
			covered, ok := c.components()
			if !ok {
				t.Fatal("does not parse")
			}
			base, ok := signatureBase(&r, covered, v.params)
			if !ok || string(base) != v.base {
				t.Fatalf("base:\n%s\nwant:\n%s", base, v.base)
			}
			code, _ := unbase64(v.code)
			k := keys.(ring)[v.key].of
			if !k.verifies(base, code) {
				t.Error("the published signature does not hold")
			}
			base[0] ^= 1
			if k.verifies(base, code) {
				t.Error("another base verifies")
			}
			m, err := MessageSignature(&MessageSignatureOptions{Components: []string{"@authority"}}, keys).Verify(t.Context(), r)
			if (err == nil) != v.whole {
				t.Errorf("Verify: %v; covers the digest: %v", err, v.whole)
			}
			if v.whole && (m.Time.Unix() != 1618884473 || m.KeyID != keys.(ring)[v.key].name) {
				t.Errorf("message %+v", m)
			}
		})
	}
	t.Run("B.2.4 a response, ecdsa-p256-sha256", func(t *testing.T) {
		base := `"@status": 200
"content-type": application/json
"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:
"content-length": 23
"@signature-params": ("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"`
		code, _ := unbase64("wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==")
		if k := keys.(ring)[2].of; !k.verifies([]byte(base), code) || k.verifies([]byte(base+" "), code) {
			t.Error("the published signature does not hold, or another does")
		}
		digest := header("Content-Digest", "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:")
		if !digestHolds(digest, []byte(`{"message": "good dog"}`)) {
			t.Error("its digest does not hold")
		}
	})
}

// RFC 9530, sections 2 and B.1, B.2.
func TestVectorsRFC9530(t *testing.T) {
	item := []byte("{\"hello\": \"world\"}\n")
	const sha256Item = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
	const sha512Item = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
	if got := contentDigest(item); got != sha256Item {
		t.Errorf("digest %s", got)
	}
	for field, want := range map[string]bool{
		sha256Item: true, sha512Item: true, sha256Item + ", " + sha512Item: true,
		sha256Item + ", unixsum=:AAA=:": true, // what is unknown counts for nothing
		"unixsum=:AAA=:":                false,
		"sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:":       false, // of no content
		sha512Item + ", " + strings.Replace(sha256Item, "RK", "RL", 1): false,
		sha256Item + ", " + sha256Item:                                 false,
		"sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=":         false,
		"": false,
		"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:;a=1":     true,
		"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:":          false,
		"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:\r\n":     true,
		"sha-256=:RK/0qy18MlBSVnWgj\nwz6lZEWjP/lF5HF9bvEF8FabDg=:":       false,
		"SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:":         false,
		"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=: x":       false,
		"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, ":       false,
		"sha-256=:" + strings.Repeat("RK/0", 100) + "=:":                 false,
		"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:,a=1":     false,
		"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:;a=1;a=2": false,
	} {
		if got := digestHolds(http.Header{"Content-Digest": {field}}, item); got != want {
			t.Errorf("%q holds: %v", field, got)
		}
	}
	if !digestHolds(header("Content-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"), nil) {
		t.Error("the digest of no content")
	}
}

// The values of derived components are those of RFC 9421, section 2.2.
func TestVectorsComponents(t *testing.T) {
	for _, v := range []struct{ url, name, want string }{
		{"https://www.example.com/path?param=value", "@method", "POST"},
		{"https://www.example.com/path?param=value", "@target-uri", "https://www.example.com/path?param=value"},
		{"https://www.example.com", "@target-uri", "https://www.example.com/"},
		{"https://WWW.example.com:443/", "@authority", "www.example.com"},
		{"http://www.example.com:80/", "@authority", "www.example.com"},
		{"https://www.example.com:8443/", "@authority", "www.example.com:8443"},
		{"http://www.example.com/path", "@scheme", "http"},
		{"https://www.example.com/path?param=value", "@request-target", "/path?param=value"},
		{"https://www.example.com/path", "@request-target", "/path"},
		{"https://www.example.com", "@path", "/"},
		{"https://www.example.com/a%2Fb", "@path", "/a%2Fb"},
		{"https://www.example.com/path?param=value&foo=bar&baz=bat%2Dman", "@query", "?param=value&foo=bar&baz=bat%2Dman"},
		{"https://www.example.com/path?queryString", "@query", "?queryString"},
		{"https://www.example.com/path", "@query", "?"},
		{"https://www.example.com/path?param=value&foo=bar&baz=batman&qux=", "@query-param;baz", "batman"},
		{"https://www.example.com/path?param=value&foo=bar&baz=batman&qux=", "@query-param;qux", ""},
		{"https://www.example.com/parameters?var=this%20is%20a%20big%0Amultiline%20value", "@query-param;var", "this%20is%20a%20big%0Amultiline%20value"},
		{"https://www.example.com/parameters?bar=with+plus+whitespace", "@query-param;bar", "with%20plus%20whitespace"},
		{"https://www.example.com/parameters?fa%C3%A7ade%22%3A%20=something", "@query-param;fa%C3%A7ade%22%3A%20", "something"},
	} {
		u, err := url.Parse(v.url)
		if err != nil {
			t.Fatal(err)
		}
		name, param, _ := strings.Cut(v.name, ";")
		got, ok := component{name: name, param: param}.of(&Request{Method: "POST", URL: v.url}, u)
		if !ok || got != v.want {
			t.Errorf("%s of %s: %q, %v", v.name, v.url, got, ok)
		}
	}
	u, _ := url.Parse("https://example.com/?a=1&a=2&b=%zz")
	for _, c := range []component{{name: "@query-param", param: "a"}, {name: "@status"}, {name: "Date"}, {name: "date"}} {
		if v, ok := c.of(&Request{Header: header("Date", "x")}, u); ok && c.name != "date" {
			t.Errorf("%+v is %q", c, v)
		}
	}
	// Section 2.1: lines are trimmed and joined.
	r := &Request{Header: http.Header{"Cache-Control": {" max-age=60 ", "   must-revalidate"}, "X-Empty": {""}}}
	if v, ok := (component{name: "cache-control"}).of(r, u); !ok || v != "max-age=60, must-revalidate" {
		t.Errorf("joined: %q", v)
	}
	if v, ok := (component{name: "x-empty"}).of(r, u); !ok || v != "" {
		t.Errorf("empty: %q %v", v, ok)
	}
}
