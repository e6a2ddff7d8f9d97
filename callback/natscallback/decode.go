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
	m := &callback.Message{Kind: kindOf(own != "", msg.Reply != ""), ReplyTo: msg.Reply, Body: msg.Data}
	if len(m.Body) == 0 {
		m.Body = nil
	}
	ok := true
	switch {
	case own != "":
		m.To = own
		ok = readSubject(m, strings.TrimPrefix(msg.Subject, own), now)
	case strings.HasPrefix(msg.Subject, controls):
		m.To = strings.TrimPrefix(msg.Subject, controls)
	default:
		m.To = msg.Subject
	}
	readReply(m, now)
	if len(msg.Header) > 0 {
		if own != "" && bounced(msg) {
			m.Err = undeliverable
		} else if ok = readHeader(m, msg.Header, now) && ok; ok {
			var err error
			if m.Header, err = header(msg.Header); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case len(m.To) > callback.MaxAddress || len(m.ReplyTo) > callback.MaxAddress || !utf8.ValidString(m.To) || !utf8.ValidString(m.ReplyTo):
		return nil, malformed("an address exceeds its limit, or is not UTF-8")
	case !ok || !complete(m):
		return nil, malformed("incomplete")
	}
	return m, nil
}

// readSubject reads what follows the address of an inbox that nobody else has. A plain
// responder sends back what there was when the question was asked.
func readSubject(m *callback.Message, token string, now time.Time) bool {
	id, left, ours := strings.Cut(token, answering)
	if !ours {
		id, _, _ = strings.Cut(token, asking)
	}
	return readID(&m.ID, id) && (!ours || readTimeout(m, left, now))
}

// readReply takes the reply subject apart if it is one of ours. Of others, its end is
// theirs: they may use it again.
func readReply(m *callback.Message, now time.Time) {
	i := strings.LastIndexByte(m.ReplyTo, '.') + 1
	token, left, ours := strings.Cut(m.ReplyTo[i:], asking)
	if i < 2 || !ours {
		return
	}
	var its callback.Message
	if readID(&its.ID, token) && (left == "" || readTimeout(&its, left, now)) {
		m.ReplyTo, m.ID, m.Deadline = m.ReplyTo[:i], its.ID, its.Deadline
	}
}

// readHeader reads what is ours in h.
func readHeader(m *callback.Message, h nats.Header, now time.Time) bool {
	ok := true
	if text, given := first(h, headerKind); given {
		m.Kind = kindNamed(text)
		ok = m.Kind != 0
	}
	if text, given := first(h, headerID); given {
		ok = readID(&m.ID, text) && ok
	}
	if text, given := first(h, headerReplyTo); given {
		m.ReplyTo = text
	}
	if text, given := first(h, headerSeq); given {
		n, err := strconv.ParseUint(text, 10, 32)
		m.Seq = uint32(n)
		ok = ok && err == nil
	}
	if text, given := first(h, headerTimeout); given {
		ok = readTimeout(m, text, now) && ok
	}
	if text, given := first(h, headerError); given {
		m.Err = new(antiphon.Error)
		ok = ok && strings.HasPrefix(text, "{") && (antiphon.JSON{}).Unmarshal([]byte(text), m.Err) == nil
	} else if text, given := first(h, headerServiceError); given && m.Kind == callback.Reply {
		code, _ := first(h, headerServiceCode)
		m.Err = antiphon.Errorf(antiphon.CodeUnknown, "%s (%s)", text, code)
	}
	return ok
}

func readTimeout(m *callback.Message, text string, now time.Time) bool {
	n, err := strconv.ParseUint(text, 10, 64)
	m.Deadline = now.Add(time.Duration(min(n, uint64(maxTimeout))) * time.Microsecond)
	return err == nil
}

// readID reads an id, or what stands for none.
func readID(to *callback.ID, text string) bool {
	return text == nobody || to.UnmarshalText([]byte(text)) == nil
}

// bounced reports whether the server says that nobody listens.
func bounced(msg *nats.Msg) bool {
	status, _ := first(msg.Header, headerStatus)
	return status == noResponders && len(msg.Data) == 0 && msg.Header[headerKind] == nil
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

func malformed(why string) error {
	return antiphon.Errorf(antiphon.CodeInvalidArgument, "%w: %s", callback.ErrMalformed, why)
}
