package poller

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/body"
	"github.com/antiphon-go/antiphon/internal/trace"
)

const maxHops = 10

// A reply is the response to a request, after redirects.
type reply struct {
	*http.Response
	url       *url.URL // who responded
	elsewhere bool     // 303 led there: it is a result, not a status
}

// ask makes a request without a body. It follows redirects, those of what does more than
// look only if they keep its method, and for this once: whoever is redirected goes on
// asking the same URL. The trace of ctx goes along.
func (c *caller) ask(ctx context.Context, home, method string, u *url.URL, header http.Header) (reply, error) {
	trace.Put(ctx, header)
	r := &http.Request{Method: method, URL: u, Host: u.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	r = r.WithContext(ctx)
	elsewhere := false
	for hops := 0; ; hops++ {
		resp, err := c.send(r, home)
		if err != nil {
			return reply{}, err
		}
		to := resp.Header.Get("Location")
		switch resp.StatusCode {
		case http.StatusSeeOther:
			elsewhere = true
		case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			to = ""
		}
		kept := resp.StatusCode == http.StatusTemporaryRedirect || resp.StatusCode == http.StatusPermanentRedirect
		if to == "" || method != http.MethodGet && !kept {
			return reply{resp, r.URL, elsewhere}, nil
		}
		drop(resp)
		if hops == maxHops {
			return reply{}, antiphon.Errorf(antiphon.CodeUnavailable, "poller: redirected more than %d times", maxHops)
		}
		next, err := c.pointed(home, r.URL, to)
		if err != nil {
			return reply{}, err
		}
		hop := *r
		hop.URL, hop.Host = next, next.Host
		r = &hop
	}
}

// send makes one request, with credentials if it is to home. It is made once more if
// these are refused, and there may be others.
func (c *caller) send(r *http.Request, home string) (*http.Response, error) {
	switch {
	case originOf(r.URL) != home:
		return c.trip(c.alien, r)
	case len(c.Header) == 0 && c.Authorize == nil:
		return c.trip(c.own, r)
	}
	for again := false; ; again = true {
		try, u := *r, *r.URL // Authorize may change them
		try.URL, try.Header = &u, r.Header.Clone()
		for name, values := range c.Header {
			if _, has := try.Header[name]; !has {
				try.Header[name] = slices.Clip(values)
			}
		}
		if again && r.Body != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			try.Body = body
		}
		if c.Authorize != nil {
			if err := c.Authorize(&try, again); err != nil {
				if try.Body != nil {
					_ = try.Body.Close()
				}
				return nil, err
			}
		}
		resp, err := c.trip(c.own, &try)
		if err != nil || again || c.Authorize == nil || r.Body != nil && r.GetBody == nil ||
			resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
			return resp, err
		}
		drop(resp)
	}
}

// trip makes one request. Its errors do not name the URL, which may be a secret.
func (c *caller) trip(client *http.Client, r *http.Request) (*http.Response, error) {
	resp, err := client.Do(r)
	switch {
	case err != nil:
	case resp.StatusCode < http.StatusOK: // its body is a connection, from which no context ends a read
		_ = resp.Body.Close()
		return nil, unreadable("the answer is in another protocol")
	default:
		return resp, nil
	}
	if ctx := r.Context(); ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, offline(err)
}

// offline is the error of a request that was not answered, or not to its end.
func offline(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	var known antiphon.Describer
	if errors.As(err, &known) { // it is one of ours
		return err
	}
	o := antiphon.Errorf(antiphon.CodeUnavailable, "poller: no answer: %w", err)
	o.Class = antiphon.ClassUnknown
	return o
}

// read reads a body of at most limit bytes, which were inflated by the transport.
func read(resp *http.Response, limit int64) ([]byte, error) {
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, unreadable("the encoding of the answer is not known")
	}
	if resp.ContentLength > limit {
		return nil, unreadable("the answer is too large")
	}
	b, err := body.Read(resp.Body, resp.ContentLength, limit)
	switch ctx := resp.Request.Context(); {
	case errors.Is(err, body.ErrTooLarge):
		return nil, unreadable("the answer is too large")
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, offline(err)
	}
	return b, nil
}

// unreadable is the error of an answer that says nothing: that of a proxy, perhaps.
func unreadable(what string) error {
	return &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassUnknown,
		Reason: "poller.unreadable", Message: "poller: " + what}
}

// drop is done with a response, whose connection may serve again if little is left.
func drop(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

// isJSON reports whether a media type is one of JSON.
func isJSON(contentType string) bool {
	switch contentType {
	case "application/json", "application/json; charset=utf-8":
		return true
	}
	t, _, _ := mime.ParseMediaType(contentType)
	return t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json")
}

// isMarkup reports whether a media type is that of a page for people, such as proxies
// answer with.
func isMarkup(contentType string) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	return t == "text/html" || t == "application/xhtml+xml"
}
