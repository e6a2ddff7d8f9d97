package body_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/antiphon-go/antiphon/internal/body"
)

// Whatever is declared, what there is is read, and no more than the limit.
func TestRead(t *testing.T) {
	const limit = 200_000
	for _, size := range []int{0, 1, 511, 512, 513, 64 << 10, 64<<10 + 1, limit - 1, limit, limit + 1} {
		for _, declared := range []int64{-1, 0, 1, int64(size), int64(size) + 1, 1 << 40} {
			for name, wrap := range map[string]func(io.Reader) io.Reader{"all": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "with the end": iotest.DataErrReader} {
				want := bytes.Repeat([]byte("x"), size)
				got, err := body.Read(wrap(bytes.NewReader(want)), declared, limit)
				if size > limit {
					if !errors.Is(err, body.ErrTooLarge) || got != nil {
						t.Errorf("%d, declared %d, %s: %d, %v", size, declared, name, len(got), err)
					}
					continue
				}
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d, declared %d, %s: %d, %v", size, declared, name, len(got), err)
				}
			}
		}
	}
	if _, err := body.Read(iotest.ErrReader(io.ErrUnexpectedEOF), 10, limit); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

// A length that is only declared takes no memory.
func TestDeclaredLengthTakesNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 8 {
		_, _ = body.Read(iotest.ErrReader(io.ErrUnexpectedEOF), 32<<20, 32<<20)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / 8; each > 128<<10 {
		t.Errorf("%d bytes", each)
	}
}
