package webhook

import (
	"net/http"
	"time"
)

// A Request is a push as it came, or as it will leave.
//
// Ownership: a Verifier keeps nothing of it; a Signer changes nothing but Header.
type Request struct {
	// Method is the HTTP method.
	Method string
	// URL is the public URL that it was pushed to: what is configured, never what a
	// Host or X-Forwarded header says. Schemes that sign it need it.
	URL string
	// Header are the fields as they came, all lines of each.
	Header http.Header
	// Body is all of it, byte for byte.
	Body []byte
	// At is when it came, or leaves. Timestamps are compared to it.
	At time.Time
}

// A Message is a push that is verified, or that is to be sent.
type Message struct {
	// ID names the message, the same for all its deliveries.
	ID string
	// Type is what happened, as "invoice.paid". May be empty.
	Type string
	// Endpoint is where it came to, or goes to.
	Endpoint string
	// KeyID is the key that it was signed with, where keys have names.
	KeyID string
	// Time is when it was signed, by whoever signed it; zero if that is not known.
	Time time.Time
	// Header are further fields: as they came, or to be sent.
	Header http.Header
	// Body is the message, byte for byte.
	Body []byte
	// IDSigned and TypeSigned say that the signature covers them. Otherwise whoever
	// has seen one message can send it again under another ID or Type.
	IDSigned, TypeSigned bool

	// signed is the hash of what is signed, where the same can be said by several bodies.
	signed string
}
