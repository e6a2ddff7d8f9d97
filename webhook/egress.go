package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/antiphon-go/antiphon"
)

// An Egress is where may be connected to. It keeps a [Sender], and any client of yours
// that is given URLs by others, from reaching into the network that it is in.
//
// The check is made on each address at the moment of connecting to it, after names were
// resolved: no name, redirect or answer of a DNS that changes its mind gets by it. All
// that is special is refused: loopback, private and link-local addresses, with the
// metadata services of clouds, and whatever else the registries of IANA list; of IPv6,
// all but 2000::/3. An address of IPv6 that stands for one of IPv4 is judged by that,
// too, and refused unless it is allowed itself.
//
// The fields are not to be changed once it is in use.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Errors: what is refused is [ErrForbidden]. Errors name hosts, never paths or queries; but
// an http.Client puts the whole URL in front of them.
//
// Zero value: everything special is refused, and so is all but https to port 443. A nil
// *Egress is the same.
type Egress struct {
	// Allow are ranges that may be connected to although they are special.
	Allow []netip.Prefix
	// Deny are ranges that may not, whatever Allow says.
	Deny []netip.Prefix
	// Ports may be connected to. None means 443 and, with PlainHTTP, 80.
	Ports []uint16
	// PlainHTTP permits http, beside https.
	PlainHTTP bool

	// TLS is used for https, with at least version 1.2. May be nil.
	TLS *tls.Config
	// Lookup resolves names. Nil means as the net package does.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address that was found to be allowed. Nil means by TCP.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
}

// ErrForbidden: an [Egress] does not permit the connection. Of class not accepted.
var ErrForbidden error = &antiphon.Error{
	Code:    antiphon.CodePermissionDenied,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "webhook.forbidden",
	Message: "webhook: the egress guard does not permit it",
}

func forbidden(format string, args ...any) error {
	e := antiphon.Errorf(antiphon.CodePermissionDenied, "webhook: "+format+": %w", append(args, ErrForbidden)...)
	e.Class = antiphon.ClassNotAccepted
	return e
}

// CheckAddr reports, as an error that is [ErrForbidden], that to must not be connected
// to.
func (e *Egress) CheckAddr(to netip.AddrPort) error {
	if !slices.Contains(e.ports(), to.Port()) {
		return forbidden("port %d (see Egress.Ports)", to.Port())
	}
	return e.checkIP(to.Addr())
}

func (e *Egress) ports() []uint16 {
	switch {
	case e == nil:
	case len(e.Ports) > 0:
		return e.Ports
	case e.PlainHTTP:
		return []uint16{443, 80}
	}
	return []uint16{443}
}

func (e *Egress) checkIP(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return forbidden("no address")
	case a.Zone() != "":
		return forbidden("%v is of a zone", a)
	}
	a = a.Unmap()
	if e != nil {
		for _, list := range [][]netip.Prefix{e.Deny, e.Allow} {
			if slices.ContainsFunc(list, func(p netip.Prefix) bool { return !p.IsValid() }) {
				return forbidden("Egress.Allow or Deny has a prefix that is none")
			}
		}
		if covers(e.Deny, a) {
			return forbidden("%v is in Egress.Deny", a)
		}
		if covers(e.Allow, a) {
			if v4, ok := embedded(a); ok && a.Is6() {
				return e.checkIP(v4)
			}
			return nil
		}
	}
	if special(a) {
		return forbidden("%v is not for everybody (see Egress.Allow)", a)
	}
	return nil
}

