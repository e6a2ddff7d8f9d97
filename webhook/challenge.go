package webhook

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/antiphon-go/antiphon"
)

// SlackChallenge answers Slack's url_verification, for ReceiverOptions.Challenge. It is
// asked when the signature holds, and not before.
func SlackChallenge(m Message) (answer string, ok bool) {
	var c struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
	}
	if kind, _ := member(m.Body, "type"); kind != "url_verification" {
		return "", false
	}
	if err := (antiphon.JSON{}).Unmarshal(m.Body, &c); err != nil {
		return "", false
	}
	return c.Challenge, c.Type == "url_verification"
}

// shakeHands answers the OPTIONS request with which a sender of CloudEvents asks for
// permission (CloudEvents, "HTTP 1.1 Web Hooks", section 4). It reports false if there
// is nothing to permit. An origin that calls back for its permission does without: we
// call nobody for a stranger.
func (r *Receiver) shakeHands(w http.ResponseWriter, req *http.Request) bool {
	if len(r.opts.Origins) == 0 {
		return false
	}
	origin, rate := req.Header["Webhook-Request-Origin"], req.Header["Webhook-Request-Rate"]
	if len(origin) != 1 || len(rate) > 1 || !slices.Contains(r.opts.Origins, origin[0]) {
		return false
	}
	r.hurry(w)
	h := w.Header()
	if len(rate) == 1 {
		n, err := strconv.ParseUint(rate[0], 10, 31)
		if err != nil || n == 0 {
			r.refuse(w, req, &RejectError{Reason: ReasonHeader})
			return true
		}
		h.Set("WebHook-Allowed-Rate", strconv.Itoa(min(int(n), r.opts.AllowedRate)))
	}
	h.Set("WebHook-Allowed-Origin", origin[0])
	h.Set("Allow", http.MethodPost)
	w.WriteHeader(http.StatusOK)
	return true
}
