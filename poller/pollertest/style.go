package pollertest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"

	"github.com/antiphon-go/antiphon"
)

// A Style is how a server shows its operations.
type Style int

// The styles. URLs in headers are absolute.
const (
	// Monitor: 202 with Operation-Location, a status monitor that has the result.
	Monitor Style = iota
	// Azure: 202 with Azure-AsyncOperation, a status monitor, and Location, where the
	// result is when it has succeeded.
	Azure
	// Location: 202 with Location, which answers 202 until it answers with the result.
	Location
	// ContentLocation: 202 with Content-Location, a status monitor, whose last answer
	// names the result as resourceLocation.
	ContentLocation
	// AIP: 200 with an operation as AIP-151 has it, in which a name is all there is. Start
	// it at a path under a version, such as n.URL+"/v1/reports": the name is looked for there.
	AIP
)

func (s *Script) id() string {
	if s.ID == "" {
		return "1"
	}
	return s.ID
}

func (s *Script) monitorPath() string {
	if s.Style == AIP {
		return "/v1/operations/" + s.id()
	}
	return "/operations/" + s.id()
}

// origin is how the client named this server. Whether that was https cannot be known.
func origin(r *http.Request) string { return "http://" + r.Host }

// answer answers as a step says, and properly in all that it does not say.
func (s *Script) answer(w http.ResponseWriter, r *http.Request, sort string, step Step) {
	status, header, body := s.proper(r, sort, step)
	if step.Status != 0 && step.Status != status {
		done := sort == "start" && step.Status < 300 && step.Status != http.StatusAccepted
		status, header, body = step.Status, http.Header{"Content-Type": {"application/json"}}, nil
		if done {
			body = s.value()
		}
	}
	if step.Body != "" {
		body = []byte(step.Body)
	}
	maps.Copy(header, step.Header)
	for name, values := range header {
		if len(values) == 0 {
			delete(header, name)
		}
	}
	if step.Cut && step.Body == "" {
		cut(w)
	}
	maps.Copy(w.Header(), header)
	if step.Cut {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead && status != http.StatusNoContent && status != http.StatusNotModified {
		_, _ = w.Write(body)
	}
	if step.Hold > 0 || step.Cut {
		_ = http.NewResponseController(w).Flush()
		_ = pause(r, step.Hold)
	}
	if step.Cut {
		panic(http.ErrAbortHandler)
	}
}

// cut breaks the connection within the status line: where there is nothing at all, an
// http.Transport repeats some requests by itself.
func cut(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_, _ = io.WriteString(c, "HTTP/1.1 ")
		_ = c.Close()
	}
	panic(http.ErrAbortHandler)
}

// proper is what a server of this style answers.
func (s *Script) proper(r *http.Request, sort string, step Step) (status int, header http.Header, body []byte) {
	header = http.Header{"Content-Type": {"application/json"}}
	state := step.State
	if state == "" {
		state = antiphon.StateSucceeded
		if sort == "start" {
			state = antiphon.StateRunning
		}
	}
	monitor := origin(r) + s.monitorPath()
	switch {
	case sort == "start" && s.Style == AIP:
		return http.StatusOK, header, s.record(r, state, step)
	case sort == "start":
		switch s.Style {
		case Monitor:
			header.Set("Operation-Location", monitor)
		case Azure:
			header.Set("Azure-AsyncOperation", monitor)
		case ContentLocation:
			header.Set("Content-Location", monitor)
		}
		if s.Style == Azure || s.Style == Location {
			header.Set("Location", monitor+"/result")
		}
		if s.Style == Location {
			return http.StatusAccepted, header, nil
		}
		return http.StatusAccepted, header, s.record(r, state, step)
	case sort == "result", sort == "monitor" && s.Style == Location:
		return s.outcome(header, state)
	case sort == "cancel" && s.Style == AIP:
		return http.StatusOK, header, []byte("{}")
	case sort == "cancel":
		return http.StatusAccepted, header, nil
	case sort == "monitor":
		return http.StatusOK, header, s.record(r, state, step)
	}
	return http.StatusOK, header, s.value() // elsewhere
}

// outcome is the answer at a result's URL.
func (s *Script) outcome(header http.Header, state antiphon.State) (int, http.Header, []byte) {
	switch state {
	case antiphon.StateSucceeded:
		return http.StatusOK, header, s.value()
	case antiphon.StateFailed, antiphon.StateExpired:
		return http.StatusUnprocessableEntity, header, encode(map[string]any{"error": s.failure()})
	case antiphon.StateCanceled:
		return http.StatusConflict, header, encode(map[string]any{"error": s.failure()})
	}
	return http.StatusAccepted, header, nil
}

// record is the operation as JSON.
func (s *Script) record(r *http.Request, state antiphon.State, step Step) []byte {
	failed := state.Terminal() && state != antiphon.StateSucceeded
	if s.Style == AIP {
		o := map[string]any{"name": "operations/" + s.id(), "done": state.Terminal()}
		if step.Percent > 0 {
			o["metadata"] = map[string]any{"progressPercent": step.Percent}
		}
		switch {
		case failed:
			o["error"] = map[string]any{"code": grpcCode(s.failure().Code), "message": s.failure().Message}
		case state == antiphon.StateSucceeded:
			o["response"] = json.RawMessage(s.value())
		}
		return encode(o)
	}
	o := map[string]any{"id": s.id(), "status": state}
	if step.Percent > 0 {
		o["percentComplete"] = step.Percent
	}
	switch {
	case failed:
		o["error"] = s.failure()
	case state == antiphon.StateSucceeded && s.Style == Monitor:
		o["result"] = json.RawMessage(s.value())
	case state == antiphon.StateSucceeded && s.Style == ContentLocation:
		o["resourceLocation"] = origin(r) + s.monitorPath() + "/result"
	}
	return encode(o)
}

func (s *Script) failure() *antiphon.Error {
	if s.Err == nil {
		return &antiphon.Error{Code: antiphon.CodeInternal, Message: "it went wrong"}
	}
	return s.Err
}

func (s *Script) value() []byte { return encode(s.Value) }

// encode encodes what can be.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// grpcCode is the number of a code.
func grpcCode(c antiphon.Code) int {
	for i, code := range []antiphon.Code{
		"", antiphon.CodeCanceled, antiphon.CodeUnknown, antiphon.CodeInvalidArgument, antiphon.CodeDeadlineExceeded,
		antiphon.CodeNotFound, antiphon.CodeAlreadyExists, antiphon.CodePermissionDenied, antiphon.CodeResourceExhausted,
		antiphon.CodeFailedPrecondition, antiphon.CodeAborted, antiphon.CodeOutOfRange, antiphon.CodeUnimplemented,
		antiphon.CodeInternal, antiphon.CodeUnavailable, antiphon.CodeDataLoss, antiphon.CodeUnauthenticated,
	} {
		if i > 0 && code == c {
			return i
		}
	}
	return 2
}