// covers is as within, for ranges that may be written in the mapped form.
func covers(ranges []netip.Prefix, a netip.Addr) bool {
	for _, p := range ranges {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// CheckURL reports, as an error that is [ErrForbidden], that u cannot be permitted,
// whatever its name turns out to stand for: another scheme than https, or http where
// that is permitted; a port or an address that is not; user information; a host that is
// spelled in a way that some take for an address.
func (e *Egress) CheckURL(u string) error {
	parsed, err := url.Parse(u)
	if err != nil {
		return forbidden("that is no URL") // the error would quote it
	}
	return e.checkURL(parsed)
}

func (e *Egress) checkURL(u *url.URL) error {
	port := uint64(443)
	switch {
	case u.Scheme == "http" && e != nil && e.PlainHTTP:
		port = 80
	case u.Scheme == "http":
		return forbidden("plain http (use https, or set Egress.PlainHTTP)")
	case u.Scheme != "https":
		return forbidden("URLs have to begin with https://")
	}
	switch {
	case u.User != nil:
		return forbidden("a URL with user information (sign instead)")
	case u.Opaque != "" || u.Hostname() == "":
		return forbidden("a URL without a host")
	}
	if text := u.Port(); text != "" {
		var err error
		if port, err = strconv.ParseUint(text, 10, 16); err != nil {
			return forbidden("a port that is none")
		}
	}
	if !slices.Contains(e.ports(), uint16(port)) {
		return forbidden("port %d (see Egress.Ports)", port)
	}
	return e.checkHost(u.Hostname(), strings.HasPrefix(u.Host, "["))
}

// checkHost judges addresses, and refuses what may be taken for one elsewhere.
func (e *Egress) checkHost(host string, bracketed bool) error {
	if a, err := netip.ParseAddr(host); err == nil {
		return e.checkIP(a)
	} else if bracketed {
		return forbidden("an address that is none")
	}
	for _, r := range host {
		switch {
		case r >= 0x80:
			return forbidden("a host that is not ASCII (write it as xn--…)")
		case r <= ' ' || r == 0x7f || strings.ContainsRune(`%/\?#@:[]<>^|"`+"`{}", r):
			return forbidden("a host that is no name")
		}
	}
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	last := labels[len(labels)-1]
	if slices.Contains(labels, "") || number(last) {
		return forbidden("a host that is neither a name nor an address as it should be written")
	}
	if last == "localhost" {
		return e.checkIP(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return nil
}

// number reports whether a host that ends in this label is an address to some parsers
// (see the URL standard of WHATWG, "ends in a number").
func number(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// control is the hook of a net.Dialer: the last word on the address that the system is
// about to connect to.
func (e *Egress) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return forbidden("network %q", network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return forbidden("no address")
	}
	return e.CheckAddr(to)
}

// dial connects to host:port.
func (e *Egress) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 10 * time.Second, ControlContext: e.control}
	if e == nil || e.Lookup == nil && e.Dial == nil {
		return d.DialContext(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, forbidden("no address")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, forbidden("a port that is none")
	}
	found, err := e.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("webhook: %s has no address", host)
	for _, a := range found {
		var conn net.Conn
		if conn, err = e.connect(ctx, d, netip.AddrPortFrom(a, uint16(n))); err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

func (e *Egress) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if e.Lookup != nil {
		return e.Lookup(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// connect connects to an address; the dialer's hook checks it once more.
func (e *Egress) connect(ctx context.Context, d *net.Dialer, to netip.AddrPort) (net.Conn, error) {
	if err := e.CheckAddr(to); err != nil {
		return nil, err
	}
	if e.Dial != nil {
		return e.Dial(ctx, to)
	}
	return d.DialContext(ctx, "tcp", to.String())
}

// Transport returns a transport that connects where e permits: with connections and
// limits of its own, without a proxy, whatever the environment says, and without
// transparent decompression. A connection by HTTP/2 that has been silent for 15 seconds
// is asked whether it is alive, and closed if it does not say so within 15 more.
func (e *Egress) Transport() http.RoundTripper { return e.guard() }

func (e *Egress) guard() *guard {
	config := &tls.Config{}
	if e != nil && e.TLS != nil {
		config = e.TLS.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return &guard{e, &http.Transport{
		DialContext:            e.dial,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  10 * time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    64,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		// One connection carries all that goes to a host: that it is dead must not wait
		// for TCP to find out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}}
}

// Client returns a client that connects where e permits, and follows no redirect: the
// response that is one is returned. It has no timeout but the transport's 10 seconds
// each to connect, to shake hands and to the response's header.
func (e *Egress) Client() *http.Client { return e.guard().client() }

func (g *guard) client() *http.Client {
	return &http.Client{
		Transport:     g,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A guard is the transport of an Egress.
type guard struct {
	egress    *Egress
	transport *http.Transport
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.egress.checkURL(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return g.transport.RoundTrip(r)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (g *guard) CloseIdleConnections() { g.transport.CloseIdleConnections() }

// withoutURL is err without the URL that net/http and net/url put before it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
