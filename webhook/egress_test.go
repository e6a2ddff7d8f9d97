package webhook_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// forbiddenAddresses are one or two of each range that must not be connected to, and of
// each way to stand for one.
var forbiddenAddresses = strings.Fields(`
	0.0.0.0 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254
	168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.170 192.0.2.1
	192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1
	203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
	:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:7f00:1 ::8.8.8.8 ::ffff:0:808:808
	64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::a00:1 64:ff9b:1:ffff::1 100::1 100:0:0:1::1
	2001::1 2001:0:0:0:0:0:80ff:fffe 2001:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff::1
	2001:db8::1 2002:7f00:1::1 2002:808:808::1 2620:4f:8000::1 3fff::1 3fff:fff::1 4000::1 5f00::1
	fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff0e::1 2a00:1450::5efe:7f00:1 2a00:1450::200:5efe:a00:1
	fe80::1%eth0 ::1%lo 2a00:1450:4001:81a::200e%eth0`)

var permittedAddresses = strings.Fields(`
	8.8.8.8 1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17
	169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
	223.255.255.255 ::ffff:8.8.8.8 2001:200::1 2001:4860:4860::8888 2003::1 2600::1 2a00:1450:4001:81a::200e 2606:4700::1 3ffe::1`)

func TestS1_SpecialAddressesAreRefused(t *testing.T) {
	var e *webhook.Egress
	for _, text := range forbiddenAddresses {
		err := e.CheckAddr(netip.AddrPortFrom(netip.MustParseAddr(text), 443))
		if !errors.Is(err, webhook.ErrForbidden) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || antiphon.CodeOf(err) != antiphon.CodePermissionDenied {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range permittedAddresses {
		if err := e.CheckAddr(netip.AddrPortFrom(netip.MustParseAddr(text), 443)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := e.CheckAddr(netip.AddrPort{}); !errors.Is(err, webhook.ErrForbidden) {
		t.Errorf("no address: %v", err)
	}
}

func TestS1_Ports(t *testing.T) {
	for _, tt := range []struct {
		e    *webhook.Egress
		port uint16
		ok   bool
	}{
		{nil, 443, true}, {nil, 80, false}, {nil, 22, false}, {nil, 0, false},
		{&webhook.Egress{PlainHTTP: true}, 80, true}, {&webhook.Egress{PlainHTTP: true}, 443, true}, {&webhook.Egress{PlainHTTP: true}, 8080, false},
		{&webhook.Egress{Ports: []uint16{8443}}, 8443, true}, {&webhook.Egress{Ports: []uint16{8443}}, 443, false},
	} {
		if err := tt.e.CheckAddr(netip.AddrPortFrom(netip.MustParseAddr("8.8.8.8"), tt.port)); (err == nil) != tt.ok {
			t.Errorf("%+v, port %d: %v", tt.e, tt.port, err)
		}
	}
}

func ranges(p ...string) (all []netip.Prefix) {
	for _, p := range p {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func TestEgressLists(t *testing.T) {
	for _, tt := range []struct {
		allow, deny []netip.Prefix
		addr        string
		ok          bool
	}{
		{ranges("127.0.0.0/8"), nil, "127.0.0.1", true},
		{ranges("127.0.0.0/8"), nil, "::ffff:127.0.0.1", true},
		{ranges("::ffff:127.0.0.0/104"), nil, "127.0.0.1", true},
		{ranges("127.0.0.0/8"), nil, "::1", false},
		{ranges("::1/128"), nil, "::1", true},
		{ranges("127.0.0.0/8"), ranges("127.0.0.2/32"), "127.0.0.2", false},
		{ranges("127.0.0.0/8"), ranges("::ffff:127.0.0.2/128"), "127.0.0.2", false},
		{nil, ranges("8.8.8.0/24"), "8.8.8.8", false},
		{nil, ranges("8.8.8.0/24"), "::ffff:8.8.8.8", false},
		{nil, ranges("2600::/16"), "2600::1", false},
		// What embeds an address is judged by that, although it is allowed itself.
		{ranges("64:ff9b::/96"), nil, "64:ff9b::8.8.8.8", true},
		{ranges("64:ff9b::/96"), nil, "64:ff9b::10.0.0.1", false},
		{ranges("64:ff9b::/96"), ranges("8.8.8.0/24"), "64:ff9b::8.8.8.8", false},
		{ranges("2001::/32"), nil, "2001::f5ff:fffe", false}, // 10.0.0.1, inverted
		{ranges("2001::/32"), nil, "2001::f7f7:f7f7", true},  // 8.8.8.8
		{ranges("2002::/16"), nil, "2002:a00:1::1", false},
		{ranges("fd00::/8"), nil, "fd00::5efe:a00:1", false},
		{ranges("fd00::/8"), nil, "fd00::1", true},
		{ranges("fe80::/10"), nil, "fe80::1%eth0", false},
		// A prefix that is none is never taken for an empty one.
		{nil, []netip.Prefix{{}}, "8.8.8.8", false},
		{[]netip.Prefix{{}}, nil, "8.8.8.8", false},
	} {
		e := &webhook.Egress{Allow: tt.allow, Deny: tt.deny}
		if err := e.CheckAddr(netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 443)); (err == nil) != tt.ok {
			t.Errorf("allow %v, deny %v, %s: %v", tt.allow, tt.deny, tt.addr, err)
		}
	}
}

func TestS1_URLs(t *testing.T) {
	refused := strings.Fields(`
		https://127.0.0.1/ https://127.0.0.1./ https://127.1/ https://127.0.1/ https://0x7f.1/ https://0X7F.0.0.1/ https://0177.0.0.1/ https://2130706433/ https://0x7f000001/
		https://017700000001/ https://127.0.0.1.1/ https://1.2.3.4.5/ https://256.1.1.1/ https://127.0.0.08/ https://foo.0x/ https://8.8.8.8./
		https://127.0.0.1/ https://⑯9.254.169.254/ https://127。0。0。1/ https://ⓛocalhost/ https://münchen.example/
		https://[::1]/ https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/ https://[fe80::1%25eth0]/ https://[::1%25]/ https://[v1.x]/ https://[127.0.0.1.]/ https://[127.0.0.1]/ https://[]/
		https://localhost/ https://LOCALHOST./ https://a.localhost/ https://10.0.0.1:443/ https://169.254.169.254/latest
		https://user@example.com/ https://user:pass@example.com/ https://@example.com/ https://:@example.com/
		http://example.com/ ftp://example.com/ file:///etc/passwd gopher://example.com/ //example.com/ example.com https: https:// https:/// https:example.com https://?x
		https://example.com:22/ https://example.com:80/ https://example.com:99999/ https://example.com:443443/ https://example.com:-1/
		https://exa%6dple.com:8443/ https://a..b/ https://.example.com/ https://./ https://a%20b/ https://a%00b/`)
	refused = append(refused, "https://\uff11\uff12\uff17.0.0.1/", "https://127\uff0e0.0.1/", "https://\u2488.0.0.1/")
	for _, u := range refused {
		if err := new(webhook.Egress).CheckURL(u); !errors.Is(err, webhook.ErrForbidden) {
			t.Errorf("%s: %v", u, err)
		}
	}
	for _, u := range []string{"https://example.com", "https://example.com:443/a?b", "https://EXAMPLE.com./", "https://xn--mnchen-3ya.example/", "https://8.8.8.8/",
		"https://[2600::1]/", "https://a_b/c:d@e:22", "https://1.example.com/", "https://0x7f.example/"} {
		if err := new(webhook.Egress).CheckURL(u); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
	plain := &webhook.Egress{PlainHTTP: true}
	for u, ok := range map[string]bool{"http://example.com/": true, "http://example.com:80/": true, "https://example.com/": true, "http://127.0.0.1/": false, "http://example.com:8080/": false} {
		if err := plain.CheckURL(u); (err == nil) != ok {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// Errors must not quote what may be secret.
func TestS8_ErrorsDoNotQuoteURLs(t *testing.T) {
	for _, u := range []string{"https://user:hunter2@example.com/?token=hunter2", "https://%zz.example/hunter2?hunter2", "http://example.com/hunter2?hunter2", "https://exa mple/hunter2", "https://127.0.0.1/hunter2"} {
		err := new(webhook.Egress).CheckURL(u)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// trap is a server on loopback that must not be reached, or is allowed to be.
func trap(t *testing.T) (url string, port uint16, reached func() int) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(s.Close)
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	return s.URL, at.Port(), func() int { return n }
}

func loopback(ports ...uint16) webhook.Egress {
	return webhook.Egress{PlainHTTP: true, Ports: ports, Allow: ranges("127.0.0.0/8")}
}

// The hook judges what is connected to, whatever the name was.
func TestS1_NamesAreJudgedByTheirAddresses(t *testing.T) {
	_, port, reached := trap(t)
	dns := &webhooktest.DNS{}
	dns.Set("inside.example", "127.0.0.1")
	dns.Set("mapped.example", "::ffff:127.0.0.1")
	dns.Set("mixed.example", "10.0.0.1 127.0.0.1 fe80::1 ::1")
	dns.Set("zoned.example", "fe80::1%lo ::1%lo")
	e := &webhook.Egress{PlainHTTP: true, Ports: []uint16{port}, Lookup: dns.Lookup}
	for _, host := range []string{"inside.example", "mapped.example", "mixed.example", "zoned.example"} {
		_, err := e.Client().Get("http://" + net.JoinHostPort(host, itoa(port)))
		if !errors.Is(err, webhook.ErrForbidden) || dns.Asked(host) != 1 {
			t.Errorf("%s: %v, asked %d times", host, err, dns.Asked(host))
		}
	}
	// The spellings, and the resolver of the system.
	e = &webhook.Egress{PlainHTTP: true, Ports: []uint16{port}}
	for _, host := range []string{"localhost", "127.1", "0x7f.1", "2130706433", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"} {
		if _, err := e.Client().Get("http://" + host + ":" + itoa(port)); !errors.Is(err, webhook.ErrForbidden) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := reached(); n > 0 {
		t.Errorf("the inside was reached %d times", n)
	}
	// What is permitted among what is not is connected to.
	allowed := loopback(port)
	allowed.Lookup = dns.Lookup
	dns.Set("mixed.example", "10.0.0.1 127.0.0.1")
	res, err := allowed.Client().Get("http://mixed.example:" + itoa(port))
	if err != nil || reached() != 1 {
		t.Fatal(err, reached())
	}
	res.Body.Close()
}

// Every connection is to what the name stands for at that moment.
func TestS1_Rebinding(t *testing.T) {
	_, port, reached := trap(t)
	dns := &webhooktest.DNS{}
	dns.Set("rebinds.example", "127.0.0.1", "127.0.0.2")
	e := loopback(port)
	e.Deny = ranges("127.0.0.2/32")
	e.Lookup = dns.Lookup
	c := e.Client()
	res, err := c.Get("http://rebinds.example:" + itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	c.CloseIdleConnections()
	for range 2 {
		if _, err = c.Get("http://rebinds.example:" + itoa(port)); !errors.Is(err, webhook.ErrForbidden) {
			t.Error(err)
		}
	}
	if dns.Asked("rebinds.example") != 3 || reached() != 1 {
		t.Error(dns.Asked("rebinds.example"), reached())
	}
}

func TestEgressUnknownName(t *testing.T) {
	dns := &webhooktest.DNS{}
	dns.Set("empty.example", "")
	e := &webhook.Egress{Lookup: dns.Lookup}
	var nx *net.DNSError
	if _, err := e.Client().Get("https://nobody.example/"); !errors.As(err, &nx) {
		t.Error(err)
	}
	if _, err := e.Client().Get("https://empty.example/"); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Error(err)
	}
}

func TestS2_RedirectsAreNotFollowed(t *testing.T) {
	from, port, _ := trap(t)
	inside, _, reached := trap(t)
	e := loopback(port)
	for _, to := range []string{inside, from + "/again", "http://169.254.169.254/"} {
		res, err := e.Client().Post(from+"/?to="+url.QueryEscape(to), "text/plain", strings.NewReader("x"))
		if err != nil || res.StatusCode != http.StatusTemporaryRedirect {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	// And if a client is changed to follow them, they are judged.
	c := e.Client()
	c.CheckRedirect = nil
	if _, err := c.Get(from + "/?to=" + url.QueryEscape(inside)); !errors.Is(err, webhook.ErrForbidden) {
		t.Error(err)
	}
	if reached() > 0 {
		t.Error("it was followed")
	}
}

func TestS3_NoProxyFromTheEnvironment(t *testing.T) {
	proxy, _, proxied := trap(t)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy)
	}
	dns := &webhooktest.DNS{}
	dns.Set("shop.example", "127.0.0.1")
	e := &webhook.Egress{PlainHTTP: true, Lookup: dns.Lookup}
	for _, u := range []string{"http://shop.example/", "https://shop.example/"} {
		if _, err := e.Client().Get(u); !errors.Is(err, webhook.ErrForbidden) {
			t.Error(err)
		}
	}
	if proxied() > 0 {
		t.Error("a proxy was asked")
	}
}

func TestS3_TheClientGuardsURLs(t *testing.T) {
	var e *webhook.Egress
	for _, u := range []string{"http://example.com/", "https://user:pw@example.com/", "https://example.com:22/", "https://127.1/"} {
		body := &closing{Reader: strings.NewReader("x")}
		r, err := http.NewRequest("POST", u, body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Client().Do(r); !errors.Is(err, webhook.ErrForbidden) || !body.closed {
			t.Errorf("%s: %v", u, err)
		}
	}
}

type closing struct {
	*strings.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestEgressTLS(t *testing.T) {
	serve := func(config *tls.Config) (*httptest.Server, webhook.Egress) {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
		s.TLS = config
		s.Config.ErrorLog = quiet
		s.StartTLS()
		t.Cleanup(s.Close)
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		e := loopback(netip.MustParseAddrPort(s.Listener.Addr().String()).Port())
		e.PlainHTTP = false
		e.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}
		return s, e
	}
	s, e := serve(nil)
	res, err := e.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.TLS.Version < tls.VersionTLS12 || e.TLS.MinVersion != tls.VersionTLS10 {
		t.Error("the version, or the caller's configuration was changed")
	}
	old, f := serve(&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if _, err := f.Client().Get(old.URL); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	e.TLS = nil
	if _, err := e.Client().Get(s.URL); err == nil {
		t.Error("a certificate of nobody was trusted")
	}
}

// Dial gets nothing that is not permitted.
func TestS1_DialGetsCheckedAddresses(t *testing.T) {
	dns := &webhooktest.DNS{}
	dns.Set("shop.example", "10.0.0.1 8.8.8.8 127.0.0.1 2600::1%x 2600::1")
	var dialed []string
	e := &webhook.Egress{Lookup: dns.Lookup, Dial: func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		dialed = append(dialed, to.String())
		return nil, errors.New("not today")
	}}
	for _, u := range []string{"https://shop.example/", "https://9.9.9.9/"} {
		if _, err := e.Client().Get(u); err == nil {
			t.Error("it connected")
		}
	}
	if !slices.Equal(dialed, []string{"8.8.8.8:443", "[2600::1]:443", "9.9.9.9:443"}) {
		t.Error(dialed)
	}
}

func FuzzEgress(f *testing.F) {
	for _, a := range append(forbiddenAddresses, permittedAddresses...) {
		f.Add("https://"+a+"/", netip.MustParseAddr(a).AsSlice())
	}
	f.Add("https://[fe80::1%25eth0]:443/", []byte{1})
	f.Add("https://0x7f.1", []byte{})
	f.Fuzz(func(t *testing.T, u string, b []byte) {
		var e *webhook.Egress
		if err := e.CheckURL(u); err == nil {
			p, err := url.Parse(u)
			if err != nil || p.Scheme != "https" || p.User != nil || p.Hostname() == "" || p.Port() != "" && strings.TrimLeft(p.Port(), "0") != "443" {
				t.Fatalf("%q is permitted", u)
			}
			if a, err := netip.ParseAddr(p.Hostname()); err == nil && e.CheckAddr(netip.AddrPortFrom(a, 443)) != nil {
				t.Errorf("%q is permitted", u)
			}
		}
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		plain := e.CheckAddr(netip.AddrPortFrom(a, 443)) == nil
		if inner := a.Unmap(); plain && (inner.IsLoopback() || inner.IsPrivate() || inner.IsLinkLocalUnicast() || inner.IsMulticast() || inner.IsUnspecified()) {
			t.Errorf("%v is permitted", a)
		}
		if a.Is4() { // whatever stands for a refused one is refused
			mapped := netip.AddrFrom16(a.As16())
			if (e.CheckAddr(netip.AddrPortFrom(mapped, 443)) == nil) != plain {
				t.Errorf("%v is judged otherwise than %v", mapped, a)
			}
		}
		if a.Is6() && e.CheckAddr(netip.AddrPortFrom(a.WithZone("x"), 443)) == nil {
			t.Errorf("%v is permitted in a zone", a)
		}
	})
}
