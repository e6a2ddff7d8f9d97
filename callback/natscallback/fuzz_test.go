package natscallback

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
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
	long := strings.Repeat("x", callback.MaxAddress+1)
	many := strings.Repeat("a: b\r\n", 3)
	for i := range callback.MaxHeaders {
		many += fmt.Sprintf("h%d: v\r\n", i)
	}
	for _, h := range []string{
		"Antiphon-Kind: part", "Antiphon-Kind: pong", "Antiphon-Kind: bogus", "Antiphon-Kind: reply", "Antiphon-Id: !", "Antiphon-Seq: -1",
		"Antiphon-Timeout: 99999999999999999999", "Antiphon-Error: []", "Antiphon-Error: {\"code\":7}", "Antiphon-Header: %zz=1",
		"Antiphon-Reply-To: " + long, "Antiphon-Reply-To: \xff", "a: \xff", many, "a: " + strings.Repeat("x", callback.MaxHeaderSize),
		"Nats-Service-Error: sold out\r\nNats-Service-Error-Code: 410", "Status: 503",
	} {
		f.Add("_INBOX.a."+id, "", []byte("NATS/1.0\r\n"+h+"\r\n\r\n"), []byte{}, true)
		f.Add("name", "_INBOX.b."+id+"~", []byte("NATS/1.0\r\n"+h+"\r\n\r\n"), []byte{}, false)
	}
	f.Add("name", long+"."+id+"~1", []byte{}, []byte{}, false)
	f.Add("_INBOX.a."+id+"!-1", "", []byte{}, []byte{}, true)
	f.Add("elsewhere", "", []byte{}, []byte{}, true)
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

// What may be sent comes as it was, whatever is in it, and what may not is refused.
func FuzzEncode(f *testing.F) {
	f.Add(uint8(callback.Request), "name", "_INBOX.a.", []byte{1}, uint32(0), int64(1), "a", "b", "", []byte("body"))
	f.Add(uint8(callback.Request), "name", "other", []byte{}, uint32(7), int64(-1), "Status", "503", "", []byte{})
	f.Add(uint8(callback.Reply), "_INBOX.a.", "", []byte{1}, uint32(7), int64(1e18), "Antiphon-Id", "x", "no\r\nsuch thing", []byte{})
	f.Add(uint8(callback.Reply), "other", "", []byte{1}, uint32(0), int64(0), " a", "b ", "none", []byte{})
	f.Add(uint8(callback.Part), "_INBOX.a.", "_INBOX.b.", []byte{1}, uint32(1), int64(0), "a:b", "c\nd", "", []byte{})
	f.Add(uint8(callback.Cancel), "name", "_INBOX.b.", []byte{1}, uint32(0), int64(0), "\u5fdc", "\u7b54", "", []byte{})
	f.Add(uint8(callback.Reply), "other", "", []byte{1}, uint32(0), int64(0), "a", "b", strings.Repeat("\xff", callback.MaxHeaderSize), []byte{})
	f.Add(uint8(callback.Event), "na me", "*", []byte{}, uint32(0), int64(5), "", "", "", []byte{})
	tr := &Transport{maxPayload: 1 << 20, caps: callback.Caps{MaxBody: 1 << 19}}
	f.Fuzz(func(t *testing.T, kind uint8, to, replyTo string, id []byte, seq uint32, left int64, k, v, failure string, body []byte) {
		now := time.Now()
		m := callback.Message{Kind: callback.Kind(kind), To: to, ReplyTo: replyTo, Seq: seq, Header: map[string]string{k: v}, Body: body}
		copy(m.ID[:], id)
		if left != 0 {
			m.Deadline = now.Add(time.Duration(left))
		}
		if failure != "" {
			m.Err = &antiphon.Error{Code: antiphon.CodeNotFound, Message: failure}
		}
		sent := m
		o, err := tr.encode(&sent)
		if err != nil {
			if antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
				t.Fatal(err)
			}
			return
		}
		msg, own := nats.Msg{Data: body}, ""
		msg.Subject, msg.Reply = o.subjects(now)
		if o.toOwn() {
			own = to
		}
		if h := o.header[headerTimeout]; h != nil {
			h[0] = string(appendTimeout(nil, m.Deadline, now))
		}
		if o.header != nil {
			head := bytes.NewBufferString("NATS/1.0\r\n")
			for k, all := range o.header {
				for _, v := range all { // as nats.go writes them
					fmt.Fprintf(head, "%s: %s\r\n", k, strings.NewReplacer("\r", " ", "\n", " ").Replace(strings.TrimSpace(v)))
				}
			}
			head.WriteString("\r\n")
			if msg.Header, err = nats.DecodeHeadersMsg(head.Bytes()); err != nil {
				t.Fatalf("%v: %q", err, head)
			}
		}
		got, err := decode(&msg, own, now)
		if err != nil {
			if !complete(&m) {
				return
			}
			t.Fatalf("%v: %+v", err, msg)
		}
		want := time.Duration(left)
		if want < 0 {
			want = 0
		}
		limit := time.Duration(maxTimeout) * time.Microsecond
		sameEnd := got.Deadline.IsZero() == m.Deadline.IsZero() && (left == 0 || got.Deadline.Sub(now) == min(want.Truncate(time.Microsecond), limit))
		sameErr := (got.Err == nil) == (m.Err == nil) && (m.Err == nil || got.Err.Code == m.Err.Code && (got.Err.Message == failure || !utf8.ValidString(failure) || len(failure) > maxErrorSize/8))
		plainErr := m.Err != nil && !o.toOwn()
		if !plainErr && !maps.Equal(got.Header, m.Header) {
			t.Errorf("header %q came as %q", m.Header, got.Header)
		}
		if got.Kind != m.Kind || got.ID != m.ID || got.To != to || got.ReplyTo != replyTo || got.Seq != seq || !bytes.Equal(got.Body, body) || !sameEnd || !sameErr {
			t.Errorf("%+v came as %+v over %+v", m, got, msg)
		}
	})
}

func TestDenialOf(t *testing.T) {
	for text, want := range map[string]denial{
		`Permissions Violation for Publish to "a.b"`:                            {subject: "a.b"},
		`Permissions Violation for Publish to "a\"\\b"`:                         {subject: `a"\b`},
		`Permissions Violation for Subscription to "a"`:                         {listen: true, subject: "a"},
		`Permissions Violation for Subscription to "a" using queue "g"`:         {listen: true, subject: "a", group: "g"},
		`Permissions Violation for Subscription to "a" using queue "g" (sid 1)`: {listen: true, subject: "a", group: "g"},
	} {
		if d, ok := denialOf(fmt.Errorf("%w: %s", nats.ErrPermissionViolation, text)); !ok || d != want {
			t.Errorf("%s: %+v", text, d)
		}
	}
	for _, text := range []string{"", "Permissions Violation for Publish with Reply of \"a\"", "Permissions Violation for Publish to a", "Permissions Violation for Subscription to \"a"} {
		if d, ok := denialOf(fmt.Errorf("%w: %s", nats.ErrPermissionViolation, text)); ok {
			t.Errorf("%s: %+v", text, d)
		}
	}
	if _, ok := denialOf(errors.New("Permissions Violation for Publish to \"a\"")); ok {
		t.Error("anything is a denial")
	}
}
