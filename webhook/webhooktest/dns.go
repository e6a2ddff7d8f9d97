package webhooktest

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// A DNS answers as it is told: its Lookup is for webhook.Egress.Lookup.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Zero value: ready; it knows no names.
type DNS struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
	asked   map[string]int
}

// Set has the first, second, third … question for host answered with these addresses,
// separated by blanks within one answer; the last stands for all that follow. It panics
// if they are none.
func (d *DNS) Set(host string, answers ...string) {
	all := make([][]netip.Addr, len(answers))
	for i, text := range answers {
		for _, a := range strings.Fields(text) {
			all[i] = append(all[i], netip.MustParseAddr(a))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.answers == nil {
		d.answers, d.asked = map[string][][]netip.Addr{}, map[string]int{}
	}
	d.answers[host], d.asked[host] = all, 0
}

// Lookup returns the next answer, or that there is no such host.
func (d *DNS) Lookup(_ context.Context, host string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.answers[host]
	if len(all) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	n := d.asked[host]
	d.asked[host]++
	return all[min(n, len(all)-1)], nil
}

// Asked returns how often host was looked up since it was set.
func (d *DNS) Asked(host string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[host]
}
