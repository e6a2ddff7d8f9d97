package antiphon

import (
	"encoding/json"
	"strings"
	"time"
)

// A State is how far an operation got. The zero value, and any word that is not
// listed here, means that nothing is known; neither is terminal.
type State string

// The states. An operation goes from queued to running, possibly back and forth
// between the two as it is retried, and ends in one of the others, for good.
const (
	StateQueued    State = "queued"
	StateRunning   State = "running"
	StateSucceeded State = "succeeded"
	StateFailed    State = "failed"
	StateCanceled  State = "canceled"
	StateExpired   State = "expired" // its time to live ended before it did
)

// Terminal reports whether s is an end.
func (s State) Terminal() bool {
	switch s {
	case StateSucceeded, StateFailed, StateCanceled, StateExpired:
		return true
	}
	return false
}

// stateWords are the states as they are written in JSON: the words of the Azure
// REST guidelines for long-running operations, which the clients of such
// operations look for. The first of each is written; all are read, in any case.
var stateWords = []struct {
	state State
	word  string
}{
	{StateQueued, "NotStarted"},
	{StateRunning, "Running"},
	{StateSucceeded, "Succeeded"},
	{StateFailed, "Failed"},
	{StateCanceled, "Canceled"},
	{StateExpired, "Expired"},
	{StateQueued, "Queued"},
	{StateRunning, "InProgress"},
	{StateSucceeded, "Completed"},
	{StateSucceeded, "Done"},
	{StateCanceled, "Cancelled"},
}

// MarshalText writes NotStarted, Running, Succeeded, Failed, Canceled or
// Expired, and any other word as it is. It never fails.
func (s State) MarshalText() ([]byte, error) {
	for _, w := range stateWords {
		if w.state == s {
			return []byte(w.word), nil
		}
	}
	return []byte(s), nil
}

// UnmarshalText reads what MarshalText writes and the usual synonyms, in any
// case, and keeps any other word (at most 64 bytes of it) as a state that is
// not terminal. It never fails.
func (s *State) UnmarshalText(text []byte) error {
	word := cut(string(text), 64)
	for _, w := range stateWords {
		if strings.EqualFold(w.word, word) {
			*s = w.state
			return nil
		}
	}
	*s = State(word)
	return nil
}

// An Operation is the record of one accepted request: what a queue stores, a
// status resource shows, a webhook delivers and a poller reads.
//
// Ownership: an Operation is a value; its Metadata, Result and Err are shared
// between copies and are not modified.
type Operation struct {
	// ID is unguessable; who knows it may ask for the operation.
	ID string
	// Kind is the name of what was asked for: a queue or a function.
	Kind string
	// State is how far it got.
	State State
	// Percent is how far the work last reported to be, from 0 to 100.
	Percent float64
	// Message is what it said to that, for people.
	Message string
	// Data is what it added to that, encoded. May be nil.
	Data []byte
	// CancelRequested says that somebody wishes it to end; State tells whether
	// it has.
	CancelRequested bool
	// Attempt counts how often the work was started.
	Attempt int
	// Version counts the changes of the record, from 1. It serves as an entity
	// tag, an event id, and the cursor of who watches.
	Version int64

	// Created, Updated, Ended (zero before the end) and Expires (when the
	// record will be forgotten; zero for never) are of the clock of whoever
	// keeps the record. JSON keeps nanoseconds and the offset to UTC.
	Created, Updated, Ended, Expires time.Time
	// PollAfter is how long to wait before looking again, or 0 for no advice.
	// JSON keeps whole milliseconds, rounded up.
	PollAfter time.Duration

	// Metadata is whatever the asker attached. May be nil.
	Metadata map[string]string
	// Result is the encoded answer of a succeeded operation.
	Result []byte
	// ContentType is the media type of Result. Empty means JSON.
	ContentType string
	// Location is where the result is, if it is not in Result.
	Location string
	// Err is why a failed, canceled or expired operation ended so.
	Err *Error
}

// wireOperation is the JSON form of an Operation. A result that is JSON stands in
// it as a value (its white space is not kept), other bytes as base64 under a name
// of their own.
type wireOperation struct {
	ID              string            `json:"id"`
	Kind            string            `json:"kind,omitempty"`
	Status          State             `json:"status"`
	Done            bool              `json:"done"`
	Percent         float64           `json:"percentComplete"`
	Message         string            `json:"message,omitempty"`
	Data            []byte            `json:"data,omitempty"`
	CancelRequested bool              `json:"cancelRequested,omitempty"`
	Attempt         int               `json:"attempt,omitempty"`
	Version         int64             `json:"version"`
	Created         time.Time         `json:"createdAt,omitzero"`
	Updated         time.Time         `json:"updatedAt,omitzero"`
	Ended           time.Time         `json:"endedAt,omitzero"`
	Expires         time.Time         `json:"expiresAt,omitzero"`
	PollIntervalMs  int64             `json:"pollIntervalMs,omitempty"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	Result          json.RawMessage   `json:"result,omitempty"`
	ResultBytes     *[]byte           `json:"resultBytes,omitempty"`
	ResultType      string            `json:"resultType,omitempty"`
	Location        string            `json:"resourceLocation,omitempty"`
	Error           *Error            `json:"error,omitempty"`
}

// MarshalJSON writes the one JSON form: id, kind, status (a word; see
// State.MarshalText), done, percentComplete, message, data (base64), cancelRequested,
// attempt, version, createdAt, updatedAt, endedAt, expiresAt, pollIntervalMs, metadata,
// result (or resultBytes and resultType where it is not JSON),
// resourceLocation, error. All but id, status, done, percentComplete and
// version are left out when they are zero.
func (o Operation) MarshalJSON() ([]byte, error) {
	w := wireOperation{
		ID:              o.ID,
		Kind:            o.Kind,
		Status:          o.State,
		Done:            o.State.Terminal(),
		Percent:         percentage(o.Percent),
		Message:         o.Message,
		Data:            o.Data,
		CancelRequested: o.CancelRequested,
		Attempt:         o.Attempt,
		Version:         o.Version,
		Created:         o.Created,
		Updated:         o.Updated,
		Ended:           o.Ended,
		Expires:         o.Expires,
		Metadata:        o.Metadata,
		Location:        o.Location,
		Error:           o.Err,
	}
	if o.PollAfter > 0 {
		w.PollIntervalMs = millisUp(o.PollAfter)
	}
	switch {
	case o.Result == nil && o.ContentType == "":
	case o.ContentType == "" && json.Valid(o.Result):
		w.Result = o.Result
	default:
		result := o.Result
		w.ResultBytes, w.ResultType = &result, o.ContentType
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes and ignores unknown fields.
func (o *Operation) UnmarshalJSON(data []byte) error {
	var w wireOperation
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*o = Operation{
		ID:              w.ID,
		Kind:            w.Kind,
		State:           w.Status,
		Percent:         percentage(w.Percent),
		Message:         w.Message,
		Data:            w.Data,
		CancelRequested: w.CancelRequested,
		Attempt:         w.Attempt,
		Version:         w.Version,
		Created:         w.Created,
		Updated:         w.Updated,
		Ended:           w.Ended,
		Expires:         w.Expires,
		PollAfter:       millis(w.PollIntervalMs),
		Metadata:        w.Metadata,
		Result:          w.Result,
		ContentType:     w.ResultType,
		Location:        w.Location,
		Err:             w.Error,
	}
	if w.ResultBytes != nil {
		o.Result = *w.ResultBytes
	}
	return nil
}
