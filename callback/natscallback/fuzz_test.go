package natscallback

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback"
)

// Whatever comes is a message within the limits, or malformed.
func FuzzDecode(f *testing.F) {
	id := callback.ID{1, 2, 3}.String()
	f.Add("name", "_INBOX.a."+id+"~30000000", []byte{}, []byte("body"), false)
	f.Add("_INBOX.a."+id+"!29000000", "", []byte{}, []byte("body"), true)
	f.Add("name", "_INBOX.a._~", []byte("NATS/1.0\r\nAntiphon-Timeout: 1\r\n\r\n"), []byte("body"), false)
	f.Add("_INBOX.a."+id, "", []byte("NATS/1.0 503\r\n\r\n"), []byte{}, true)
	f.Add("_INBOX.a."+id, "", []byte("NATS/1.0\r\nAntiphon-Error: {}\r\nAntiphon-Seq: 7\r\n\r\n"), []byte{}, true)
	f.Add("_ANTIPHON.name", "", []byte("NATS/1.0\r\nAntiphon-Kind: cancel\r\nAntiphon-Id: "+id+"\r\nAntiphon-Reply-To: x.\r\n\r\n"), []byte{}, false)
	f.Add("name", "", []byte("NATS/1.0\r\na: b\r\na: c\r\nAntiphon-Header: %41=%42\r\n\r\n"), []byte("body"), false)
	f.Fuzz(func(t *testing.T, subject, reply string, head, body []byte, own bool) {
		h, _ := nats.DecodeHeadersMsg(head)
		addr := ""
		if own {
			addr = "_INBOX.a."
		}
		now := time.Now()
		m, err := decode(&nats.Msg{Subject: subject, Reply: reply, Header: h, Data: body}, addr, now)
		if err != nil {
			if !errors.Is(err, callback.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		size := 0
		for k, v := range m.Header {
			size += len(k) + len(v)
		}
		if m.Kind < callback.Request || m.Kind > callback.Pong || len(m.To) > callback.MaxAddress || len(m.ReplyTo) > callback.MaxAddress ||
			len(m.Header) > callback.MaxHeaders || size > callback.MaxHeaderSize || !bytes.Equal(m.Body, body) || !m.Deadline.IsZero() && m.Deadline.Before(now) {
			t.Errorf("%+v", m)
		}
	})
}
