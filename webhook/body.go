package webhook

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/antiphon-go/antiphon/internal/body"
)

var (
	errTooLarge = &RejectError{Reason: ReasonTooLarge}
	errSlow     = &RejectError{Reason: ReasonSlow}
)

// hurry bounds the time for the body, also for what of it the server reads when the
// request is refused, and reports whether the connection keeps to it. The clock of
// connections is always the real one.
func (in *intake) hurry(w http.ResponseWriter) (deadline time.Time, kept bool) {
	deadline = time.Now().Add(in.patience)
	return deadline, http.NewResponseController(w).SetReadDeadline(deadline) == nil
}

// read reads the body, within the limits of size and time.
func (in *intake) read(r *http.Request, kept bool) ([]byte, error) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return []byte{}, nil
	case !kept:
		return in.readAside(r)
	}
	return readBody(r.Body, r.ContentLength, in.maxBody)
}

// readAside reads where there are no deadlines: on a goroutine that ends when the
// server closes the body, after the answer, if not before.
func (in *intake) readAside(r *http.Request) ([]byte, error) {
	type result struct {
		body []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		var res result
		defer func() { done <- res }()
		res.err = safely(func() (err error) {
			res.body, err = readBody(r.Body, r.ContentLength, in.maxBody)
			return err
		})
	}()
	timer := in.clock.Timer(in.patience)
	defer timer.Stop()
	select {
	case res := <-done:
		return res.body, res.err
	case <-timer.C:
		return nil, errSlow
	}
}

// readBody reads r to its end, and at most limit bytes.
func readBody(r io.Reader, declared, limit int64) ([]byte, error) {
	b, err := body.Read(r, declared, limit)
	if err != nil {
		return nil, unread(err)
	}
	return b, nil
}

// unread is why a body could not be read.
func unread(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case errors.As(err, &large), errors.Is(err, body.ErrTooLarge):
		return errTooLarge
	}
	return &RejectError{Reason: ReasonBody, Err: err}
}
