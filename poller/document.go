package poller

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/response"
)

// A document is a status as servers write it: that of an antiphon.Operation, or that of
// the Azure guidelines, or something of that kind. Names are in any case; a member of
// an unexpected type counts as absent, and of two of the same name the last counts.
type document struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"`
	Status   antiphon.State    `json:"status"`
	Percent  json.RawMessage   `json:"percentComplete"` // a number, or a string of one
	Message  string            `json:"message"`
	Data     []byte            `json:"data"`
	Cancel   bool              `json:"cancelRequested"`
	Attempt  int               `json:"attempt"`
	Version  int64             `json:"version"`
	Created  string            `json:"createdAt"`
	Updated  string            `json:"updatedAt"`
	Ended    string            `json:"endedAt"`
	Expires  string            `json:"expiresAt"`
	Interval int64             `json:"pollIntervalMs"`
	Metadata map[string]string `json:"metadata"`
	Result   json.RawMessage   `json:"result"`
	Bytes    *[]byte           `json:"resultBytes"`
	Type     string            `json:"resultType"`
	Location string            `json:"resourceLocation"`
	Error    json.RawMessage   `json:"error"`
}

// decode reads JSON leniently: what is not of the type that it should be is left out.
func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) || json.Valid(body) { // base64 that is none, for instance
		return nil
	}
	return unreadable("the answer is not JSON")
}

// readStatus reads a status document.
func readStatus(body []byte) (antiphon.Operation, error) {
	var d document
	if err := decode(body, &d); err != nil {
		return antiphon.Operation{}, err
	}
	if d.Status == "" {
		return antiphon.Operation{}, unreadable("the answer is no status")
	}
	op := antiphon.Operation{
		ID:              d.ID,
		Kind:            d.Kind,
		State:           d.Status,
		Percent:         percentOf(d.Percent),
		Message:         d.Message,
		Data:            d.Data,
		CancelRequested: d.Cancel,
		Attempt:         max(d.Attempt, 0),
		Version:         max(d.Version, 0),
		Created:         timeOf(d.Created),
		Updated:         timeOf(d.Updated),
		Ended:           timeOf(d.Ended),
		Expires:         timeOf(d.Expires),
		PollAfter:       time.Duration(min(max(d.Interval, 0), response.Longest.Milliseconds())) * time.Millisecond,
		Metadata:        d.Metadata,
		Location:        d.Location,
	}
	if op.State == antiphon.StateSucceeded {
		op.Result, op.ContentType = d.Result, d.Type
		if d.Bytes != nil {
			op.Result = *d.Bytes
		}
	} else if op.State.Terminal() {
		op.Err = errorOf(d.Error)
	}
	return op, nil
}

// percentOf reads 42, "42" and "42 %".
func percentOf(raw json.RawMessage) float64 {
	if len(raw) == 0 {
		return 0
	}
	p, err := strconv.ParseFloat(strings.Trim(string(raw), "\" %"), 64)
	if err != nil || math.IsNaN(p) {
		return 0
	}
	return min(max(p, 0), 100)
}

func timeOf(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}
