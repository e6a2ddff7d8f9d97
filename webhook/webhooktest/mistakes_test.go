package webhooktest_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// A lax verifier makes one mistake.
type lax struct {
	*webhook.Scheme
	what string
}

func (l lax) Verify(ctx context.Context, r webhook.Request) (webhook.Message, error) {
	m, err := l.Scheme.Verify(ctx, r)
	switch l.what {
	case "accepts everything":
		m.Body, err = r.Body, nil
	case "refuses everything":
		err = &webhook.RejectError{Reason: webhook.ReasonSignature}
	case "other error":
		if err != nil {
			err = io.ErrUnexpectedEOF
		}
	case "one-sided": // looks back, and not ahead
		if err != nil && r.Header.Get("Webhook-Timestamp") > "1" {
			r.At = r.At.Add(time.Hour)
			if later, ahead := l.Scheme.Verify(ctx, r); ahead == nil {
				m, err = later, nil
			}
		}
	case "quotes":
		if err != nil {
			err = &webhook.RejectError{Reason: webhook.ReasonSignature, Err: errorText(string(r.Body))}
		}
	}
	return m, err
}

type errorText string

func (e errorText) Error() string { return string(e) }

// The suite sees mistakes, and says why they are some. It fails in a process of its own.
func TestTestSchemeMistakes(t *testing.T) {
	if what := os.Getenv("WEBHOOKTEST_LAX"); what != "" {
		s := webhook.Standard(keys(t, secret))
		webhooktest.TestScheme(t, webhooktest.SchemeTrial{
			Signer: s, Verifier: lax{s, what}, Other: webhook.Standard(keys(t, otherSecret)),
			Message: webhook.Message{ID: "msg_1", Body: []byte("a body that is long")},
		})
		return
	}
	for what, says := range map[string]string{
		"accepts everything": "whoever knows one push can forge another",
		"refuses everything": "nothing arrives",
		"other error":        "no *webhook.RejectError",
		"quotes":             "quotes the body",
		"one-sided":          "--- FAIL: TestTestSchemeMistakes/tampered:_timestamp,_of_an_hour_from_now",
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTestSchemeMistakes$", "-test.count=1")
		cmd.Env = append(os.Environ(), "WEBHOOKTEST_LAX="+what)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), says) {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
}
