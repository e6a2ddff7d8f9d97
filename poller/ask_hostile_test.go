package poller_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// switching answers with another protocol, and says nothing in it until the client goes.
func switching(w http.ResponseWriter, _ *http.Request) {
	c, b, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	_, _ = io.Copy(io.Discard, b)
}

// The body of a 101 is a connection, from which no context ends a read: it is not read.
func TestAnotherProtocolIsNoAnswer(t *testing.T) {
	for what, script := range map[string]*pollertest.Script{
		"start":   {Start: []pollertest.Step{{Answer: switching}}},
		"monitor": {Monitor: []pollertest.Step{{Answer: switching}}},
		"result":  {Style: pollertest.Azure, Result: []pollertest.Step{{Answer: switching}}},
	} {
		t.Run(what, func(t *testing.T) {
			play(t, script, func(s *stage) {
				begun := time.Now()
				r := s.request("POST", "/v1/reports")
				r.Header.Set("Idempotency-Key", `"1"`)
				remote, err := poller.Begin[report](r, &s.opts)
				if err == nil {
					_, err = remote.Future().Await(s.ctx)
				}
				if d := time.Since(begun); err == nil || d > time.Minute {
					s.Errorf("after %v: %v", d, err)
				}
				if n := len(s.script.Requests(what)); n < 2 {
					s.Errorf("asked %d times", n)
				}
			})
		})
	}
}

// saying answers with so many bytes, as they are, and then with more again and again until
// the client has gone; or with silence if there is no more.
func saying(first, more string) pollertest.Step {
	return pollertest.Step{Answer: func(w http.ResponseWriter, _ *http.Request) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		if _, err = io.WriteString(c, first); more == "" {
			_, _ = io.Copy(io.Discard, b)
		}
		for err == nil {
			_, err = io.WriteString(c, more)
		}
	}}
}

func zipped(n int) string {
	var b strings.Builder
	z := gzip.NewWriter(&b)
	for range n >> 20 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	return b.String()
}

// Whatever a server says, each attempt ends, and so does the whole: with an error, after a
// few requests, and without a word to anybody else.
func TestHostileAnswers(t *testing.T) {
	const ok, moved, accepted = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 307 Temporary Redirect\r\n", "HTTP/1.1 202 Accepted\r\n"
	spaces := strings.Repeat(" ", 1<<16)
	bomb := zipped(4 << 20)
	for what, step := range map[string]pollertest.Step{
		"silence":           saying("", ""),
		"half a line":       saying("HTTP/1.", ""),
		"no end of headers": saying(ok+"X: ", spaces),
		"no end of body":    saying(ok+"\r\n", spaces),
		"a slow body":       saying(ok+"Content-Length: 10\r\n\r\n{", ""),
		"a body cut": {Answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, `{"status":"Succeeded","result":{"pages":6}}`)
		}},
		"a lie about length":    saying(ok+"Content-Length: 9223372036854775807\r\n\r\n{", ""),
		"a bomb":                saying(ok+"Content-Encoding: gzip\r\nContent-Length: "+strconv.Itoa(len(bomb))+"\r\n\r\n"+bomb, ""),
		"a bomb in another":     saying(ok+"Content-Encoding: gzip, gzip\r\nContent-Length: 1\r\n\r\nx", ""),
		"a slow redirect":       saying(moved+"Location: /operations/1\r\n\r\n", ""),
		"no end of redirects":   saying(moved+"Location: ?\r\nContent-Length: 0\r\n\r\n", ""),
		"a redirect to nowhere": saying(moved+"Location: http://%zz\r\nContent-Length: 0\r\n\r\n", ""),
		"accepted, and slow":    saying(accepted+"Content-Length: 10\r\n\r\n", ""),
		"a page":                saying(ok+"Content-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", ""),
		"no status of HTTP":     saying("HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", ""),
		"another protocol":      {Answer: switching},
		"a deep answer":         saying(ok+"Content-Length: 524288\r\n\r\n"+strings.Repeat("[", 1<<19), ""),
	} {
		for sort, script := range map[string]*pollertest.Script{
			"start":   {Start: []pollertest.Step{step}},
			"monitor": {Monitor: []pollertest.Step{step}},
			"result":  {Style: pollertest.Azure, Result: []pollertest.Step{step}},
		} {
			t.Run(what+" of the "+sort, func(t *testing.T) {
				play(t, script, func(s *stage) {
					s.opts.Poll.MaxErrors, s.opts.Poll.Elapsed = 3, 10*time.Minute
					s.opts.MaxStatus, s.opts.MaxResult = 1<<18, 2<<20
					begun := time.Now()
					r := s.request("POST", "/v1/reports")
					r.Header.Set("Idempotency-Key", `"1"`)
					remote, err := poller.Begin[report](r, &s.opts)
					if err == nil {
						_, err = remote.Future().Await(s.ctx)
					}
					if d := time.Since(begun); err == nil || d > 11*time.Minute {
						s.Errorf("after %v: %v", d, err)
					}
					if n := len(s.script.Requests()); n > 40 {
						s.Errorf("%d requests", n)
					}
				})
			})
		}
	}
}
