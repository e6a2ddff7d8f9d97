package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
)

// anyone verifies everything, and says what it is told to.
func anyone(m webhook.Message) webhook.Verifier {
	return bent(func(webhook.Request) (webhook.Message, error) { return m, nil })
}

func TestCloudEventsRead(t *testing.T) {
	binary := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"a%201"}, "Ce-Type": {"com.example.done"}, "Ce-Source": {"/s"}, "Ce-Subject": {"x"}, "Content-Type": {"text/plain"}}
	structured := http.Header{"Content-Type": {"application/cloudevents+json; charset=UTF-8"}, "Ce-Forged": {"x"}, "X-Other": {"y"}}
	const attrs = `"specversion":"1.0","id":"a 1","type":"com.example.done","source":"/s"`
	for name, tt := range map[string]struct {
		header      http.Header
		body        string
		inner       webhook.Message
		wantID      string
		wantBody    string
		contentType string
		signed      bool // the id
		typeSigned  bool
	}{
		"binary":               {binary, "text", webhook.Message{}, "/s a 1", "text", "text/plain", false, false},
		"binary, signed id":    {binary, "text", webhook.Message{ID: "w1", IDSigned: true}, "w1", "text", "text/plain", true, false},
		"structured":           {structured, `{` + attrs + `,"data":{"a":1}}`, webhook.Message{}, "/s a 1", `{"a":1}`, "application/json", true, true},
		"structured signed id": {structured, `{` + attrs + `,"data":[1]}`, webhook.Message{ID: "w1", IDSigned: true}, "w1", `[1]`, "application/json", true, true},
		"base64":               {structured, `{` + attrs + `,"datacontenttype":"image/png","data_base64":"AAEC"}`, webhook.Message{}, "/s a 1", "\x00\x01\x02", "image/png", true, true},
		"text":                 {structured, `{` + attrs + `,"datacontenttype":"text/xml","data":"<a/>"}`, webhook.Message{}, "/s a 1", "<a/>", "text/xml", true, true},
		"a JSON string":        {structured, `{` + attrs + `,"datacontenttype":"application/x+json","data":"<a/>"}`, webhook.Message{}, "/s a 1", `"<a/>"`, "application/x+json", true, true},
		"a string, as JSON":    {structured, `{` + attrs + `,"datacontenttype":"text/json","data":"x"}`, webhook.Message{}, "/s a 1", `"x"`, "text/json", true, true},
		"no JSON, nearly":      {structured, `{` + attrs + `,"datacontenttype":"text/xjson","data":"x"}`, webhook.Message{}, "/s a 1", "x", "text/xjson", true, true},
		"no data":              {structured, `{` + attrs + `,"data":null,"subject":null,"count":5,"ok":true}`, webhook.Message{}, "/s a 1", "null", "application/json", true, true},
		"nothing":              {structured, `{` + attrs + `}`, webhook.Message{}, "/s a 1", "", "application/json", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := webhook.CloudEvents(anyone(tt.inner)).Verify(t.Context(), webhook.Request{Header: tt.header, Body: []byte(tt.body)})
			if err != nil {
				t.Fatal(err)
			}
			if m.ID != tt.wantID || m.Type != "com.example.done" || string(m.Body) != tt.wantBody || m.Header.Get("Content-Type") != tt.contentType || m.IDSigned != tt.signed || m.TypeSigned != tt.typeSigned {
				t.Errorf("%+v with body %q", m, m.Body)
			}
			if m.Header.Get("Ce-Source") != "/s" || m.Header.Get("Ce-Forged") != "" || m.Header.Get("Ce-Subject") == "null" {
				t.Errorf("the header is %v", m.Header)
			}
			if tt.header.Get("X-Other") != m.Header.Get("X-Other") {
				t.Error("a field is lost")
			}
		})
	}
	if structured.Get("Ce-Forged") == "" || structured.Get("Ce-Id") != "" {
		t.Error("the request's header was changed")
	}
}

