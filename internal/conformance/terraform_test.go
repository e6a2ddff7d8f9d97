package conformance_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/go-azure-sdk/sdk/client"
	"github.com/hashicorp/go-azure-sdk/sdk/client/pollers"
	"github.com/hashicorp/go-azure-sdk/sdk/client/resourcemanager"
	"github.com/hashicorp/go-azure-sdk/sdk/environments"

	"github.com/antiphon-go/antiphon/poller"
)

// Terraform's poller of Azure's operations follows ours to its end. It knows the status
// monitor by Azure-AsyncOperation alone; where Location is all there is, it takes a result
// for a status.
func TestTerraformFollows(t *testing.T) {
	s := httptest.NewServer(brisk(t, poller.ServerOptions{Inline: -1}))
	defer s.Close()
	c, err := resourcemanager.NewClient(environments.ResourceManagerAPI(s.URL), "reports", "1")
	if err != nil {
		t.Fatal(err)
	}
	c.AuthorizeRequest = nil
	follow := func(body, end string) (*pollers.Poller, error) {
		t.Helper()
		ctx := within(t)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/reports", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			t.Fatal(res.Status)
		}
		if end != "" {
			del, _ := http.NewRequestWithContext(ctx, end, res.Header.Get("Operation-Location"), nil)
			ended, err := s.Client().Do(del)
			if err != nil {
				t.Fatal(err)
			}
			_ = ended.Body.Close()
		}
		p, err := resourcemanager.PollerFromResponse(&client.Response{Response: res}, c)
		if err != nil {
			t.Fatal(err)
		}
		return &p, p.PollUntilDone(ctx)
	}

	p, err := follow(`{"text":"hello"}`, "")
	if err != nil || p.LatestStatus() != pollers.PollingStatusSucceeded {
		t.Fatalf("%v %v", p.LatestStatus(), err)
	}
	var status struct{ Result report }
	if err := json.NewDecoder(p.LatestResponse().Body).Decode(&status); err != nil || status.Result.Text != "HELLO" {
		t.Errorf("%+v %v", status, err)
	}
	_, err = follow(`{"text":"hello","fail":"not_found"}`, "")
	var failed pollers.PollingFailedError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "it was to fail") || !strings.Contains(err.Error(), "not_found") {
		t.Errorf("it failed with %v", err)
	}
	_, err = follow(`{"text":"hello"}`, http.MethodDelete)
	var canceled pollers.PollingCancelledError
	if !errors.As(err, &canceled) {
		t.Errorf("it was canceled, and ended with %v", err)
	}
}
