package webhook

import (
	"encoding/json"
	"mime"
	"net/http"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/ending"
	"github.com/antiphon-go/antiphon/internal/response"
)

const problemType = "application/problem+json"

// Answer is the message that carries the outcome of a call, as an antiphon.Operation, to
// a URL that an [Inbox] gave out; errors keep their code, class and identity on the way:
//
//	sender.Send(ctx, webhook.Answer(shop.Price(ctx, item)))
//
// A value that cannot be encoded as JSON is an error, and arrives as that.
func Answer[R any](v R, err error) Message {
	op := antiphon.Operation{State: antiphon.StateSucceeded}
	if err == nil {
		op.Result, err = antiphon.JSON{}.Marshal(v)
	}
	if err != nil {
		op = antiphon.Operation{State: antiphon.StateFailed, Err: antiphon.FromError(err)}
	}
	body, _ := json.Marshal(op) // what there is in it is encoded already
	return Message{Type: "operation.ended", Header: http.Header{"Content-Type": {OperationContentType}}, Body: body}
}

// open settles p with what an answer says.
func open[R any](p *future.Promise[R], c antiphon.Codec, a *pushed) {
	var returned bool
	defer func() {
		if !returned { // but a method of R's did not
			p.Reject(caught(recover()))
		}
	}()
	v, err := read[R](c, a)
	returned = true
	p.Settle(v, err)
}

func read[R any](c antiphon.Codec, p *pushed) (v R, err error) {
	body := p.m.Body
	switch contentTypeOf(p.m.Header) {
	case OperationContentType:
		if p.op == nil {
			return v, antiphon.Errorf(antiphon.CodeDataLoss, "webhook: the operation that was pushed does not decode")
		}
		if p.op.State != antiphon.StateSucceeded {
			return v, ending.Failure("webhook: the operation", p.op.State, p.op.Err, p.op.Message)
		}
		if body = p.op.Result; body == nil {
			body = []byte("null")
		}
	case problemType:
		return v, problemOf(body)
	}
	switch v := any(&v).(type) {
	case *Message:
		*v = p.m
	case *[]byte:
		*v = body
	case *struct{}:
	default:
		if err := c.Unmarshal(body, v); err != nil {
			e := antiphon.Errorf(antiphon.CodeDataLoss, "webhook: the answer does not decode: %w", err)
			e.Class = antiphon.ClassUnknown // whatever was done, nobody knows what came of it
			return *new(R), e
		}
	}
	return v, nil
}

// problemOf reads a problem (RFC 9457). Its member error is an antiphon.Error, where the
// server of package poller wrote it.
func problemOf(body []byte) error {
	var p struct {
		Title  string          `json:"title"`
		Status int             `json:"status"`
		Detail string          `json:"detail"`
		Error  *antiphon.Error `json:"error"`
	}
	if err := (antiphon.JSON{MaxSize: len(body)}).Unmarshal(body, &p); err != nil {
		return antiphon.Errorf(antiphon.CodeUnknown, "webhook: a problem that does not decode")
	}
	if p.Error != nil && p.Error.Code != "" {
		return p.Error
	}
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	return antiphon.Errorf(response.Code(p.Status), "webhook: the answer is a problem: %.256s", text)
}

// contentTypeOf is the media type of what h is the header of.
func contentTypeOf(h http.Header) string {
	if v := h["Content-Type"]; len(v) == 1 {
		kind, _, _ := mime.ParseMediaType(v[0])
		return kind
	}
	return ""
}
