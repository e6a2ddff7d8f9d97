package poller

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/response"
)

// silence is how long a stream may say nothing: three times as long as a server does.
const silence = 45 * time.Second

var (
	acceptJSON   = []string{"application/json"}
	acceptEvents = []string{"text/event-stream, application/json;q=0.9"}
)

// A stream is the events by which a server tells of an operation, over one request after
// the other.
type stream struct {
	offered bool   // the request takes events
	muted   bool   // it has no events to tell, and is asked for the status
	empty   int    // in a row that had no event
	last    string // the id of the last event
	retry   time.Duration
}

// offer makes header that of a request that takes events, if somebody listens.
func (s *stream) offer(m *monitor, header http.Header) {
	s.offered = false
	switch {
	case m.at.style == styleLocation:
		return
	case s.muted || !m.feed.listened():
		header["Accept"] = acceptJSON
		return
	}
	s.offered = true
	header["Accept"] = acceptEvents
	if s.last != "" {
		header["Last-Event-Id"] = []string{s.last}
	}
}

func isEvents(contentType string) bool {
	if !strings.HasPrefix(contentType, "text/e") {
		return false
	}
	t, _, _ := mime.ParseMediaType(contentType)
	return t == "text/event-stream"
}

// read tells of the events of a response until one says that the operation has ended, or
// the stream does. It returns what was seen last.
func (s *stream) read(m *monitor, p *patience, resp reply) (op antiphon.Operation, err error) {
	p.listen(silence, m.end)
	events := newEvents(heard{resp.Body, p}, m.MaxStatus)
	n := 0
	for {
		e, bad := events.next()
		s.last, s.retry = events.id, events.retry
		if bad != nil {
			break
		}
		n++
		if e.name != "" && e.name != "message" && e.name != "status" {
			continue
		}
		if m.at.style == styleAIP {
			op, bad = readAIP(e.data)
		} else {
			op, bad = readStatus(e.data)
		}
		switch {
		case bad != nil: // not for us
		case op.State.Terminal():
			return op, nil
		default:
			op.PollAfter = 0
			if err := m.note(p, &op); err != nil {
				return op, err
			}
		}
	}
	if p.Err() != nil && !errors.Is(context.Cause(p), errUnanswered) {
		return op, context.Cause(p)
	}
	if s.empty++; n > 0 {
		s.empty = 0
	}
	s.muted = s.empty >= 2
	op = m.op
	op.PollAfter = s.retry
	return op, nil
}

// heard is a body each byte of which is a sign of life.
type heard struct {
	io.Reader
	p *patience
}

func (h heard) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	if n > 0 {
		h.p.hear()
	}
	return n, err
}

// An event is one of a text/event-stream.
type event struct {
	name string
	data []byte // until the next
}

// events reads a text/event-stream as the HTML standard says ("Interpreting an event
// stream"), but for events that are too large, which end it.
type events struct {
	r     *bufio.Reader
	limit int64
	begun bool
	cr    bool // the last line ended with one; a line feed still belongs to it
	line  []byte
	data  []byte
	id    string // of the last event
	retry time.Duration
}

var errEventTooLarge = unreadable("an event is too large")

func newEvents(r io.Reader, limit int64) *events {
	return &events{r: bufio.NewReader(r), limit: limit}
}

// next returns the next event that has data. One that is not complete when the stream
// ends is none.
func (s *events) next() (e event, err error) {
	s.data = s.data[:0]
	id := s.id
	for {
		line, err := s.readLine()
		if err != nil {
			return event{}, err
		}
		if len(line) == 0 {
			s.id = id
			if len(s.data) == 0 {
				e.name = ""
				continue
			}
			e.data = s.data[:len(s.data)-1]
			return e, nil
		}
		name, value, _ := bytes.Cut(line, []byte{':'}) // a comment has no name
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "event":
			e.name = string(value)
		case "data":
			if int64(len(s.data)+len(value)) >= s.limit {
				return event{}, errEventTooLarge
			}
			s.data = append(append(s.data, value...), '\n')
		case "id":
			if sendable(value) {
				id = string(value)
			}
		case "retry":
			if d, ok := response.Delay(string(value), time.Millisecond); ok {
				s.retry = d
			}
		}
	}
}

// sendable tells whether an id can be sent back as a header. The standard ignores those
// with a NUL only.
func sendable(id []byte) bool {
	return len(id) <= 1<<10 && !bytes.ContainsFunc(id, func(c rune) bool { return c < ' ' || c == 0x7F })
}

// readLine returns the next line, which is good until the one after it. Lines end with CR,
// LF, or both; what has no end is no line.
func (s *events) readLine() ([]byte, error) {
	if !s.begun {
		s.begun = true
		if bom, _ := s.r.Peek(1); len(bom) == 1 && bom[0] == 0xEF {
			if bom, _ = s.r.Peek(3); string(bom) == "\ufeff" {
				_, _ = s.r.Discard(3)
			}
		}
	}
	s.line = s.line[:0]
	for {
		b, err := s.r.ReadByte()
		if err != nil {
			return nil, err
		}
		cr := s.cr
		s.cr = b == '\r'
		switch {
		case b == '\n' && cr:
		case b == '\n' || b == '\r':
			return s.line, nil
		case int64(len(s.line)) >= s.limit+16: // a field's name
			return nil, errEventTooLarge
		default:
			s.line = append(s.line, b)
		}
	}
}
