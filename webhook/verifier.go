package webhook

import (
	"context"

	"github.com/antiphon-go/antiphon"
)

// A Verifier tells whether a push is genuine, and what it says.
//
// Concurrency: Verify is called by any number of goroutines.
//
// Errors: a push that is not genuine is a *RejectError; any other error means that it
// could not be told, and is answered with 503.
type Verifier interface {
	Verify(ctx context.Context, r Request) (Message, error)
}

// A Prechecker is a Verifier that sees from the header alone that some pushes must be
// refused: malformed fields, a timestamp outside the tolerance. A [Receiver] asks it
// before it reads the body. What it lets pass is yet to be verified.
//
// Concurrency: Precheck is called by any number of goroutines.
//
// Errors: as those of Verify. One with ReasonHeader comes before the declared length
// is looked at, any other after.
type Prechecker interface {
	Verifier
	// Precheck looks at r, whose Body is nil.
	Precheck(r Request) error
}

// A Signer signs: it sets the header fields of r that say who sent m, and when.
//
// Concurrency: Sign is called by any number of goroutines, for a request each.
type Signer interface {
	Sign(ctx context.Context, r *Request, m Message) error
}

// A Reason is why a push was refused. It is for observers, and never told to whoever
// pushed.
type Reason string

// The reasons.
const (
	ReasonMethod    Reason = "method"    // not a POST
	ReasonHeader    Reason = "header"    // missing, repeated or malformed fields
	ReasonTooLarge  Reason = "too_large" // the body is over the limit
	ReasonSlow      Reason = "slow"      // the body did not come in time
	ReasonBody      Reason = "body"      // the body broke off
	ReasonTimestamp Reason = "timestamp" // outside the tolerance, or no timestamp
	ReasonSignature Reason = "signature" // no signature holds
	ReasonKey       Reason = "key"       // there is no such key
	ReasonContent   Reason = "content"   // genuine, but not what the scheme carries
)

// A RejectError is why a push was refused. Its text names the reason and quotes
// nothing that came.
type RejectError struct {
	// Reason is what was found wrong.
	Reason Reason
	// Status is the HTTP status to answer with.
	Status int
	// Err says more. May be nil.
	Err error
}

// Error names the reason.
func (e *RejectError) Error() string {
	text := "webhook: refused: " + string(e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *RejectError) Unwrap() error { return e.Err }

// AntiphonError is the error's form on a wire: code unauthenticated, or
// invalid_argument where it is no question of who pushed, of class not accepted.
func (e *RejectError) AntiphonError() *antiphon.Error {
	code := antiphon.CodeInvalidArgument
	switch e.Reason {
	case ReasonTimestamp, ReasonSignature, ReasonKey:
		code = antiphon.CodeUnauthenticated
	case ReasonTooLarge:
		code = antiphon.CodeResourceExhausted
	}
	return &antiphon.Error{Code: code, Class: antiphon.ClassNotAccepted, Reason: "webhook." + string(e.Reason), Message: e.Error(), Permanent: true}
}
