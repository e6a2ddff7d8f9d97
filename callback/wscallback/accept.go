package wscallback

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
)

// accept upgrades the connection. It reports whether c is to be served.
func (s *Server) accept(c *Conn, spoken string, w http.ResponseWriter, r *http.Request) bool {
	under, l := &upgraded{ResponseWriter: w}, newLink(s.opts, s.opts.Heartbeat)
	ws, err := websocket.Accept(under, r, &websocket.AcceptOptions{
		Subprotocols:    []string{spoken},
		OriginPatterns:  s.opts.Origins,
		CompressionMode: s.opts.compression(),
		OnPingReceived:  l.pinged,
	})
	if err != nil {
		return false // it has been answered
	}
	l.ws, l.wire = ws, under.wire
	taken, served := false, false
	defer func() {
		if !taken {
			l.end(err)
		}
	}()
	switch spoken {
	case "":
		err = errProtocol
	case resumeProtocol:
		taken, served, err = s.greet(c, l)
	default:
		taken = c.attach(l, nil, 0)
		served = taken
	}
	return served
}

// spoken is the first of our protocols that the other end speaks too.
func (s *Server) spoken(h http.Header) string {
	for _, p := range []string{resumeProtocol, callback.Subprotocol, textProtocol} {
		if hasToken(h, "Sec-WebSocket-Protocol", p) && (p != resumeProtocol || s.opts.Resume > 0) {
			return p
		}
	}
	return ""
}

func asksForWebSocket(h http.Header) bool {
	return hasToken(h, "Connection", "upgrade") && hasToken(h, "Upgrade", "websocket")
}

// hasToken reports whether the list in the header name has token, in any case.
func hasToken(h http.Header, name, token string) bool {
	for _, list := range h.Values(name) {
		for t := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// upgraded notes the connection that is upgraded.
type upgraded struct {
	http.ResponseWriter
	wire io.Closer
}

func (u *upgraded) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	u.wire = conn
	return conn, rw, err
}

// WriteHeaderNow is what websocket.Accept calls where there is one: frameworks put
// their own writers around the real one.
func (u *upgraded) WriteHeaderNow() {
	if w, ok := u.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		w.WriteHeaderNow()
	}
}

func canHijack(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}
