package webhook

import (
	"encoding/binary"
	"net/netip"
)

// What is special among addresses, as the registries of IANA have it (RFC 6890 and its
// updates): IPv4 and IPv6 Special-Purpose Address Space, and multicast.

// special4 is what of IPv4 is not for everybody to connect to.
var special4 = prefixes(
	"0.0.0.0/8",          // this network
	"10.0.0.0/8",         // private
	"100.64.0.0/10",      // shared, behind carriers' NAT
	"127.0.0.0/8",        // loopback
	"168.63.129.16/32",   // not in the registry: what Azure shows to its machines alone
	"169.254.0.0/16",     // link-local, and the metadata of clouds
	"172.16.0.0/12",      // private
	"192.0.0.0/24",       // protocol assignments
	"192.0.2.0/24",       // documentation
	"192.31.196.0/24",    // AS112
	"192.52.193.0/24",    // AMT
	"192.88.99.0/24",     // relays of 6to4, as it was
	"192.168.0.0/16",     // private
	"192.175.48.0/24",    // AS112
	"198.18.0.0/15",      // benchmarks
	"198.51.100.0/24",    // documentation
	"203.0.113.0/24",     // documentation
	"224.0.0.0/4",        // multicast
	"240.0.0.0/4",        // reserved
	"255.255.255.255/32", // broadcast
)

// global6 is all of IPv6 that is given to anybody, and special6 what of that is not for
// everybody.
var (
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes(
		"2001::/23",         // protocol assignments: Teredo, benchmarks, AMT, ORCHID, DRIP and others
		"2001:db8::/32",     // documentation
		"2002::/16",         // 6to4
		"2620:4f:8000::/48", // AS112
		"3fff::/20",         // documentation
	)
)

// embedding are the ranges of IPv6 whose addresses stand for one of IPv4, and where in
// the 16 bytes that is. All are outside global6, or special in it.
var embedding = []struct {
	netip.Prefix
	at     int
	invert bool
}{
	{netip.MustParsePrefix("::ffff:0:0/96"), 12, false},   // mapped
	{netip.MustParsePrefix("::/96"), 12, false},           // compatible
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, false}, // SIIT
	{netip.MustParsePrefix("64:ff9b::/96"), 12, false},    // NAT64
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12, false},  // NAT64, of a network's own
	{netip.MustParsePrefix("2002::/16"), 2, false},        // 6to4
	{netip.MustParsePrefix("2001::/32"), 12, true},        // Teredo
}

// embedded returns the address of IPv4 that a stands for, if it does.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if a.IsLoopback() || a.IsUnspecified() { // within the compatible ones, but not of them
		return netip.Addr{}, false
	}
	b := a.As16()
	for _, e := range embedding {
		if e.Contains(a) {
			v4 := binary.BigEndian.Uint32(b[e.at:])
			if e.invert {
				v4 = ^v4
			}
			return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v4))), true
		}
	}
	// ISATAP may be below any prefix.
	if binary.BigEndian.Uint32(b[8:])&^(2<<24) == 0x5efe {
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return netip.Addr{}, false
}

// special reports whether a, which has no zone and is not mapped, is not for everybody
// to connect to.
func special(a netip.Addr) bool {
	if a.Is4() {
		return within(special4, a)
	}
	_, stands := embedded(a)
	return stands || !global6.Contains(a) || within(special6, a)
}

func within(ranges []netip.Prefix, a netip.Addr) bool {
	for _, p := range ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}
