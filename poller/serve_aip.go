package poller

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
)

// AIP returns the same server as clients of Google's long-running operations know it
// (AIP-151): mounted at /v1/, say, a POST of a request to /v1/ or to any path under it
// is answered with an operation, which is then at /v1/operations/{id}. An operation's
// metadata is its status, a Struct; its response a Value, unless the result names its
// @type itself. Deleting does not cancel, and waiting is :wait.
func (s *Server) AIP() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, aipRoutes, -1) })
}

var aipRoutes = tableOf([]route{
	atStart:     {path: "", methods: []method{{"POST", (*exchange).aipSubmit}}},
	atList:      {path: "/operations", depth: 1, methods: []method{{"GET", (*exchange).aipList}}},
	atBatch:     {},
	atOperation: {path: "/operations/{id}", depth: 2, methods: []method{{"GET", (*exchange).aipGet}, {"DELETE", (*exchange).aipDelete}}},
	atResult:    {},
	atEvents:    {},
	atVerb:      {path: "/operations/{id}:cancel", depth: 2, methods: []method{{"POST", (*exchange).aipCancel}}},
	atVerb + 1:  {path: "/operations/{id}:wait", depth: 2, methods: []method{{"POST", (*exchange).aipWait}}},
})

// An aipOperation is a google.longrunning.Operation.
type aipOperation struct {
	Name     string          `json:"name"`
	Metadata json.RawMessage `json:"metadata"`
	Done     bool            `json:"done"`
	Error    *rpcStatus      `json:"error,omitempty"`
	Response json.RawMessage `json:"response,omitempty"`
}

// An rpcStatus is a google.rpc.Status; where a request is refused, it has the HTTP code
// and the word (AIP-193).
type rpcStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status,omitempty"`
}

const anyType = `{"@type":"type.googleapis.com/google.protobuf.`

func (s *Server) aipOperation(op *antiphon.Operation) (o aipOperation, err error) {
	status, err := s.document(op)
	if err != nil {
		return o, err
	}
	o = aipOperation{Name: nameOf(op.ID), Metadata: wrapped("Struct", status), Done: op.State.Terminal()}
	switch e := failureOf(op); {
	case !o.Done:
	case op.State != antiphon.StateSucceeded:
		o.Error = &rpcStatus{Code: numberOf(e.Code), Message: e.Error()}
	case len(op.Result) == 0:
		o.Response = wrapped("Empty", []byte("{}"))
	case op.ContentType != "" || !json.Valid(op.Result):
		text, _ := json.Marshal(op.Result) // in base64
		o.Response = wrapped("BytesValue", text)
	case hasType(op.Result):
		o.Response = op.Result
	default:
		o.Response = wrapped("Value", op.Result)
	}
	return o, nil
}

// wrapped is a google.protobuf.Any of one of the types that every client knows.
func wrapped(name string, value []byte) json.RawMessage {
	b := append([]byte(anyType), name...)
	b = append(append(b, `","value":`...), value...)
	return append(b, '}')
}

func hasType(result []byte) bool {
	var t struct {
		Type string `json:"@type"`
	}
	return json.Unmarshal(result, &t) == nil && t.Type != ""
}

// numberOf is the number of a code in google/rpc/code.proto.
func numberOf(c antiphon.Code) int {
	for n, known := range aipCodes {
		if known == c && n > 0 {
			return n
		}
	}
	return 2
}

// refuseAIP writes r as such clients expect it.
func (x *exchange) refuseAIP(r *refusal) {
	word := strings.ToUpper(string(aipCodes[numberOf(r.err.Code)]))
	if word == "CANCELED" {
		word = "CANCELLED"
	}
	body, _ := json.Marshal(map[string]rpcStatus{"error": {Code: r.status, Message: r.err.Error(), Status: word}})
	x.w.Header()["Cache-Control"] = noStore
	x.write(r.status, jsonType, body)
}

func (x *exchange) aipAnswer(v any, err error) {
	var body []byte
	if err == nil {
		body, err = json.Marshal(v)
	}
	if err != nil {
		x.refuse(err)
		return
	}
	x.w.Header()["Cache-Control"] = noStore
	x.write(http.StatusOK, jsonType, body)
}

func (x *exchange) aipTell(op *antiphon.Operation) {
	if !op.State.Terminal() {
		x.advise(x.s.pace(op))
	}
	x.aipAnswer(x.s.aipOperation(op))
}

func (x *exchange) aipSubmit() {
	if op, ok := x.start(); ok {
		x.aipTell(&op)
	}
}

func (x *exchange) aipGet() {
	if op, ok := x.look(); ok {
		x.aipTell(&op)
	}
}

func (x *exchange) aipList() {
	page, err := x.page(x.r.URL.RawQuery)
	if err != nil {
		x.refuse(err)
		return
	}
	list := struct {
		Operations    []aipOperation `json:"operations"`
		NextPageToken string         `json:"nextPageToken,omitempty"`
	}{make([]aipOperation, len(page.ops)), page.next}
	for i := range page.ops {
		if list.Operations[i], err = x.s.aipOperation(&page.ops[i]); err != nil {
			break
		}
	}
	x.aipAnswer(list, err)
}

func (x *exchange) aipDelete() {
	if _, ok := x.look(); ok {
		x.aipAnswer(struct{}{}, x.forget())
	}
}

func (x *exchange) aipCancel() {
	if op, ok := x.look(); ok {
		var err error
		if !op.State.Terminal() {
			op, err = x.s.ops.Cancel(x.r.Context(), x.id)
			err = x.checked(x.id, &op, err)
		}
		x.aipAnswer(struct{}{}, err)
	}
}

// aipWait holds the request until the operation has ended, for the timeout in the body or
// what is allowed.
func (x *exchange) aipWait() {
	body, err := x.body(1<<10, "application/json")
	if err != nil {
		x.refuse(err)
		return
	}
	var q struct{ Timeout string }
	wait := x.s.opts.MaxWait
	if len(body) > 0 && json.Unmarshal(body, &q) != nil {
		x.refuse(badRequest("body", "the body is no object with a timeout"))
		return
	}
	if q.Timeout != "" {
		d, err := time.ParseDuration(q.Timeout)
		if err != nil || d < 0 || !strings.HasSuffix(q.Timeout, "s") {
			x.refuse(badRequest("timeout", "the timeout is a number of seconds, as in 3.5s"))
			return
		}
		wait = min(wait, d)
	}
	op, ok := x.look()
	if !ok {
		return
	}
	if !op.State.Terminal() && wait > 0 {
		x.hold(&op, math.MaxInt64, wait)
	}
	x.aipTell(&op)
}
