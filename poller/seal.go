package poller

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
)

// A seal says whether a request may be sent, and whether it may have been: before its
// body is read it is not.
type seal struct {
	state  atomic.Int32
	failed atomic.Pointer[error] // what the last attempt ended in that has ended by itself
	until  time.Time             // when whoever asks will have gone; zero if that is not to be said
}

const (
	sealed = iota // nothing was sent
	broken        // something may have been
	kept          // nothing will be
)

// open breaks the seal, and reports false if it has to be kept.
func (s *seal) open() bool { return s.state.CompareAndSwap(sealed, broken) || s.state.Load() == broken }

// keep reports whether nothing was sent; then nothing will be.
func (s *seal) keep() bool { return s.state.CompareAndSwap(sealed, kept) || s.state.Load() == kept }

// last is what the last attempt ended in, or nil.
func (s *seal) last() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// A letter is a body under a seal.
type letter struct {
	io.ReadCloser
	seal *seal
	read *atomic.Bool // of this attempt
}

func (l letter) Read(b []byte) (int, error) {
	if !l.seal.open() {
		return 0, errSealed
	}
	l.read.Store(true)
	return l.ReadCloser.Read(b)
}

var errSealed error = &antiphon.Error{Code: antiphon.CodeCanceled, Class: antiphon.ClassNotAccepted,
	Reason: "poller.sealed", Message: "poller: nobody wants it any more"}
