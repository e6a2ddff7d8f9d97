package poller_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// A token that Resume would not take is none.
func TestATokenIsNoLongerThanResumeTakes(t *testing.T) {
	for _, size := range []int{1 << 10, 20 << 10, 30 << 10, 40 << 10} {
		at := "/operations/1?" + strings.Repeat("x", size)
		play(t, &pollertest.Script{Monitor: []pollertest.Step{{State: antiphon.StateRunning}}, Start: []pollertest.Step{{Header: header("Operation-Location", at)}}}, func(s *stage) {
			s.opts.Poll.MaxPolls = 2
			r := s.begin("POST", "/r")
			_, err := r.Future().Await(s.ctx)
			var gaveUp *poller.PollError
			if !errors.As(err, &gaveUp) || gaveUp.Token != r.Token() || (gaveUp.Token == "") != (size > 24<<10) {
				t.Errorf("%d: %v, tokens of %d and %d bytes", size, err, len(gaveUp.Token), len(r.Token()))
			}
			if r.Token() == "" {
				return
			}
			if _, err := poller.Resume[report](s.ctx, r.Token(), &s.opts); err != nil {
				t.Error(size, err)
			}
		})
	}
}

func TestTokensOfSomethingElse(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: hinted("30")}}}, func(s *stage) {
		token := s.begin("POST", "/r").Token()
		asked := len(s.script.Requests())
		change := func(name string, value any) string {
			data, err := base64.RawURLEncoding.DecodeString(token)
			if err != nil {
				t.Fatal(err)
			}
			var m map[string]any
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if _, has := m[name]; !has && name != "f" {
				t.Fatalf("there is no %q in %v", name, m)
			}
			m[name] = value
			if data, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
			return base64.RawURLEncoding.EncodeToString(data)
		}
		for name, bad := range map[string]string{
			"none":              "",
			"no base64":         "?" + token,
			"cut":               token[:len(token)/2],
			"padded":            token + "=",
			"too long":          token + strings.Repeat("A", 40<<10),
			"another version":   change("v", 2),
			"another kind":      change("k", "invoice"),
			"another style":     change("s", "smoke"),
			"no URL":            change("u", ""),
			"no start":          change("a", ""),
			"another origin":    change("u", "http://other.example/operations/1"),
			"its result too":    change("f", "http://other.example/operations/1"),
			"a name in the URL": change("u", "http://me:secret@server.example/operations/1"),
			"no scheme of HTTP": change("u", "file:///etc/passwd"),
			"no URL at all":     change("a", "http://%zz"),
		} {
			_, err := poller.Resume[report](s.ctx, bad, &s.opts)
			if !errors.Is(err, poller.ErrToken) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !antiphon.IsPermanent(err) {
				t.Errorf("%s: %v", name, err)
			}
			if err != nil && (strings.Contains(err.Error(), "server.example") || strings.Contains(err.Error(), "secret")) {
				t.Errorf("%s: the error tells what is in it: %v", name, err)
			}
		}
		if _, err := poller.Resume[int](s.ctx, token, &s.opts); !errors.Is(err, poller.ErrToken) { // another type
			t.Error(err)
		}
		s.opts.Kind = "reports"
		if _, err := poller.Resume[report](s.ctx, token, &s.opts); !errors.Is(err, poller.ErrToken) {
			t.Error(err)
		}
		if n := len(s.script.Requests()); n != asked {
			t.Errorf("%d requests were made", n-asked)
		}
		s.opts.Kind = ""
		s.opts.AllowHost = func(*url.URL) bool { return true }
		if _, err := poller.Resume[report](s.ctx, change("u", "http://other.example/operations/1"), &s.opts); err != nil {
			t.Error(err)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add("eyJ2IjoxfQ")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"v":1,"k":"k","s":"status","m":"POST","a":"http://h/","u":"http://h/o","l":-1}`)))
	f.Fuzz(func(t *testing.T, token string) {
		asked := false
		r, err := poller.Resume[report](t.Context(), token, &poller.HTTPOptions{Kind: "k", Grace: -1, Poll: &poller.Options{First: -1, MaxPolls: 1}, Client: &http.Client{
			Transport: transport(func(r *http.Request) (*http.Response, error) {
				if asked = true; r.URL.User != nil || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
					t.Errorf("asked %s", r.URL)
				}
				return &http.Response{StatusCode: 410, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
			}),
		}})
		if err != nil {
			if !errors.Is(err, poller.ErrToken) || asked {
				t.Fatal(err)
			}
			return
		}
		if _, err := r.Future().Await(t.Context()); !errors.Is(err, poller.ErrGone) {
			t.Fatal(err)
		}
		if again, err := poller.Resume[report](t.Context(), r.Token(), &poller.HTTPOptions{Kind: "k", Poll: &poller.Options{First: 1 << 40}}); err != nil || again.URL() != r.URL() {
			t.Fatal(err)
		}
	})
}

// A transport answers without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
