package poller

import (
	"net/url"
	"strings"

	"github.com/antiphon-go/antiphon"
)

// ErrOrigin: a server pointed to another origin, and HTTPOptions.AllowHost did not
// allow it; or to what is no URL of HTTP, or has a user's name in it.
var ErrOrigin error = &antiphon.Error{
	Code:      antiphon.CodePermissionDenied,
	Class:     antiphon.ClassUnknown,
	Reason:    "poller.origin",
	Message:   "poller: a pointer to elsewhere was not followed",
	Permanent: true,
}

// originOf is the scheme, host and port of a URL: equal strings are the same origin.
func originOf(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// pointed is where a server points to, as seen from base, if it may be followed there
// by an operation whose own origin is home.
func (c *caller) pointed(home string, base *url.URL, to string) (*url.URL, error) {
	u, err := base.Parse(to)
	if err != nil {
		return nil, c.refused("it is not a URL")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, c.allowed(home, u)
}

// allowed tells why u may not be asked.
func (c *caller) allowed(home string, u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return c.refused("it is not a URL of HTTP")
	case u.User != nil:
		return c.refused("there is a user's name in it")
	case originOf(u) == home || c.AllowHost != nil && c.AllowHost(u):
		return nil
	}
	return c.refused(originOf(u) + " is another origin than " + home)
}

func (c *caller) refused(why string) error {
	err := antiphon.Errorf(antiphon.CodePermissionDenied, "%w: %s", ErrOrigin, why)
	err.Permanent = true
	c.pace.Observer.Emit(antiphon.Event{Name: "poller.unfollowed", Kind: c.pace.Name, Err: err})
	return err
}
