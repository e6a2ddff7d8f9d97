package webhooktest

import (
	"compress/gzip"
	"io"
	"net/http"
	"sync"
	"time"
)

// A Target is a receiver that behaves as a script says, and notes what came. It does not
// verify anything.
//
// Concurrency: serving is safe; the exported fields are not changed meanwhile.
//
// Zero value: it answers 204 to all.
type Target struct {
	// Steps are how it answers the first, second, third … push; the last stands for all
	// that follow.
	Steps []Step
	// By tells how it answers a push in place of Steps: the n-th, from 1. May be nil.
	By func(n int, r Pushed) Step

	mu     sync.Mutex
	pushed []Pushed
	under  int
	most   int
}

// A Step is how a Target answers one push. The zero value is 204.
type Step struct {
	// Status is the response's. 0 means 204, or 200 if there is a body.
	Status int
	// Header is added to the response's.
	Header http.Header
	// Body is sent as it is.
	Body string

	// Delay is how long the answer takes, or less if the sender leaves.
	Delay time.Duration
	// Hang is no answer at all, until the sender leaves.
	Hang bool
	// Cut breaks the connection in place of an answer.
	Cut bool
	// Bytes are sent after the Body: so many zeros.
	Bytes int64
	// Gzip compresses these, and says so: a bomb.
	Gzip bool
	// Drip waits so long before each of them.
	Drip time.Duration
}

// Pushed is what came in a push.
type Pushed struct {
	Path   string
	Header http.Header
	Body   []byte
	At     time.Time
}

// ServeHTTP answers a push.
func (t *Target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p := Pushed{r.URL.Path, r.Header.Clone(), body, time.Now()}
	n := t.begin(p)
	defer t.end()
	var s Step
	switch {
	case t.By != nil:
		s = t.By(n, p)
	case len(t.Steps) > 0:
		s = t.Steps[min(n, len(t.Steps))-1]
	}
	s.answer(w, r)
}

func (t *Target) begin(p Pushed) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pushed = append(t.pushed, p)
	t.under++
	t.most = max(t.most, t.under)
	return len(t.pushed)
}

func (t *Target) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.under--
}

// Pushed returns what came so far.
func (t *Target) Pushed() []Pushed {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Pushed(nil), t.pushed...)
}

// AtOnce returns how many pushes were being answered at once, at most.
func (t *Target) AtOnce() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.most
}

func (s Step) answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.Delay > 0 && !pause(r, s.Delay):
		return
	case s.Cut:
		panic(http.ErrAbortHandler)
	case s.Hang:
		<-r.Context().Done()
		return
	}
	for name, values := range s.Header {
		w.Header()[name] = values
	}
	var out io.Writer = w
	if s.Gzip {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		out = z
	}
	status := s.Status
	if status == 0 {
		if status = http.StatusNoContent; s.Body != "" || s.Bytes > 0 {
			status = http.StatusOK
		}
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(out, s.Body)
	zeros := make([]byte, 32<<10)
	for left := s.Bytes; left > 0; {
		some := min(left, int64(len(zeros)))
		if s.Drip > 0 {
			if some = 1; !pause(r, s.Drip) {
				return
			}
		}
		if _, err := out.Write(zeros[:some]); err != nil {
			return
		}
		if s.Drip > 0 {
			_ = http.NewResponseController(w).Flush()
		}
		left -= some
	}
}

// pause lets d pass, unless the sender leaves before.
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
