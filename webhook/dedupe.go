package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// What may be in front of the bytes that a key is made of, so that no two kinds are
// ever the same.
const (
	byID     = 'i' // an id that is signed
	byBody   = 'b' // an id that is not, and the body
	byMoment = 'm' // the time of signing, and the body
)

// Key is what names m among all messages of all endpoints, in 43 characters: whatever
// comes again under the same key is the same message. It serves as an idempotency key.
//
// If the ID is signed, it is made of Endpoint and ID; otherwise also of Body, so that
// whoever knows an ID cannot have other messages taken for it.
func (m Message) Key() string {
	first, _ := m.keys()
	return first
}

// keys are what m is remembered by. An ID that is not signed can be swapped, so m is
// then also known by what is: the body, and the time of signing. Signatures themselves
// would not do: a message has several while keys are changed, and of some kinds
// whoever has one can make another.
func (m *Message) keys() (first, second string) {
	if m.IDSigned && m.ID != "" {
		return m.keyOf(byID, m.ID, 0, nil), ""
	}
	body := sha256.Sum256(m.Body)
	if m.signed != "" {
		copy(body[:], m.signed)
	}
	if m.Time.IsZero() { // whatever the ID: only the body is signed
		return m.keyOf(byMoment, "", 0, body[:]), ""
	}
	return m.keyOf(byBody, m.ID, 0, body[:]), m.keyOf(byMoment, "", m.Time.Unix(), body[:])
}

func (m *Message) keyOf(kind byte, id string, at int64, body []byte) string {
	var room [256]byte
	b := append(room[:0], kind)
	b = binary.AppendUvarint(b, uint64(len(m.Endpoint)))
	b = append(b, m.Endpoint...)
	b = binary.AppendVarint(b, at)
	b = append(b, body...) // of one length for a kind
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
