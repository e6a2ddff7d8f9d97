package pollerbench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/longrunning"
	autogen "cloud.google.com/go/longrunning/autogen"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"google.golang.org/api/option"
	_ "google.golang.org/protobuf/types/known/structpb" // the type of the metadata

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

const (
	azureStatus  = `{"id":"1","status":"Running","percentComplete":50,"createdAt":"2026-03-01T12:00:00Z"}`
	azureDone    = `{"id":"1","status":"Succeeded","result":{"text":"x"}}`
	googleStatus = `{"name":"operations/1","done":false,"metadata":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"id":"1"}}}`
)

// site is a server of one operation, which ends once it was asked so many times.
func site(t *testing.T, polls int) *pollertest.Network {
	asked := 0
	s := pollertest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Type"] = []string{"application/json"}
		switch {
		case r.Method == http.MethodPost:
			h["Operation-Location"] = []string{"http://" + r.Host + "/operations/1"}
			w.WriteHeader(http.StatusAccepted)
		case strings.HasPrefix(r.URL.Path, "/v1/"):
			_, _ = io.WriteString(w, googleStatus)
		default:
			if asked++; asked < polls {
				_, _ = io.WriteString(w, azureStatus)
			} else {
				_, _ = io.WriteString(w, azureDone)
			}
		}
	}))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// HTTPPoll asks a server for the status of an operation until that has ended; an
// operation is one poll: a request, what reads its response, and the pause, which azcore
// and longrunning leave to their caller here: their own is a second at least. The network
// is in memory, in a bubble of testing/synctest, where the pause passes at once.
func BenchmarkHTTPPoll(b *testing.B) {
	for _, w := range []struct {
		name string
		poll func(t *testing.T, n int) error
	}{
		{"raw", rawHTTP},
		{"antiphon", antiphonHTTP},
		{"azcore", azureHTTP},
		{"longrunning", googleHTTP},
	} {
		b.Run(w.name, func(b *testing.B) {
			inBubble(b, func(t *testing.T) {
				if err := w.poll(t, b.N); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func rawHTTP(t *testing.T, n int) error {
	s := site(t, n)
	client := s.Client()
	for range n {
		if err := rawPoll(t.Context(), client, s.URL); err != nil {
			return err
		}
		<-time.After(pause)
	}
	return nil
}

func rawPoll(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/operations/1", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var status struct {
		ID, Status      string
		PercentComplete float64
	}
	if err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&status); err == nil && (res.StatusCode != http.StatusOK || status.ID != "1") {
		err = errors.New(res.Status)
	}
	return err
}

func antiphonHTTP(t *testing.T, n int) error {
	s := site(t, n)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, nil)
	if err != nil {
		return err
	}
	op, err := poller.Begin[map[string]string](req, &poller.HTTPOptions{
		Client: s.Client(), LongPoll: -1,
		Poll: &poller.Options{First: -1, Poll: antiphon.Constant(pause), Elapsed: -1},
	})
	if err != nil {
		return err
	}
	got, err := op.Future().Await(t.Context())
	if err == nil && got["text"] != "x" {
		err = fmt.Errorf("%v", got)
	}
	return err
}

func azureHTTP(t *testing.T, n int) error {
	s := site(t, n)
	pl := runtime.NewPipeline("bench", "v0", runtime.PipelineOptions{}, &policy.ClientOptions{Transport: s.Client()})
	req, err := runtime.NewRequest(t.Context(), http.MethodPost, s.URL)
	if err != nil {
		return err
	}
	res, err := pl.Do(req)
	if err != nil {
		return err
	}
	op, err := runtime.NewPoller[map[string]string](res, pl, nil)
	if err != nil {
		return err
	}
	for !op.Done() {
		if _, err := op.Poll(t.Context()); err != nil {
			return err
		}
		<-time.After(pause)
	}
	return nil
}

func googleHTTP(t *testing.T, n int) error {
	s := site(t, n)
	c, err := autogen.NewOperationsRESTClient(t.Context(), option.WithEndpoint(s.URL), option.WithHTTPClient(s.Client()))
	if err != nil {
		return err
	}
	defer c.Close()
	op := longrunning.InternalNewOperation(c, &longrunningpb.Operation{Name: "operations/1"})
	for range n {
		if err := op.Poll(t.Context(), nil); err != nil || op.Done() {
			return errors.Join(errors.New("it has ended"), err)
		}
		<-time.After(pause)
	}
	return nil
}
