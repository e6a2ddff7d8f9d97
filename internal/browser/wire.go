package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
)

// A wire is the pipe to the browser: JSON objects, each with a zero byte after it.
type wire struct {
	in   *os.File
	out  *os.File
	done chan struct{} // closed when the reader has ended

	writing chan struct{} // has room for one

	mu      sync.Mutex
	last    int
	pending map[int]chan *frame
	events  map[string]func(method string, params json.RawMessage) // by session
}

// A frame is a command, its result, or an event.
type frame struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

func newWire(in, out *os.File) *wire {
	w := &wire{
		in: in, out: out,
		done:    make(chan struct{}),
		writing: make(chan struct{}, 1),
		pending: map[int]chan *frame{},
		events:  map[string]func(string, json.RawMessage){},
	}
	go w.read()
	return w
}

func (w *wire) close() {
	_, _ = w.in.Close(), w.out.Close()
	<-w.done
}

// read is the goroutine that hands out what comes until the pipe is closed.
func (w *wire) read() {
	defer close(w.done)
	r := bufio.NewReader(w.out)
	for {
		b, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var f frame
		if json.Unmarshal(b[:len(b)-1], &f) != nil {
			continue
		}
		w.mu.Lock()
		answer, event := w.pending[f.ID], w.events[f.Session]
		delete(w.pending, f.ID)
		w.mu.Unlock()
		switch {
		case answer != nil:
			answer <- &f
		case f.Method != "" && event != nil:
			event(f.Method, f.Params)
		}
	}
}

var errGone = errors.New("the browser has ended")

// call gives a command, within a session or none, and waits for its result.
func (w *wire) call(ctx context.Context, session, method string, params, result any) error {
	f := frame{Session: session, Method: method}
	if params != nil {
		b, err := json.Marshal(params)
		if err != nil {
			return err
		}
		f.Params = b
	}
	answer := make(chan *frame, 1)
	w.mu.Lock()
	w.last++
	f.ID = w.last
	w.pending[f.ID] = answer
	w.mu.Unlock()
	if err := w.write(ctx, &f); err != nil {
		return err
	}
	select {
	case a := <-answer:
		if a.Error != nil {
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-w.done:
		return errGone
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

func (w *wire) write(ctx context.Context, f *frame) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	select {
	case w.writing <- struct{}{}:
		defer func() { <-w.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err = io.WriteString(w.in, string(b)+"\x00")
	return err
}

// must is call that fails the test.
func (w *wire) must(tb testing.TB, session, method string, params, result any) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.call(ctx, session, method, params, result); err != nil {
		tb.Fatal(err)
	}
}

// listen has f told of the events of a session, on the goroutine that reads.
func (w *wire) listen(session string, f func(method string, params json.RawMessage)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f == nil {
		delete(w.events, session)
		return
	}
	w.events[session] = f
}
