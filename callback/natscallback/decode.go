package natscallback

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// decode reads what came to an inbox: to one that nobody else has, under its address
// and an id, or to a name.
func decode(msg *nats.Msg, own string, now time.Time) (*callback.Message, error) {
	h := msg.Header
	m := &callback.Message{Kind: kindOf(own != "", msg.Reply != ""), Body: msg.Data}
	if len(m.Body) == 0 {
		m.Body = nil
	}
	if text, ok := first(h, headerKind); ok {
		if m.Kind = kindNamed(text); m.Kind == 0 {
			return nil, malformed("unknown kind")
		}
	}
	ok := true
	switch {
	case own != "":
		m.To = own
		ok = id(&m.ID, strings.TrimPrefix(msg.Subject, own))
	case strings.HasPrefix(msg.Subject, controls):
		m.To = strings.TrimPrefix(msg.Subject, controls)
	default:
		m.To = msg.Subject
	}
	if own != "" && len(m.Body) == 0 && m.Kind == callback.Reply {
		if status, _ := first(h, headerStatus); status == noResponders {
			m.Err = undeliverable
			return m, badUnless(ok)
		}
	}
	if msg.Reply != "" {
		m.ReplyTo = msg.Reply
		// Of others, the end of the address is theirs: they may use it again.
		if i := strings.LastIndexByte(msg.Reply, '.') + 1; i > 1 && ours(h) && h[headerID] == nil {
			if id(&m.ID, msg.Reply[i:]) {
				m.ReplyTo = msg.Reply[:i]
			}
		}
	}
	if text, given := first(h, headerID); given {
		ok = ok && id(&m.ID, text)
	}
	if text, given := first(h, headerReplyTo); given {
		m.ReplyTo = text
	}
	if len(m.To) > callback.MaxAddress || len(m.ReplyTo) > callback.MaxAddress || !utf8.ValidString(m.To) || !utf8.ValidString(m.ReplyTo) {
		return nil, malformed("an address exceeds its limit, or is not UTF-8")
	}
	if text, given := first(h, headerSeq); given {
		n, err := strconv.ParseUint(text, 10, 32)
		m.Seq = uint32(n)
		ok = ok && err == nil
	}
	if text, given := first(h, headerTimeout); given {
		n, err := strconv.ParseUint(text, 10, 64)
		m.Deadline = now.Add(time.Duration(min(n, uint64(maxTimeout))) * time.Microsecond)
		ok = ok && err == nil
	}
	if text, given := first(h, headerError); given {
		m.Err = new(antiphon.Error)
		ok = ok && strings.HasPrefix(text, "{") && (antiphon.JSON{}).Unmarshal([]byte(text), m.Err) == nil
	} else if text, given := first(h, headerServiceError); given && m.Kind == callback.Reply {
		code, _ := first(h, headerServiceCode)
		m.Err = antiphon.Errorf(antiphon.CodeUnknown, "%s (%s)", text, code)
	}
	if err := badUnless(ok && complete(m)); err != nil {
		return nil, err
	}
	var err error
	m.Header, err = header(h)
	return m, err
}

// undeliverable is what a request is answered with that nobody got.
var undeliverable = callback.ErrUndeliverable.(*antiphon.Error)

func first(h nats.Header, name string) (string, bool) {
	v := h[name]
	if len(v) == 0 {
		return "", false
	}
	return v[0], true
}

// id reads a token, which may stand for none.
func id(to *callback.ID, text string) bool {
	return text == nobody || to.UnmarshalText([]byte(text)) == nil
}

func kindNamed(text string) callback.Kind {
	for k := callback.Request; k <= callback.Pong; k++ {
		if k.String() == text {
			return k
		}
	}
	return 0
}

// complete reports whether m has what its kind needs. A request of others has no id.
func complete(m *callback.Message) bool {
	switch m.Kind {
	case callback.Reply, callback.Progress, callback.Cancel, callback.Credit:
		return !m.ID.IsZero()
	case callback.Part:
		return !m.ID.IsZero() && m.Seq > 0
	}
	return true
}

// header is what of h the receiver gets: all but what is ours, several values of one
// name as a list.
func header(h nats.Header) (map[string]string, error) {
	var all map[string]string
	size := 0
	set := func(k, v string) bool {
		if all == nil {
			all = make(map[string]string, len(h))
		}
		all[k] = v
		size += len(k) + len(v)
		return len(all) <= callback.MaxHeaders && size <= callback.MaxHeaderSize && utf8.ValidString(k) && utf8.ValidString(v)
	}
	for k, v := range h {
		if !strings.HasPrefix(k, prefix) && !set(k, strings.Join(v, ", ")) {
			return nil, malformed("a header exceeds its limits, or is not UTF-8")
		}
	}
	for _, pair := range h[headerMore] {
		k, v, _ := strings.Cut(pair, "=")
		k, err := url.QueryUnescape(k)
		v, worse := url.QueryUnescape(v)
		if err != nil || worse != nil || !set(k, v) {
			return nil, malformed("a header exceeds its limits, or is not escaped")
		}
	}
	return all, nil
}

func badUnless(ok bool) error {
	if ok {
		return nil
	}
	return malformed("incomplete")
}

func malformed(why string) error {
	return antiphon.Errorf(antiphon.CodeInvalidArgument, "%w: %s", callback.ErrMalformed, why)
}
