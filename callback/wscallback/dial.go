package wscallback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// Dial connects to url, which is of scheme ws, wss, http or https, and keeps
// connected until the Conn is closed; ctx is for the first attempt only. It fails,
// with code unavailable and class not accepted, if that does, and with code
// invalid_argument if the url or an option is wrong. Neither errors nor events quote the query
// or the user information of url, nor Options.Header.
func Dial(ctx context.Context, url string, o *Options) (*Conn, error) {
	opts, err := o.filled()
	if err != nil {
		return nil, err
	}
	if err := checkURL(url); err != nil {
		return nil, err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	c := newConn(opts)
	c.url, c.text = url, opts.Text
	if err := c.connect(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// checkURL finds what cannot be meant before anything is sent.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	problem := ""
	switch {
	case err != nil: // whose text quotes all of it
		problem = "the url is malformed"
	case u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "http" && u.Scheme != "https":
		problem = "the url needs a scheme: ws, wss, http or https"
	case u.Host == "":
		problem = "the url names no host"
	default:
		return nil
	}
	return misuse(problem)
}

// connect makes one attempt.
func (c *Conn) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.life, func() { cancel(callback.ErrClosed) })()
	timer := c.opts.Clock.AfterFunc(c.opts.ConnectTimeout, func() { cancel(errSlow) })
	defer timer.Stop()
	l, spoken, err := c.open(ctx)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = context.Cause(ctx)
		}
		return unreachable(c.url, err)
	}
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	fresh := true
	switch spoken {
	case "":
		err = errors.New("the server speaks no protocol of ours")
	case resumeProtocol:
		s, fresh, err = c.greet(ctx, l, s)
	default:
		s = nil
	}
	if err == nil && fresh {
		c.begins(s)
	}
	if err == nil && !c.attach(l, s, 0) {
		err = errSessionLost // its time has ended, or the Conn is closed
	}
	if err != nil {
		c.abandon(l)
		return unreachable(c.url, err)
	}
	if !fresh {
		c.observe("ws.resumed", nil)
	}
	return nil
}

// open opens a connection and says what is spoken on it.
func (c *Conn) open(ctx context.Context) (l *link, spoken string, err error) {
	want := []string{callback.Subprotocol}
	switch {
	case c.text:
		want = []string{textProtocol}
	case c.opts.Resume > 0:
		want = []string{resumeProtocol, callback.Subprotocol}
	}
	// The end that dialed is the more patient one: it hears the pings of the other,
	// so that they do not ping each other.
	l = newLink(c.opts, c.opts.Heartbeat+c.opts.Heartbeat/8)
	var client http.Client
	if c.opts.Client != nil {
		client = *c.opts.Client
	}
	under := &underneath{next: client.Transport}
	client.Transport = under
	if client.CheckRedirect == nil {
		client.CheckRedirect = fewRedirects
	}
	ws, _, err := websocket.Dial(ctx, c.url, &websocket.DialOptions{
		HTTPClient:      &client,
		HTTPHeader:      c.opts.Header,
		Subprotocols:    want,
		CompressionMode: c.opts.compression(),
		OnPingReceived:  l.pinged,
	})
	if err != nil {
		return nil, "", err
	}
	l.ws, l.wire = ws, under.wire
	return l, ws.Subprotocol(), nil
}

// fewRedirects is what http.Client does by itself, unless websocket.Dial has asked
// it for something else.
func fewRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// underneath notes the connection that a client upgrades.
type underneath struct {
	next http.RoundTripper
	wire io.Closer
}

func (u *underneath) RoundTrip(r *http.Request) (*http.Response, error) {
	next := u.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		u.wire = resp.Body
	}
	return resp, err
}

// abandon says goodbye to a connection that is not used, so that the other end
// gives its session up.
func (c *Conn) abandon(l *link) {
	timer := c.opts.Clock.AfterFunc(closeTimeout, l.cut)
	_ = l.ws.Close(websocket.StatusNormalClosure, "")
	timer.Stop()
	l.cut()
}

// begins makes s, which may be nil, the session, in place of the one there was.
func (c *Conn) begins(s *session) {
	c.mu.Lock()
	if c.session != nil {
		c.breaks(errSessionLost)
	}
	if !c.closed {
		c.session = s
	}
	c.mu.Unlock()
	signal(c.in.reader)
}

var (
	errSessionLost = errors.New("wscallback: the other end has forgotten the session")
	errSlow        = antiphon.Errorf(antiphon.CodeDeadlineExceeded, "it took too long: %w", context.DeadlineExceeded)
)

// greet resumes s, or begins a session.
func (c *Conn) greet(ctx context.Context, l *link, s *session) (_ *session, fresh bool, err error) {
	var id callback.ID
	var came uint32
	if s != nil {
		c.mu.Lock()
		id, came = s.id, s.came
		c.mu.Unlock()
	}
	if err := sayHello(ctx, l.ws, c.opts, id, came, c.opts.Resume); err != nil {
		return nil, false, err
	}
	m, window, err := hearHello(ctx, l.ws, c.opts)
	switch {
	case err != nil:
		return nil, false, err
	case m.ID.IsZero():
		return nil, false, errSession
	case s == nil || m.ID != s.id:
		return newSession(c.opts, m.ID, min(window, c.opts.Resume)), true, nil
	}
	c.mu.Lock()
	ok := s.resumable(m.Seq)
	c.mu.Unlock()
	if !ok {
		c.begins(nil) // and next time we begin another
		return nil, false, errSessionLost
	}
	return s, false, nil
}

// redial connects again until it has, or the Conn is closed.
func (c *Conn) redial() {
	defer c.tasks.Done()
	attempt, wait := c.next()
	for {
		timer := c.opts.Clock.Timer(wait)
		select {
		case <-timer.C:
		case <-c.life.Done():
			timer.Stop()
			return
		}
		err := c.connect(c.life)
		if err == nil || c.life.Err() != nil {
			return
		}
		failed := attempt
		attempt, wait = c.next()
		c.opts.Observer.Emit(antiphon.Event{Name: "ws.retry", Attempt: failed, Duration: wait, Err: err})
	}
}

// next counts an attempt to connect, and says how long to wait before it.
func (c *Conn) next() (attempt int, wait time.Duration) {
	c.mu.Lock()
	c.attempt++
	attempt = c.attempt
	c.mu.Unlock()
	return attempt, c.opts.pause(attempt)
}

// pause is how long to wait before the next attempt: never nothing, or a server
// that is down would be asked for all that the processor gives.
func (o *Options) pause(attempt int) (wait time.Duration) {
	defer func() {
		if recover() != nil { // the backoff is the user's, the goroutine ours
			wait = backoff(attempt)
		}
	}()
	return max(o.Backoff(attempt), time.Millisecond)
}

var backoff = antiphon.Exponential(100*time.Millisecond, 30*time.Second)

// unreachable says so without what may be a secret: the query of the URL.
func unreachable(to string, err error) error {
	if u, e := url.Parse(to); e == nil {
		u.RawQuery, u.User, u.Fragment = "", nil, ""
		to = u.String()
	} else {
		to = "the URL"
	}
	var ue *url.Error
	for errors.As(err, &ue) {
		err = ue.Err // which quotes it
	}
	return fmt.Errorf("wscallback: connecting to %s: %w", to, antiphon.Errorf(antiphon.CodeUnavailable, "%w: %w", callback.ErrUndeliverable, err))
}
