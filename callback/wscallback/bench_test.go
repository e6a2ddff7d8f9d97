package wscallback_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
)

// A rawMux is what everybody writes first: a number before the body, a map of
// channels, one frame a message.
type rawMux struct {
	ws *websocket.Conn

	mu   sync.Mutex
	next uint64
	wait map[uint64]chan []byte
}

func (m *rawMux) ask(ctx context.Context, body []byte) ([]byte, error) {
	c := make(chan []byte, 1)
	m.mu.Lock()
	m.next++
	id := m.next
	m.wait[id] = c
	m.mu.Unlock()
	frame := append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(body)), id), body...)
	if err := m.ws.Write(ctx, websocket.MessageBinary, frame); err != nil {
		return nil, err
	}
	return <-c, nil
}

func (m *rawMux) read(ctx context.Context) {
	for {
		_, b, err := m.ws.Read(ctx)
		if err != nil {
			return
		}
		id := binary.BigEndian.Uint64(b)
		m.mu.Lock()
		c := m.wait[id]
		delete(m.wait, id)
		m.mu.Unlock()
		c <- b[8:]
	}
}

// rawServer answers each frame with itself, each on a goroutine of its own.
func rawServer(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	ctx := context.Background()
	for {
		_, b, err := ws.Read(ctx)
		if err != nil {
			return
		}
		go func() { _ = ws.Write(ctx, websocket.MessageBinary, b) }()
	}
}

// One question and its answer over a real port, beside the same by hand.
func BenchmarkAsk(b *testing.B) {
	ctx := context.Background()
	body := []byte("some bytes")
	for _, flight := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("inflight=%d/raw", flight), func(b *testing.B) {
			srv := httptest.NewServer(http.HandlerFunc(rawServer))
			defer srv.Close()
			ws, _, err := websocket.Dial(ctx, srv.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			m := &rawMux{ws: ws, wait: map[uint64]chan []byte{}}
			go m.read(ctx)
			defer func() { _ = ws.CloseNow() }()
			inFlight(b, flight, func() {
				if _, err := m.ask(ctx, body); err != nil {
					b.Error(err)
				}
			})
		})
		b.Run(fmt.Sprintf("inflight=%d/antiphon", flight), func(b *testing.B) {
			o := &callback.PeerOptions{Codec: callback.Bytes{}}
			url := overLoopback(b, serving(func(p *callback.Peer) {
				callback.Serve(p, "echo", func(_ context.Context, q []byte) ([]byte, error) { return q, nil }, nil)
			}, o), nil)
			ask := callback.Dial[[]byte, []byte](peerOn(b, url, nil, o), "echo", nil)
			inFlight(b, flight, func() {
				if _, err := ask(ctx, body).Await(ctx); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// inFlight does b.N times do with n goroutines, and reports what that took of the
// processors, at both ends.
func inFlight(b *testing.B, n int, do func()) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	for range n {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				do()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
