package natscallback

// Own returns the addresses of the inboxes that nobody else has.
func (t *Transport) Own() (addrs []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr := range t.inboxes {
		addrs = append(addrs, addr)
	}
	return addrs
}
