package pollertest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
)

// A Script is the server of a long-running operation, which behaves as it is told. A
// POST, PUT or PATCH of any path but its own starts the operation, which has the one id
// that is in ID.
//
// Concurrency: serving is safe; the exported fields are not changed meanwhile.
//
// Zero value: an operation of style Monitor that has succeeded by the first poll, with
// null.
type Script struct {
	// Style is how it shows operations.
	Style Style
	// ID is the operation's. Empty means "1".
	ID string

	// Start, Monitor, Result and Cancel are how it answers the first, second, third …
	// request of each sort; the last stands for all that follow. None means a step that
	// is the zero value. Where the monitor is the result's URL (see Style), Monitor is
	// meant.
	Start, Monitor, Result, Cancel []Step
	// Other is how it answers at other paths, such as "/elsewhere", to any method.
	Other map[string][]Step

	// Value is the result of an operation that succeeds, encoded as JSON.
	Value any
	// Err is why it fails. Nil means an error of code internal.
	Err *antiphon.Error

	mu    sync.Mutex
	seen  []Request
	most  int
	under int
}

// A Step is how a Script answers one request. The zero value is the proper answer of
// its Style, to a poll that of an operation that has succeeded.
type Step struct {
	// Status is the response's. 0 means the one that is proper.
	Status int
	// Header is what the response has beside, or in place of, what is proper. An entry
	// without values removes that header.
	Header http.Header
	// State is how far the operation is. Empty means running for the start, and
	// succeeded for all else.
	State antiphon.State
	// Percent is how far it says to be.
	Percent float64
	// Body takes the place of the body that is proper. A response whose Status is not
	// the proper one has no other, and no header that is proper either; but a start that
	// is answered with another status of success has the Value.
	Body string

	// Delay is how long the answer takes, or less if the client leaves.
	Delay time.Duration
	// Hold is how long the response goes on after its body.
	Hold time.Duration
	// Cut breaks the connection in place of an answer; after the Body if there is one.
	Cut bool
	// Answer takes the place of all this.
	Answer http.HandlerFunc
}

// A Request is what a Script was asked.
type Request struct {
	// Sort is "start", "monitor", "result", "cancel", or the path of another.
	Sort string
	// Method, URL (with the host that was named) and Header are the request's.
	Method, URL string
	Header      http.Header
	// Body is what came of it.
	Body []byte
	// Begun is when it came, and Ended when it was answered; zero until then.
	Begun, Ended time.Time
}

// ServeHTTP answers a request.
func (s *Script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sort, steps := s.sort(r)
	if sort == "" {
		http.NotFound(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	i, nth := s.begin(r, sort, body)
	defer s.end(i, sort)
	var step Step
	if len(steps) > 0 {
		step = steps[min(nth, len(steps)-1)]
	}
	if step.Delay > 0 && !pause(r, step.Delay) {
		return
	}
	if step.Answer != nil {
		step.Answer(w, r)
		return
	}
	s.answer(w, r, sort, step)
}

// sort tells what a request is about, and how such are answered.
func (s *Script) sort(r *http.Request) (string, []Step) {
	path := r.URL.Path
	if steps, ok := s.Other[path]; ok {
		return path, steps
	}
	own := strings.TrimPrefix(path, s.monitorPath())
	switch get := r.Method == http.MethodGet; {
	case own == path && !get && r.Method != http.MethodDelete && r.Method != http.MethodHead:
		return "start", s.Start
	case own == "" && get:
		return "monitor", s.Monitor
	case own == "/result" && get && s.Style == Location:
		return "monitor", s.Monitor
	case own == "/result" && get:
		return "result", s.Result
	case own == "" && r.Method == http.MethodDelete, own == ":cancel" && r.Method == http.MethodPost:
		return "cancel", s.Cancel
	}
	return "", nil
}

// begin notes a request, and returns its number, and that within its sort.
func (s *Script) begin(r *http.Request, sort string, body []byte) (i, nth int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.seen {
		if q.Sort == sort {
			nth++
		}
	}
	s.seen = append(s.seen, Request{
		Sort: sort, Method: r.Method, URL: origin(r) + r.URL.RequestURI(), Header: r.Header.Clone(), Body: body, Begun: time.Now(),
	})
	if sort == "monitor" {
		s.under++
		s.most = max(s.most, s.under)
	}
	return len(s.seen) - 1, nth
}

func (s *Script) end(i int, sort string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[i].Ended = time.Now()
	if sort == "monitor" {
		s.under--
	}
}

// Requests returns what it was asked so far: of these sorts, or of all.
func (s *Script) Requests(sorts ...string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, 0, len(s.seen))
	for _, q := range s.seen {
		if len(sorts) == 0 || slices.Contains(sorts, q.Sort) {
			all = append(all, q)
		}
	}
	return all
}

// AtOnce returns how many polls there were at once, at most.
func (s *Script) AtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// Gaps returns how long it was from each answer to a poll to the next poll.
func (s *Script) Gaps() []time.Duration {
	polls := s.Requests("monitor")
	var gaps []time.Duration
	for i := 1; i < len(polls); i++ {
		gaps = append(gaps, polls[i].Begun.Sub(polls[i-1].Ended))
	}
	return gaps
}

// pause lets d pass, unless the client leaves before.
func pause(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
