package conformance_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

type (
	query struct {
		Text string `json:"text"`
		Fail string `json:"fail,omitempty"`
	}
	report struct {
		Text string `json:"text"`
	}
)

// slow answers after a while, or fails if it is told to.
func slow(ctx context.Context, q query) (report, error) {
	antiphon.Report(ctx, 50, "halfway", nil)
	select {
	case <-time.After(300 * time.Millisecond):
	case <-ctx.Done():
		return report{}, ctx.Err()
	}
	if q.Fail != "" {
		return report{}, &antiphon.Error{Code: antiphon.Code(q.Fail), Message: "it was to fail", Permanent: true}
	}
	return report{Text: strings.ToUpper(q.Text)}, nil
}

// brisk is the server of slow, whose clients are told to look soon.
func brisk(t *testing.T, o poller.ServerOptions) *poller.Server {
	t.Helper()
	o.PollAfter = func(time.Duration) time.Duration { return 20 * time.Millisecond }
	s := poller.ServeFunc(slow, &o)
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return s
}

// styles are the responses to a start that the Azure SDK tells apart. Ours has all that
// each of them needs; here it has what one of them has, and no more.
var styles = map[string]func(http.Header){
	"as it is": func(http.Header) {},
	"Operation-Location": func(h http.Header) {
		h.Del("Azure-AsyncOperation")
		h.Del("Location")
		h.Del("Content-Location")
	},
	"Azure-AsyncOperation": func(h http.Header) {
		h.Del("Operation-Location")
		h.Del("Content-Location")
	},
	"both": func(h http.Header) { h.Del("Content-Location") },
	"Location": func(h http.Header) {
		h.Del("Azure-AsyncOperation")
		h.Del("Operation-Location")
		h.Del("Content-Location")
	},
}

// edited changes the headers of what starts an operation.
func edited(h http.Handler, edit func(http.Header)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&editor{ResponseWriter: w, edit: func() {
			if r.Method == http.MethodPost {
				edit(w.Header())
			}
		}}, r)
	})
}

type editor struct {
	http.ResponseWriter
	edit func()
}

func (e *editor) WriteHeader(status int) {
	e.edit()
	e.ResponseWriter.WriteHeader(status)
}

// started is the response to a POST, which a poller is made of.
func started(t *testing.T, pl runtime.Pipeline, url string, q query) *http.Response {
	t.Helper()
	req, err := runtime.NewRequest(t.Context(), http.MethodPost, url)
	if err == nil {
		err = runtime.MarshalAsJSON(req, q)
	}
	if err != nil {
		t.Fatal(err)
	}
	res, err := pl.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func pipeline() runtime.Pipeline {
	return runtime.NewPipeline("antiphon", "v0", runtime.PipelineOptions{}, &policy.ClientOptions{
		Retry: policy.RetryOptions{MaxRetries: -1}, // what is wrong is to be seen
	})
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// The Azure SDK's pollers follow an operation to its result, and to its failure, whichever
// of the pointers they go by, also from a token that another process has kept.
func TestAzureFollows(t *testing.T) {
	for name, edit := range styles {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(edited(brisk(t, poller.ServerOptions{Inline: -1}), edit))
			defer s.Close()
			pl := pipeline()
			follow := func(p *runtime.Poller[report]) (report, error) {
				return p.PollUntilDone(within(t), &runtime.PollUntilDoneOptions{Frequency: time.Second})
			}
			p, err := runtime.NewPoller(started(t, pl, s.URL+"/reports", query{Text: "hello"}), pl, &runtime.NewPollerOptions[report]{
				OperationLocationResultPath: "result", // where there is no other way to it
			})
			if err != nil {
				t.Fatal(err)
			}
			if p.Done() {
				t.Error("it is done already")
			}
			token, err := p.ResumeToken()
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // and once more, from where it was
				if got, err := follow(p); got.Text != "HELLO" || err != nil {
					t.Errorf("%+v, %v", got, err)
				}
				if p, err = runtime.NewPollerFromResumeToken[report](token, pl, nil); err != nil {
					t.Fatal(err)
				}
			}
			p, err = runtime.NewPoller[report](started(t, pl, s.URL+"/reports", query{Fail: "not_found"}), pl, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = follow(p)
			var failed *azcore.ResponseError
			if !errors.As(err, &failed) || failed.ErrorCode != "not_found" || !strings.Contains(err.Error(), "it was to fail") {
				t.Errorf("it failed with %v", err)
			}
		})
	}
}

// What is answered inline is no long-running operation to the SDK, and what is refused is
// an error of ours.
func TestAzureInline(t *testing.T) {
	s := httptest.NewServer(brisk(t, poller.ServerOptions{Inline: 30 * time.Second}))
	defer s.Close()
	pl := pipeline()
	res := started(t, pl, s.URL, query{Text: "hello"})
	if res.StatusCode != http.StatusOK {
		t.Fatalf("answered with %s", res.Status)
	}
	p, err := runtime.NewPoller[report](res, pl, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.PollUntilDone(within(t), &runtime.PollUntilDoneOptions{Frequency: time.Second}); got.Text != "HELLO" || err != nil || !p.Done() {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = runtime.NewPoller[report](started(t, pl, s.URL, query{Fail: "not_found"}), pl, nil)
	var failed *azcore.ResponseError
	if !errors.As(err, &failed) || failed.ErrorCode != "not_found" {
		t.Errorf("it failed with %v", err)
	}
}

// An operation that is canceled ends as that for the SDK too.
func TestAzureCanceled(t *testing.T) {
	for name, edit := range styles {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(edited(brisk(t, poller.ServerOptions{Inline: -1}), edit))
			defer s.Close()
			pl := pipeline()
			res := started(t, pl, s.URL, query{Text: "hello"})
			id := res.Header.Get("Operation-Id")
			p, err := runtime.NewPoller[report](res, pl, nil)
			if err != nil {
				t.Fatal(err)
			}
			del, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.URL+"/operations/"+id, nil)
			canceled, err := http.DefaultClient.Do(del)
			if err != nil {
				t.Fatal(err)
			}
			_ = canceled.Body.Close()
			_, err = p.PollUntilDone(within(t), &runtime.PollUntilDoneOptions{Frequency: time.Second})
			var failed *azcore.ResponseError
			if !errors.As(err, &failed) || failed.ErrorCode != "canceled" {
				t.Errorf("it was canceled, and ended with %v", err)
			}
		})
	}
}
