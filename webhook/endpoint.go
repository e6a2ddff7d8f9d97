package webhook

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
)

// An Endpoint is somebody who is pushed to.
type Endpoint struct {
	// ID names it: 1 to 128 bytes.
	ID string
	// URL is where it is. The [Egress] of the sender has to permit it.
	URL string
	// Signer signs what is sent.
	Signer Signer
	// Types are the messages that it gets: those of a type, as "invoice.paid", of
	// types that begin alike, as "invoice.*", or all, as "*". None means all.
	Types []string
	// Header is sent along.
	Header http.Header
	// Untraced keeps the trace of a message from it: a traceparent, whose ids are random,
	// and a tracestate, which is as your tracing has it. What a header says is sent.
	Untraced bool

	// Concurrency is how many attempts may be under way at once; after one that failed
	// it is one at a time until it answers again. 0 means 4.
	Concurrency int
	// Rate is how many attempts may begin in a second. 0 means no limit.
	Rate float64
	// Ordered has it get its messages one at a time, in the order in which they were
	// accepted: one that fails holds up those behind it.
	Ordered bool
	// Timeout is how long an attempt may take, until its response has been read. 0 means
	// 15 seconds. Whatever it is, the response's header has 10 seconds to come.
	Timeout time.Duration
}

// configure fills in the defaults, or says what to change.
func (e *Endpoint) configure(g *Egress) error {
	switch {
	case e.ID == "" || len(e.ID) > maxEndpointID:
		return misuse("endpoint", fmt.Sprintf("Endpoint.ID has to have 1 to %d bytes", maxEndpointID))
	case e.Signer == nil:
		return e.wrong("has no Signer: give it one, as Standard(keys)")
	case e.Concurrency < 0:
		return e.wrong("has a negative Concurrency")
	case !(e.Rate >= 0):
		return e.wrong("has a negative Rate")
	case e.Timeout < 0:
		return e.wrong("has a negative Timeout")
	}
	if err := schemeWrong(e.Signer); err != nil {
		return e.wrong("has a Signer that cannot sign: %w", err)
	}
	if err := g.CheckURL(e.URL); err != nil {
		return e.wrong("cannot be at its URL: %w", err)
	}
	for name := range e.Header {
		if reserved(name) {
			return e.wrong("cannot have a header field %s of its own", textproto.CanonicalMIMEHeaderKey(name))
		}
	}
	if err := checkHeader(e.Header); err != nil {
		return e.wrong("has a header that cannot be sent: %w", err)
	}
	for _, p := range e.Types {
		if i := strings.IndexByte(p, '*'); p == "" || i >= 0 && (i != len(p)-1 || i > 0 && p[i-1] != '.') {
			return e.wrong("has a type that is neither as \"a.b\" nor as \"a.*\" nor \"*\"")
		}
	}
	if e.Concurrency == 0 {
		e.Concurrency = 4
	}
	if e.Ordered {
		e.Concurrency = 1
	}
	if e.Timeout == 0 {
		e.Timeout = 15 * time.Second
	}
	e.Types, e.Header = slices.Clone(e.Types), e.Header.Clone()
	return nil
}

const maxEndpointID = 128

func (e *Endpoint) wrong(format string, args ...any) error {
	err := antiphon.Errorf(antiphon.CodeInvalidArgument, "webhook: endpoint %q "+format, append([]any{e.ID}, args...)...)
	err.Class, err.Reason, err.Permanent = antiphon.ClassNotAccepted, "webhook.endpoint", true
	return err
}

// wants reports whether the endpoint gets messages of a type.
func (e *Endpoint) wants(typ string) bool {
	return len(e.Types) == 0 || slices.ContainsFunc(e.Types, func(p string) bool {
		family, all := strings.CutSuffix(p, "*")
		return all && strings.HasPrefix(typ, family) || p == typ
	})
}

// reserved reports whether a header field is the sender's or the transport's to set.
func reserved(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer",
		"expect", "accept-encoding", "signature", "signature-input", "content-digest":
		return true
	}
	return strings.HasPrefix(name, "webhook-") || strings.HasPrefix(name, "svix-") || strings.HasPrefix(name, "proxy-")
}

// Limits of the fields that travel with a message.
const (
	maxFields      = 64
	maxFieldsBytes = 16 << 10
)

// checkHeader refuses what cannot be sent, before it is accepted.
func checkHeader(h http.Header) error {
	n, size := 0, 0
	for name, values := range h {
		if !fieldName(name) {
			return misuse("header", "a header field has a name that is none")
		}
		for _, v := range values {
			n++
			size += len(name) + len(v)
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return misuse("header", "the header field "+name+" has control characters")
			}
		}
	}
	if n > maxFields || size > maxFieldsBytes {
		return misuse("header", "a header has at most 64 fields and 16 KiB")
	}
	return nil
}

func fieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}
