package poller_test

import (
	"io"
	"net/http"
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
