package conformance_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/longrunning"
	autogen "cloud.google.com/go/longrunning/autogen"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/antiphon-go/antiphon/poller"
)

// A face is our server as Google's client of operations sees it.
type face struct {
	url    string
	client *autogen.OperationsClient
}

func googleFace(t *testing.T, o poller.ServerOptions) face {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/v1/", brisk(t, o).AIP())
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c, err := autogen.NewOperationsRESTClient(t.Context(), option.WithEndpoint(s.URL), option.WithHTTPClient(s.Client()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return face{s.URL, c}
}

// start posts a request to a method of ours, and reads the operation as generated clients
// do: with every field known, and strictly.
func (f face) start(t *testing.T, body string) *longrunningpb.Operation {
	t.Helper()
	res, err := http.Post(f.url+"/v1/reports", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s %v", res.Status, text, err)
	}
	op := &longrunningpb.Operation{}
	if err := protojson.Unmarshal(text, op); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return op
}

// text is the member of a result.
func text(v *structpb.Value) string { return v.GetStructValue().GetFields()["text"].GetStringValue() }

// Google's client follows an operation to its result, and to its failure.
func TestGoogleFollows(t *testing.T) {
	for name, inline := range map[string]time.Duration{"slow": -1, "inline": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			f := googleFace(t, poller.ServerOptions{Inline: inline})
			op := longrunning.InternalNewOperation(f.client, f.start(t, `{"text":"hello"}`))
			if done := inline > 0; op.Done() != done {
				t.Errorf("done: %t, want %t", op.Done(), done)
			}
			var meta structpb.Struct
			if err := op.Metadata(protoadapt.MessageV1Of(&meta)); err != nil || meta.Fields["id"].GetStringValue() == "" {
				t.Errorf("the metadata is %v, %v", &meta, err)
			}
			var got structpb.Value
			if err := op.WaitWithInterval(within(t), protoadapt.MessageV1Of(&got), 20*time.Millisecond); err != nil || text(&got) != "HELLO" {
				t.Errorf("%v, %v", &got, err)
			}
			failing := longrunning.InternalNewOperation(f.client, f.start(t, `{"fail":"not_found"}`))
			err := failing.WaitWithInterval(within(t), protoadapt.MessageV1Of(&got), 20*time.Millisecond)
			if status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "it was to fail") {
				t.Errorf("it failed with %v", err)
			}
		})
	}
}

// Each method of google.longrunning.Operations does what it is documented to do.
func TestGoogleMethods(t *testing.T) {
	f := googleFace(t, poller.ServerOptions{Inline: -1})
	ctx := within(t)
	op := f.start(t, `{"text":"hello"}`)
	err := f.client.DeleteOperation(ctx, &longrunningpb.DeleteOperationRequest{Name: op.Name})
	var refused *googleapi.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Body, `"FAILED_PRECONDITION"`) {
		t.Errorf("deleting what runs: %v", err)
	}
	if err := f.client.CancelOperation(ctx, &longrunningpb.CancelOperationRequest{Name: op.Name}); err != nil {
		t.Errorf("Cancel: %v", err)
	}
	var ended *longrunningpb.Operation // WaitOperation has no path in this client
	for !ended.GetDone() {
		if ended, err = f.client.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: op.Name}); err != nil {
			t.Fatal(err)
		}
	}
	if codes.Code(ended.GetError().GetCode()) != codes.Canceled {
		t.Errorf("it was canceled, and is %v", ended)
	}
	second := f.start(t, `{"text":"second"}`)
	var names []string
	for all := f.client.ListOperations(ctx, &longrunningpb.ListOperationsRequest{Name: "operations", PageSize: 1}); ; {
		o, err := all.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Name)
	}
	if len(names) != 2 || names[0] != second.Name || names[1] != op.Name {
		t.Errorf("listed %q, want %q, %q", names, second.Name, op.Name)
	}
	if err := f.client.DeleteOperation(ctx, &longrunningpb.DeleteOperationRequest{Name: op.Name}); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, err := f.client.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: op.Name}); err == nil {
		t.Error("it was deleted, and is there")
	}
	if _, err := f.client.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: "operations/unknown"}); status.Code(grpcOf(err)) != codes.NotFound {
		t.Errorf("an unknown operation: %v", err)
	}
}

// grpcOf is the status in err.
func grpcOf(err error) error {
	var s interface{ GRPCStatus() *status.Status }
	if errors.As(err, &s) {
		return s.GRPCStatus().Err()
	}
	return err
}
