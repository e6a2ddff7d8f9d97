package callbackbench

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A mux is what one would write by hand: each question and each answer is a
// message, which begins with its number. It knows no time limits.
type mux struct {
	ws *websocket.Conn

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan []byte
}

func muxJSON(t testing.TB) asker {
	m := openMux(t, func(body []byte) ([]byte, error) {
		var q echo
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		return json.Marshal(q)
	})
	return func(ctx context.Context, n int) error {
		q, err := json.Marshal(question(n))
		if err != nil {
			return err
		}
		body, err := m.ask(ctx, q)
		if err != nil {
			return err
		}
		var a echo
		err = json.Unmarshal(body, &a)
		return wrong(n, a, err)
	}
}

func muxBytes(t testing.TB) asker {
	m := openMux(t, func(body []byte) ([]byte, error) { return body, nil })
	return func(ctx context.Context, n int) error {
		a, err := m.ask(ctx, questionBytes(n))
		return wrongBytes(n, a, err)
	}
}

func openMux(t testing.TB, work func([]byte) ([]byte, error)) *mux {
	m := &mux{waiting: map[uint64]chan []byte{}}
	m.ws = webSockets(t, func(ws *websocket.Conn) { muxAnswer(ws, work) })
	go m.read()
	return m
}

func (m *mux) ask(ctx context.Context, body []byte) ([]byte, error) {
	c := make(chan []byte, 1)
	m.mu.Lock()
	m.last++
	id := m.last
	m.waiting[id] = c
	m.mu.Unlock()
	if err := m.ws.Write(context.Background(), websocket.MessageBinary, numbered(id, body)); err != nil {
		return nil, err
	}
	select {
	case a := <-c:
		return a, nil
	case <-ctx.Done():
		m.take(id)
		return nil, ctx.Err()
	}
}

func (m *mux) take(id uint64) chan []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.waiting[id]
	delete(m.waiting, id)
	return c
}

func (m *mux) read() {
	for {
		_, b, err := m.ws.Read(context.Background())
		if err != nil {
			return
		}
		if c := m.take(binary.BigEndian.Uint64(b)); c != nil {
			c <- b[8:]
		}
	}
}

func numbered(id uint64, body []byte) []byte {
	b := make([]byte, 8, 8+len(body))
	binary.BigEndian.PutUint64(b, id)
	return append(b, body...)
}

// muxAnswer has a goroutine for each question, so that slow work holds up nobody.
func muxAnswer(ws *websocket.Conn, work func([]byte) ([]byte, error)) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		_, b, err := ws.Read(context.Background())
		if err != nil {
			return
		}
		all.Go(func() {
			if a, err := work(b[8:]); err == nil {
				_ = ws.Write(context.Background(), websocket.MessageBinary, numbered(binary.BigEndian.Uint64(b), a))
			}
		})
	}
}

// pingPong is the limit: bytes over the loopback, all that are under way in one
// write, and no goroutine in between.
func pingPong(b *testing.B, flight int) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 64<<10)
		for err == nil {
			var n int
			if n, err = c.Read(buf); n > 0 {
				_, err = c.Write(buf[:n])
			}
		}
		_ = c.Close()
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Close()
		_ = l.Close()
		<-ended
	})
	const size = 64
	out, in := make([]byte, size*flight), make([]byte, size*flight)
	b.ReportAllocs()
	b.ResetTimer()
	used := cpu()
	for n := 0; n < b.N; n += flight {
		for k := range flight {
			binary.BigEndian.PutUint64(out[k*size:], uint64(n+k))
		}
		if _, err := c.Write(out); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, in); err != nil {
			b.Fatal(err)
		}
		if !bytes.Equal(in, out) {
			b.Fatal("wrong answer")
		}
	}
	return cpu() - used
}
