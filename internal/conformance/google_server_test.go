package conformance_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

// googleServer answers as Google's servers do, in Google's own encoding: it is done at the
// third look.
func googleServer(t *testing.T, end *longrunningpb.Operation) string {
	t.Helper()
	var looks atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/reports" && r.URL.Path != "/v1/operations/abc" {
			http.NotFound(w, r)
			return
		}
		op := &longrunningpb.Operation{Name: "operations/abc"}
		if looks.Add(1) > 2 {
			op.Done, op.Result = true, end.Result
		}
		b, err := protojson.Marshal(op)
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_, _ = w.Write(b)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1/reports"
}

// responding is the operation that succeeds with m.
func responding(t *testing.T, m proto.Message) *longrunningpb.Operation {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return &longrunningpb.Operation{Result: &longrunningpb.Operation_Response{Response: a}}
}

// begun follows what is at url.
func begun(t *testing.T, url string) (any, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(within(t), http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	remote, err := poller.Begin[any](r, &poller.HTTPOptions{Poll: &poller.Options{Max: 10 * time.Millisecond, Min: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return remote.Future().Await(r.Context())
}

// Our client reads what Google's encoder writes, whatever the type of the result.
func TestGoogleIsFollowed(t *testing.T) {
	object, err := structpb.NewStruct(map[string]any{"text": "HELLO", "value": 7})
	if err != nil {
		t.Fatal(err)
	}
	for want, m := range map[string]proto.Message{
		`{"text":"HELLO","value":7}`: object,
		`"HELLO"`:                    structpb.NewStringValue("HELLO"),
		`"HELLO" `:                   wrapperspb.String("HELLO"),
		`"1.500s"`:                   durationpb.New(1500 * time.Millisecond),
		`null`:                       &emptypb.Empty{},
		`{"@type":"type.googleapis.com/google.longrunning.CancelOperationRequest","name":"x"}`: &longrunningpb.CancelOperationRequest{Name: "x"},
	} {
		got, err := begun(t, googleServer(t, responding(t, m)))
		var expected any
		if e := json.Unmarshal([]byte(want), &expected); e != nil {
			t.Fatal(e)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(expected)
		if string(a) != string(b) || err != nil {
			t.Errorf("%T: %s, %v; want %s", m, a, err, b)
		}
	}
	for code, want := range map[codes.Code]antiphon.Code{
		codes.NotFound: antiphon.CodeNotFound, codes.DeadlineExceeded: antiphon.CodeDeadlineExceeded, codes.Internal: antiphon.CodeInternal,
	} {
		end := &longrunningpb.Operation{Result: &longrunningpb.Operation_Error{Error: &statuspb.Status{Code: int32(code), Message: "it was to fail"}}}
		_, err := begun(t, googleServer(t, end))
		if antiphon.CodeOf(err) != want || err.Error() != "it was to fail" {
			t.Errorf("%s: %v of code %s", code, err, antiphon.CodeOf(err))
		}
	}
}
