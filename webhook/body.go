package webhook

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// What is taken for a body before anything of it has come: its declared length, but no
// more than this. Who only declares must not make us hold more than he has sent.
const firstRoom = 64 << 10

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
func (in *intake) readAside(r *http.Request) (body []byte, err error) {
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

// readBody reads r to its end into one buffer, and at most limit bytes. The declared
// length may be -1, for unknown, and need not be true.
func readBody(r io.Reader, declared, limit int64) ([]byte, error) {
	room := declared + 1 // the last read, which finds the end, wants room too
	if declared < 0 {
		room = 512
	}
	body := make([]byte, 0, min(room, firstRoom, limit+1))
	for {
		if len(body) == cap(body) {
			body = grown(body, declared, limit)
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, errTooLarge
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, unread(err)
		}
	}
}

// unread is why a body could not be read.
func unread(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case errors.As(err, &large):
		return errTooLarge
	}
	return &RejectError{Reason: ReasonBody, Err: err}
}

// grown returns body, which is within the limit, with room for more: for all that is
// declared or, if nothing is, for as much again.
func grown(body []byte, declared, limit int64) []byte {
	size := 2 * int64(len(body))
	if declared >= int64(len(body)) {
		size = declared + 1
	}
	return append(make([]byte, 0, min(size, limit+1)), body...)
}