func TestCloudEventsRefused(t *testing.T) {
	refused := func(name string, h http.Header, body string) {
		t.Helper()
		_, err := webhook.CloudEvents(anyone(webhook.Message{})).Verify(t.Context(), webhook.Request{Header: h, Body: []byte(body)})
		var why *webhook.RejectError
		if !errors.As(err, &why) || why.Reason != webhook.ReasonContent {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "a", "Ce-Type": "t", "Ce-Source": "/s"}
	for name := range good {
		for what, values := range map[string][]string{"missing": nil, "twice": {"1.0", "1.0"}, "empty": {""}, "bad escape": {"%zz"}} {
			h := make(http.Header)
			for n, v := range good {
				h.Set(n, v)
			}
			h[name] = values
			refused(name+" "+what, h, "x")
		}
	}
	one := func(ct string) http.Header { return http.Header{"Content-Type": {ct}} }
	const attrs = `"specversion":"1.0","id":"a","type":"t","source":"/s"`
	refused("plain JSON", one("application/json"), `{`+attrs+`}`)
	refused("batch", one("application/cloudevents-batch+json"), `[{`+attrs+`}]`)
	refused("no type", http.Header{}, `{`+attrs+`}`)
	refused("two types", http.Header{"Content-Type": {"application/cloudevents+json", "application/cloudevents+json"}}, `{`+attrs+`}`)
	for _, body := range []string{`{`, `[]`, `null`, `{}`, `{` + attrs + `,"a b":"x"}`, `{` + attrs + `,"":"x"}`, `{` + attrs + `,"":5}`, `{` + attrs + `,"ext":{}}`, `{` + attrs + `,"ext":"a\nb"}`, `{` + attrs + `,"ext":[1]}`,
		`{` + attrs + `,"data":1,"data_base64":"AA=="}`, `{` + attrs + `,"data_base64":"!"}`, `{` + attrs + `,"data_base64":5}`,
		`{"specversion":"0.3","id":"a","type":"t","source":"/s"}`, `{"specversion":"1.0","id":"","type":"t","source":"/s"}`} {
		refused(body, one("application/cloudevents+json"), body)
	}
}

// W2: nothing is parsed that is not verified.
func TestW2_CloudEventsAreVerifiedFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := webhook.CloudEvents(seal{})
		if _, ok := v.(webhook.Prechecker); !ok {
			t.Error("what can be refused early is not")
		}
		calls := 0
		r := webhook.NewReceiver(v, func(_ context.Context, m webhook.Message) error {
			if calls++; m.Type != "t" || m.ID != "m1" {
				t.Errorf("%+v", m)
			}
			return nil
		}, nil)
		const body = `{"specversion":"1.0","id":"a","type":"t","source":"/s","data":1}`
		req := seal{}.sealed("/", "m1", body)
		req.Header.Set("Content-Type", "application/cloudevents+json")
		if a := push(r, req); a.Code != 204 {
			t.Errorf("answered %d", a.Code)
		}
		req = seal{}.sealed("/", "m2", "{")
		req.Header.Set("Content-Type", "application/cloudevents+json")
		if a := push(r, req); a.Code != 400 {
			t.Errorf("genuine, and no event: %d", a.Code)
		}
		req = seal{}.sealed("/", "m3", body)
		req.Header.Set("Content-Type", "application/cloudevents+json")
		req.Header.Set("X-Seal", strings.Repeat("0", 64))
		if a := push(r, req); a.Code != 401 || calls != 1 {
			t.Errorf("forged: %d", a.Code)
		}
		plain := webhook.NewReceiver(webhook.CloudEvents(anyone(webhook.Message{})), nothing, nil)
		if a := push(plain, httptest.NewRequest("POST", "/", strings.NewReader("x"))); a.Code != 400 {
			t.Errorf("no event: %d", a.Code)
		}
	})
}

