package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A token is the last part of the URL of one answer. Its id cannot be guessed. Its mark
// tells which Inbox gave it out: what has that of an Inbox and is not expected there any
// more has ended, though nothing of it is remembered.
type token struct {
	id   callback.ID
	mark [markLen]byte
	at   time.Time // when it was given out, to the second
}

const (
	markLen  = 8
	tokenLen = 16 + markLen + 4
)

var tokenText = base64.RawURLEncoding.EncodedLen(tokenLen)

func newMark() (mark [markLen]byte) {
	_, _ = rand.Read(mark[:]) // never fails
	return mark
}

func newToken(id callback.ID, mark [markLen]byte, at time.Time) string {
	var b [tokenLen]byte
	copy(b[:], id[:])
	copy(b[16:], mark[:])
	binary.BigEndian.PutUint32(b[16+markLen:], uint32(at.Unix()))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func parseToken(text string) (t token, ok bool) {
	var b [tokenLen + 2]byte // what so much text may decode to, and to spare
	if len(text) != tokenText {
		return t, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(text))
	if err != nil || n != tokenLen {
		return t, false
	}
	copy(t.id[:], b[:])
	copy(t.mark[:], b[16:])
	t.at = time.Unix(int64(binary.BigEndian.Uint32(b[16+markLen:])), 0)
	return t, true
}

// hint is what observers are told of a token: too little to use it.
func (t token) hint() string { return t.id.String()[:6] }

// hinting is o, which learns no more than the hint of a token.
func hinting(o antiphon.Observer) antiphon.Observer {
	if o == nil {
		return nil
	}
	return func(e antiphon.Event) {
		if t, ok := parseToken(e.ID); ok {
			info := antiphon.InfoFrom(e.Context)
			e.ID, info.ID = t.hint(), t.hint()
			e.Context = antiphon.WithInfo(e.Context, info)
		}
		o(e)
	}
}
