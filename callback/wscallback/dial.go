package wscallback

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// Dial connects to url, which is of scheme ws, wss, http or https, and keeps
// connected until the Conn is closed; ctx is for the first attempt only. It fails,
// with code unavailable and class not accepted, if that does. An error does not
// quote the query of url.
func Dial(ctx context.Context, url string, o *Options) (*Conn, error) {
	opts, err := o.filled()
	if err != nil {
		return nil, err
	}
	c := newConn(opts)
	c.tasks.Add(1)
	err = c.connect(ctx, url)
	c.tasks.Done()
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// connect makes one attempt.
func (c *Conn) connect(ctx context.Context, to string) error {
	c.mu.Lock()
	c.url = to
	s := c.session
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.opts.ConnectTimeout)
	defer cancel()
	stop := context.AfterFunc(c.life, cancel)
	defer stop()
	want := []string{callback.Subprotocol}
	switch {
	case c.opts.Text:
		want = []string{textProtocol}
	case c.opts.Resume > 0:
		want = []string{resumeProtocol, callback.Subprotocol}
	}
	ws, _, err := websocket.Dial(ctx, to, &websocket.DialOptions{
		HTTPClient:      c.opts.Client,
		HTTPHeader:      c.opts.Header,
		Subprotocols:    want,
		CompressionMode: c.opts.compression(),
	})
	if err != nil {
		return unreachable(to, err)
	}
	spoken := ws.Subprotocol()
	if spoken == "" {
		_ = ws.Close(websocket.StatusProtocolError, "no common subprotocol")
		return unreachable(to, errors.New("the server does not speak "+want[0]))
	}
	if spoken == resumeProtocol {
		if s, err = c.greet(ctx, ws, s); err != nil {
			_ = ws.CloseNow()
			return unreachable(to, err)
		}
	} else {
		s = nil
	}
	c.mu.Lock()
	if c.session != nil && c.session != s {
		c.breaks(errSessionLost)
		signal(c.reader)
	}
	c.session = s
	c.mu.Unlock()
	c.attach(ws, spoken == textProtocol)
	return nil
}

var errSessionLost = errors.New("wscallback: the other end has forgotten the session")

// greet resumes s, or begins a session.
func (c *Conn) greet(ctx context.Context, ws *websocket.Conn, s *session) (*session, error) {
	var id callback.ID
	var came uint32
	if s != nil {
		c.mu.Lock()
		id, came = s.id, s.came
		c.mu.Unlock()
	}
	if err := sayHello(ctx, ws, &c.opts, id, came, c.opts.Resume); err != nil {
		return nil, err
	}
	m, window, err := hearHello(ctx, ws, &c.opts)
	if err != nil {
		return nil, err
	}
	if m.ID.IsZero() {
		return nil, errProtocol
	}
	if s == nil || m.ID != s.id {
		return newSession(&c.opts, m.ID, min(window, c.opts.Resume)), nil
	}
	c.mu.Lock()
	ok := s.ack(m.Seq)
	lost := c.session != s // its time ended meanwhile
	c.mu.Unlock()
	if !ok || lost {
		return nil, errProtocol
	}
	c.observe("ws.resumed", nil, 0)
	return s, nil
}

// redial connects again until it has, or the Conn is closed.
func (c *Conn) redial() {
	defer c.tasks.Done()
	for attempt := 1; ; attempt++ {
		wait := c.opts.Backoff(attempt)
		timer := c.opts.Clock.Timer(wait)
		select {
		case <-timer.C:
		case <-c.life.Done():
			timer.Stop()
			return
		}
		c.mu.Lock()
		to := c.url
		c.mu.Unlock()
		err := c.connect(c.life, to)
		if err == nil || c.life.Err() != nil {
			return
		}
		c.observe("ws.retry", err, wait)
	}
}

// unreachable says so without the query of the URL, which may hold a secret.
func unreachable(to string, err error) error {
	if u, e := url.Parse(to); e == nil {
		u.RawQuery, u.User = "", nil
		to = u.Redacted()
	} else {
		to = "the URL"
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // which quotes it
	}
	return fmt.Errorf("wscallback: connecting to %s: %w", to, antiphon.Errorf(antiphon.CodeUnavailable, "%w: %w", callback.ErrUndeliverable, err))
}