func TestHandshake(t *testing.T) {
	r := webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{Origins: []string{"a.example", "b.example"}, AllowedRate: 100})
	for _, tt := range []struct {
		origin, rate string
		status       int
		allowed      string
	}{
		{"a.example", "", 200, ""}, {"b.example", "50", 200, "50"}, {"b.example", "5000", 200, "100"},
		{"a.example", "0", 400, ""}, {"a.example", "-1", 400, ""}, {"a.example", "x", 400, ""}, {"a.example", "99999999999", 400, ""},
		{"a.example.evil", "", 405, ""}, {"a", "", 405, ""}, {"A.example", "", 405, ""}, {"*", "", 405, ""}, {"", "", 405, ""},
	} {
		req := httptest.NewRequest("OPTIONS", "/", nil)
		if tt.origin != "" {
			req.Header.Set("WebHook-Request-Origin", tt.origin)
		}
		if tt.rate != "" {
			req.Header.Set("WebHook-Request-Rate", tt.rate)
		}
		a := push(r, req)
		granted := a.Header().Get("WebHook-Allowed-Origin")
		if a.Code != tt.status || a.Header().Get("WebHook-Allowed-Rate") != tt.allowed || (granted == tt.origin && granted != "") != (tt.status == 200) {
			t.Errorf("%q at %q: %d %v", tt.origin, tt.rate, a.Code, a.Header())
		}
	}
	req := httptest.NewRequest("OPTIONS", "/", nil)
	req.Header["Webhook-Request-Origin"] = []string{"a.example", "a.example"}
	if a := push(r, req); a.Code != 405 {
		t.Errorf("two origins: %d", a.Code)
	}
	anyRate := webhook.NewReceiver(seal{}, nothing, &webhook.ReceiverOptions{Origins: []string{"a.example"}})
	req = httptest.NewRequest("OPTIONS", "/", nil)
	req.Header.Set("WebHook-Request-Origin", "a.example")
	req.Header.Set("WebHook-Request-Rate", "7000")
	if a := push(anyRate, req); a.Header().Get("WebHook-Allowed-Rate") != "7000" {
		t.Errorf("%v", a.Header())
	}
}

func TestSlackChallenge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calls := 0
		r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error { calls++; return nil }, &webhook.ReceiverOptions{Challenge: webhook.SlackChallenge})
		const ask = `{"token":"x","challenge":"3eZbrw1a<b>","type":"url_verification"}`
		for range 2 { // it is no message: it may come again
			if a := push(r, seal{}.sealed("/", "c", ask)); a.Code != 200 || a.Body.String() != "3eZbrw1a<b>" || a.Header().Get("Content-Type") != "text/plain; charset=utf-8" || a.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("answered %d %q %v", a.Code, a.Body, a.Header())
			}
		}
		forged := seal{}.sealed("/", "c", ask)
		forged.Header.Set("X-Seal", "00")
		if a := push(r, forged); a.Code != 401 || a.Body.Len() != 0 {
			t.Errorf("W1: forged: %d %q", a.Code, a.Body)
		}
		for i, body := range []string{`{"type":"event_callback","challenge":"x"}`, `{"type":"url_verification"`, `x`} {
			if a := push(r, seal{}.sealed("/", string(rune('0'+i)), body)); a.Code != 204 || a.Body.Len() != 0 {
				t.Errorf("%s: %d", body, a.Code)
			}
		}
		if calls != 3 {
			t.Errorf("%d calls", calls)
		}
	})
}

// FuzzCloudEvents: whatever comes, an event has what every event has, its header can be
// written, and its data was in the body.
func FuzzCloudEvents(f *testing.F) {
	f.Add("application/cloudevents+json", "", "", []byte(`{"specversion":"1.0","id":"a","type":"t","source":"/s","data":{"x":"y"},"ext":1e9}`))
	f.Add("application/cloudevents+json", "", "", []byte(`{"specversion":"1.0","id":"a","type":"t","source":"/s","data_base64":"AAEC","datacontenttype":"a/b"}`))
	f.Add("text/plain", "a%20b", "t", []byte(`x`))
	f.Add("application/cloudevents+json", "both", "t", []byte(`{"specversion":"1.0","id":"a","type":"t","source":"/s"}`))
	f.Fuzz(func(t *testing.T, contentType, id, kind string, body []byte) {
		h := http.Header{"Content-Type": {contentType}}
		mode, _, _ := mime.ParseMediaType(contentType)
		structured := mode == "application/cloudevents+json" // whatever else the header has
		if id != "" {
			h["Ce-Specversion"], h["Ce-Id"], h["Ce-Type"], h["Ce-Source"] = []string{"1.0"}, []string{id}, []string{kind}, []string{"/s"}
		}
		m, err := webhook.CloudEvents(anyone(webhook.Message{})).Verify(context.Background(), webhook.Request{Header: h, Body: body})
		if err != nil {
			return
		}
		if m.ID == "" || m.Type == "" || !strings.Contains(m.ID, " ") {
			t.Errorf("%+v", m)
		}
		if m.IDSigned != structured || m.TypeSigned != m.IDSigned {
			t.Errorf("signed: %v %v", m.IDSigned, m.TypeSigned)
		}
		if !structured && !bytes.Equal(m.Body, body) {
			t.Errorf("the body was changed to %q", m.Body)
		}
		for name, lines := range m.Header {
			if structured && strings.ContainsAny(name+lines[0], "\r\n\x00") && lines[0] != contentType {
				t.Errorf("%q: %q", name, lines)
			}
		}
		if structured && !json.Valid(body) {
			t.Errorf("an event of no JSON: %q", body)
		}
	})
}

