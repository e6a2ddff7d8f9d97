package poller

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/response"
)

func TestEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		stream string
		want   []string // name, id and data of each
		id     string
		retry  time.Duration
	}{
		"LF":                  {"event: a\nid: 1\ndata: x\n\n", []string{"a 1 x"}, "1", 0},
		"CR":                  {"event: a\rid: 1\rdata: x\r\r", []string{"a 1 x"}, "1", 0},
		"CRLF":                {"event: a\r\nid: 1\r\ndata: x\r\n\r\n", []string{"a 1 x"}, "1", 0},
		"mixed":               {"data: x\r\ndata: y\n\rdata: z\n\n", []string{"  x\ny", "  z"}, "", 0},
		"BOM":                 {"\ufeffdata: x\n\n", []string{"  x"}, "", 0},
		"half a BOM":          {"\xef\xbbdata: x\n\n", nil, "", 0},
		"a second BOM":        {"\ufeff\ufeffdata: x\n\n", nil, "", 0},
		"comments":            {": hello\n:\ndata: x\n:\n\n", []string{"  x"}, "", 0},
		"several lines":       {"data: x\ndata\ndata:y\ndata:  z\n\n", []string{"  x\n\ny\n z"}, "", 0},
		"no data":             {"event: a\nid: 7\n\ndata: x\n\n", []string{" 7 x"}, "7", 0},
		"empty data":          {"data\n\ndata:\n\n", []string{"  ", "  "}, "", 0},
		"not complete":        {"data: x\n\nid: 9\ndata: y\n", []string{"  x"}, "", 0},
		"nothing":             {"", nil, "", 0},
		"id stays":            {"id: 1\ndata: x\n\ndata: y\n\n", []string{" 1 x", " 1 y"}, "1", 0},
		"id is taken away":    {"id: 1\ndata: x\n\nid\ndata: y\n\n", []string{" 1 x", "  y"}, "", 0},
		"id with NUL":         {"id: 1\ndata: x\n\nid: 2\x00\ndata: y\n\n", []string{" 1 x", " 1 y"}, "1", 0},
		"id that is no value": {"id: 1\x01\ndata: x\n\n", []string{"  x"}, "", 0},
		"retry":               {"retry: 1500\n\nretry: -1\nretry: 1e3\nretry:\nretry: 7 \nretry:  7\n\n", nil, "", 1500 * time.Millisecond},
		"a large retry":       {"retry: 99999999999999999999999\n\n", nil, "", response.Longest.Truncate(time.Millisecond)},
		"unknown fields":      {"data: x\nfoo: bar\nDATA: y\n data: z\n\n", []string{"  x"}, "", 0},
		"colons":              {"data: a:b: c\n\n", []string{"  a:b: c"}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.stream), iotest.OneByteReader(strings.NewReader(tt.stream))} {
				s := newEvents(r, 1000)
				for i := 0; ; i++ {
					e, err := s.next()
					if err != nil {
						if i != len(tt.want) || err != io.EOF {
							t.Errorf("%d events, want %d; %v", i, len(tt.want), err)
						}
						break
					}
					if got := e.name + " " + s.id + " " + string(e.data); i >= len(tt.want) || got != tt.want[i] {
						t.Errorf("event %d is %q, want %q", i, got, tt.want)
					}
				}
				if s.id != tt.id || s.retry != tt.retry {
					t.Errorf("id %q, want %q; retry %v, want %v", s.id, tt.id, s.retry, tt.retry)
				}
			}
		})
	}
}

func TestX6_EventsAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"a line":   "data: " + strings.Repeat("x", 2000),
		"a name":   strings.Repeat("x", 2000),
		"an event": strings.Repeat("data: 123456789\n", 200),
	} {
		s := newEvents(strings.NewReader(text), 1000)
		if _, err := s.next(); !errors.Is(err, errEventTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if cap(s.line)+cap(s.data) > 5000 {
			t.Errorf("%s: %d bytes", name, cap(s.line)+cap(s.data))
		}
	}
}

func TestCodes(t *testing.T) {
	for n, want := range map[int]antiphon.Code{-1: "unknown", 0: "unknown", 1: "canceled", 5: "not_found", 16: "unauthenticated", 17: "unknown", 404: "not_found", 503: "unavailable"} {
		if got := codeOfNumber(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for text, want := range map[string]string{
		`{"code":7}`:                        "permission_denied",
		`{"code":403,"status":"ABORTED"}`:   "aborted",
		`{"code":499,"status":"CANCELLED"}`: "canceled",
		`{"code":true,"message":"x"}`:       "unknown",
		`{"code":"quotaExceeded"}`:          "quotaExceeded",
		`{"code":"x","details":{"a":"b"}}`:  "x",
		`{"code":"x","retryAfterMs":-1}`:    "x",
		`{}`:                                "", `[]`: "", `"x"`: "", ``: "",
	} {
		e := errorOf([]byte(text))
		if got := string(antiphon.CodeOf(errorOrNil(e))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func errorOrNil(e *antiphon.Error) error {
	if e == nil {
		return nil
	}
	return e
}

func FuzzEvents(f *testing.F) {
	f.Add("event: a\r\nid: 1\rdata: x\n\n\ufeffdata\n\n")
	f.Add("retry: 12\nid: \x00\ndata: {}\r\r\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		read := func(r io.Reader) (all []string) {
			s := newEvents(r, 200)
			for {
				e, err := s.next()
				if err != nil {
					return all
				}
				if len(e.data) > 200 || strings.ContainsAny(s.id, "\x00\r\n") || s.retry < 0 {
					t.Fatalf("%q %q %v", e.data, s.id, s.retry)
				}
				all = append(all, e.name+"|"+s.id+"|"+string(e.data))
			}
		}
		whole, slow := read(strings.NewReader(text)), read(iotest.OneByteReader(strings.NewReader(text)))
		if strings.Join(whole, "\n\n") != strings.Join(slow, "\n\n") {
			t.Fatalf("%q, byte by byte %q", whole, slow)
		}
		// Each way to end a line means the same.
		if !strings.Contains(text, "\r") {
			if cr := read(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n"))); strings.Join(whole, "\n\n") != strings.Join(cr, "\n\n") {
				t.Fatalf("%q, with CRLF %q", whole, cr)
			}
		}
	})
}

func FuzzStatus(f *testing.F) {
	f.Add(`{"id":"1","status":"Running","percentComplete":"42","error":{"code":"a","details":[]}}`)
	f.Add(`{"name":"operations/1","done":true,"error":{"code":5,"message":"x"}}`)
	f.Add(`{"status":"Failed","error":{"code":"x","message":"y","innererror":{"a":"b"},"retryAfterMs":1e99}}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func([]byte) (antiphon.Operation, error){readStatus, readAIP} {
			op, err := read([]byte(text))
			if err != nil {
				continue
			}
			if !(op.Percent >= 0 && op.Percent <= 100) || op.PollAfter < 0 || op.Version < 0 || op.State == "" {
				t.Fatalf("%+v", op)
			}
			if op.Err != nil && (op.Err.RetryAfter < 0 || len(op.Err.Message) > 8<<10) {
				t.Fatalf("%+v", op.Err)
			}
			if _, err := op.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
