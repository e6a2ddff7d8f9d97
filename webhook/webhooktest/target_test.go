package webhooktest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

func TestTargetFollowsItsSteps(t *testing.T) {
	target := &webhooktest.Target{Steps: []webhooktest.Step{
		{}, {Status: 503, Header: http.Header{"Retry-After": {"7"}}}, {Body: "ok", Bytes: 10}, {Cut: true}, {Bytes: 1 << 16, Gzip: true},
	}}
	s := httptest.NewServer(target)
	defer s.Close()
	for i, want := range []struct {
		status, bytes int
	}{{204, 0}, {503, 0}, {200, 12}, {0, 0}, {200, 1 << 16}, {200, 1 << 16}} {
		res, err := http.Post(s.URL+"/x", "text/plain", strings.NewReader("body"))
		if (err != nil) != (want.status == 0) {
			t.Fatal(i, err)
		}
		if err != nil {
			continue
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != want.status || len(body) != want.bytes || i == 1 && res.Header.Get("Retry-After") != "7" {
			t.Error(i, res.StatusCode, len(body), err)
		}
	}
	got := target.Pushed()
	if len(got) < 6 || string(got[0].Body) != "body" || got[0].Path != "/x" || target.AtOnce() != 1 {
		t.Error(len(got), target.AtOnce())
	}
}

func TestDNSAnswersInTurn(t *testing.T) {
	var d webhooktest.DNS
	if _, err := d.Lookup(t.Context(), "a.example"); err == nil {
		t.Error("it knows a name")
	}
	d.Set("a.example", "8.8.8.8 ::1", "10.0.0.1")
	for i, want := range []int{2, 1, 1} {
		got, err := d.Lookup(t.Context(), "a.example")
		if err != nil || len(got) != want {
			t.Error(i, got, err)
		}
	}
	if d.Asked("a.example") != 3 {
		t.Error(d.Asked("a.example"))
	}
}
