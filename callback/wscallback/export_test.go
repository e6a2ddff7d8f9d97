package wscallback

// Held is what the server remembers: connections, those that have a place, sessions,
// and requests under way.
func (s *Server) Held() [4]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [4]int{len(s.conns), s.serving, len(s.sessions), s.running}
}