// A structured event stays one, whatever attributes are in the header too: those are
// not signed.
func TestCloudEventsStructuredIsNotReadAsBinary(t *testing.T) {
	h := http.Header{"Content-Type": {"application/cloudevents+json"}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"2"}, "Ce-Type": {"forged"}, "Ce-Source": {"/forged"}}
	m, err := webhook.CloudEvents(anyone(webhook.Message{})).Verify(t.Context(), webhook.Request{Header: h,
		Body: []byte(`{"specversion":"1.0","id":"1","type":"done","source":"/s","data":7}`)})
	if err != nil || m.Type != "done" || m.ID != "/s 1" || string(m.Body) != "7" {
		t.Errorf("%+v %v", m, err)
	}
	h.Set("Content-Type", "application/cloudevents-batch+json")
	if m, err = webhook.CloudEvents(anyone(webhook.Message{})).Verify(t.Context(), webhook.Request{Header: h, Body: []byte(`[]`)}); err == nil {
		t.Errorf("a batch is read as %+v", m)
	}
}

// That the type is signed says nothing about the id.
func TestW5_CloudEventsSignedTypeSignsNoID(t *testing.T) {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	const public = "https://example.com/hooks"
	scheme := webhook.MessageSignature(&webhook.MessageSignatureOptions{Type: "Ce-Type"}, keys)
	came := 0
	receiver := webhook.NewReceiver(webhook.CloudEvents(scheme), func(context.Context, webhook.Message) error { came++; return nil },
		&webhook.ReceiverOptions{URL: public})
	h := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Source": {"/s"}, "Ce-Id": {"1"}}
	req := webhook.Request{Method: "POST", URL: public, Header: h, Body: []byte("hello"), At: time.Now()}
	if err := scheme.Sign(t.Context(), &req, webhook.Message{Type: "done"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2"} {
		r := httptest.NewRequest("POST", public, strings.NewReader("hello"))
		r.Header = h.Clone()
		r.Header.Set("Ce-Id", id)
		if a := push(receiver, r); a.Code != 204 {
			t.Errorf("id %s: %d", id, a.Code)
		}
	}
	if came != 1 {
		t.Errorf("handled %d times under swapped ids", came)
	}
}

// A challenge that panics is told.
func TestAChallengeThatPanicsIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error { return nil },
			&webhook.ReceiverOptions{Observer: w.observe, Challenge: func(webhook.Message) (string, bool) { panic("mad") }})
		if a := push(r, seal{}.sealed("/", "1", "x")); a.Code != 500 {
			t.Errorf("answered %d", a.Code)
		}
		if len(w.events) != 1 || w.events[0].Err == nil {
			t.Errorf("told %+v", w.events)
		}
	})
}

// What the Verifier says is the body and the header stays that, and what it can refuse
// early is.
func TestCloudEventsKeepWhatTheVerifierSays(t *testing.T) {
	h := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Type": {"t"}, "Ce-Source": {"/s"}}
	inner := webhook.Message{Body: []byte("inner"), Header: http.Header{"X-Inner": {"1"}}}
	m, err := webhook.CloudEvents(anyone(inner)).Verify(t.Context(), webhook.Request{Header: h, Body: []byte("outer")})
	if err != nil || string(m.Body) != "inner" || m.Header.Get("X-Inner") != "1" {
		t.Errorf("%+v %v", m, err)
	}
	early := webhook.CloudEvents(seal{}).(webhook.Prechecker)
	if early.Precheck(webhook.Request{At: time.Now()}) == nil {
		t.Error("what has no signature is not refused early")
	}
}
