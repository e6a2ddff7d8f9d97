package poller

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/response"
)

// An aipDocument is an operation of AIP-151.
type aipDocument struct {
	Name     string          `json:"name"`
	Done     *bool           `json:"done"` // false may be left out
	Metadata json.RawMessage `json:"metadata"`
	Error    json.RawMessage `json:"error"`
	Response json.RawMessage `json:"response"`
}

// looksLikeAIP tells an operation, which body is, from a result that happens to have a
// name. Google's encoder leaves out that it is not done: without metadata, a name is all.
func (d *aipDocument) looksLikeAIP(body []byte) bool {
	if d.Done == nil && d.Metadata == nil && d.Error == nil && d.Response == nil {
		var all map[string]json.RawMessage
		if json.Unmarshal(body, &all) != nil || len(all) != 1 {
			return false
		}
	}
	for segment := range strings.SplitSeq(d.Name, "/") {
		if segment == "operations" {
			return strings.Contains(d.Name, "/")
		}
	}
	return false
}

// operation is the same in the library's words. The metadata of a server of ours is the
// status.
func (d *aipDocument) operation() antiphon.Operation {
	op, err := readStatus(unpacked(d.Metadata))
	if err != nil {
		op = antiphon.Operation{State: antiphon.StateRunning}
	}
	op.ID = d.Name
	switch {
	case d.Done == nil || !*d.Done:
		if op.State.Terminal() {
			op.State = antiphon.StateRunning
		}
	case len(d.Error) > 0 && string(d.Error) != "null":
		if op.Err == nil {
			op.Err = errorOf(d.Error)
		}
		if op.State == antiphon.StateSucceeded || !op.State.Terminal() {
			op.State = antiphon.StateFailed
			if op.Err != nil && op.Err.Code == antiphon.CodeCanceled {
				op.State = antiphon.StateCanceled
			}
		}
	default:
		op.State, op.Err, op.Result = antiphon.StateSucceeded, nil, unpacked(d.Response)
	}
	return op
}

// unpacked is what a google.protobuf.Any holds if that is one of the types whose JSON is no
// object of fields of its own, such as Value, Struct and Duration: it stands under "value"
// then. An Empty is nothing, and anything else is as it is.
func unpacked(raw json.RawMessage) json.RawMessage {
	var packed struct {
		Type  string          `json:"@type"`
		Value json.RawMessage `json:"value"`
	}
	const known = "type.googleapis.com/google.protobuf."
	switch {
	case json.Unmarshal(raw, &packed) != nil, !strings.HasPrefix(packed.Type, known):
		return raw
	case packed.Type == known+"Empty":
		return nil
	case packed.Value == nil:
		return raw
	}
	if packed.Type == known+"BytesValue" {
		var b []byte
		if json.Unmarshal(packed.Value, &b) == nil {
			return b
		}
		return raw
	}
	return packed.Value
}

// readAIP reads an operation of AIP-151.
func readAIP(body []byte) (antiphon.Operation, error) {
	var d aipDocument
	if err := decode(body, &d); err != nil {
		return antiphon.Operation{}, err
	}
	if d.Name == "" {
		return antiphon.Operation{}, unreadable("the answer is no operation")
	}
	return d.operation(), nil
}

// aipURL is the default of HTTPOptions.OperationURL.
func aipURL(start *url.URL, name string) (*url.URL, error) {
	name = strings.TrimPrefix(name, "/")
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return nil, unreadable("the name of the operation is no path")
		}
	}
	u := &url.URL{Scheme: start.Scheme, Host: start.Host, Path: "/" + name}
	version, _, more := strings.Cut(strings.TrimPrefix(start.Path, "/"), "/")
	if more && len(version) > 1 && version[0] == 'v' && version[1] >= '0' && version[1] <= '9' {
		u.Path = "/" + version + u.Path
	}
	return u, nil
}

// aipCodes are the codes of google/rpc/code.proto, by their numbers.
var aipCodes = [...]antiphon.Code{
	1:  antiphon.CodeCanceled,
	2:  antiphon.CodeUnknown,
	3:  antiphon.CodeInvalidArgument,
	4:  antiphon.CodeDeadlineExceeded,
	5:  antiphon.CodeNotFound,
	6:  antiphon.CodeAlreadyExists,
	7:  antiphon.CodePermissionDenied,
	8:  antiphon.CodeResourceExhausted,
	9:  antiphon.CodeFailedPrecondition,
	10: antiphon.CodeAborted,
	11: antiphon.CodeOutOfRange,
	12: antiphon.CodeUnimplemented,
	13: antiphon.CodeInternal,
	14: antiphon.CodeUnavailable,
	15: antiphon.CodeDataLoss,
	16: antiphon.CodeUnauthenticated,
}

// codeOfNumber is the code of a number of google/rpc/code.proto, or of HTTP.
func codeOfNumber(n int) antiphon.Code {
	switch {
	case n > 0 && n < len(aipCodes):
		return aipCodes[n]
	case n >= 400:
		return response.Code(n)
	}
	return antiphon.CodeUnknown
}
