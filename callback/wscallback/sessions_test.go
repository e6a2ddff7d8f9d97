package wscallback_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

// A weight is what the process holds.
type weight struct {
	heap, stack int64 // bytes
	goroutines  int
}

func weigh() weight {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return weight{int64(m.HeapAlloc), int64(m.StackInuse), runtime.NumGoroutine()}
}

// each is what each of n ends holds more than at the beginning.
func (w weight) each(base weight, n int) weight {
	return weight{(w.heap - base.heap) / int64(n), (w.stack - base.stack) / int64(n), (w.goroutines - base.goroutines + n/2) / n}
}

// ours are many peers, at both ends, who connect, ask, and stay.
type ours struct {
	tb    testing.TB
	net   *memoryNet
	peers []*callback.Peer
	ended sync.WaitGroup
}

func (o *ours) join(n int) {
	client := o.net.client()
	for range n {
		c, err := wscallback.Dial(context.Background(), "ws://memory/", &wscallback.Options{Client: client})
		if err != nil {
			o.tb.Fatal(err)
		}
		p := callback.NewPeer(c, nil)
		o.ended.Go(func() { _ = p.Run(context.Background()) })
		if v, err := callback.Dial[int, int](p, "echo", nil)(nil, 7).Await(context.Background()); v != 7 || err != nil { //nolint:staticcheck // nil is Background
			o.tb.Fatal(v, err)
		}
		o.peers = append(o.peers, p)
	}
}

func (o *ours) leave() {
	for _, p := range o.peers {
		_ = p.Close()
	}
	o.ended.Wait()
}

// bare is the library alone, with what it needs: somebody who reads, at both ends.
type bare struct {
	tb    testing.TB
	net   *memoryNet
	conns []*websocket.Conn
	ended sync.WaitGroup
}

func (o *bare) join(n int) {
	client, ctx := o.net.client(), context.Background()
	for range n {
		ws, _, err := websocket.Dial(ctx, "ws://memory/", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			o.tb.Fatal(err)
		}
		got := make(chan struct{}, 1)
		o.ended.Go(func() {
			for {
				if _, _, err := ws.Read(ctx); err != nil {
					return
				}
				got <- struct{}{}
			}
		})
		if err := ws.Write(ctx, binaryForm, []byte("7")); err != nil {
			o.tb.Fatal(err)
		}
		<-got
		o.conns = append(o.conns, ws)
	}
}

func (o *bare) leave() {
	for _, ws := range o.conns {
		_ = ws.Close(websocket.StatusNormalClosure, "")
	}
	o.ended.Wait()
}

func bareServer(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	for {
		_, b, err := ws.Read(context.Background())
		if err == nil {
			err = ws.Write(context.Background(), binaryForm, b)
		}
		if err != nil {
			_ = ws.CloseNow()
			return
		}
	}
}

// crowds makes both crowds, and what they connect to.
func crowds(tb testing.TB) (mine *ours, theirs *bare) {
	n, _ := inMemory(tb, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
	m := listening(tb, http.HandlerFunc(bareServer), wscallback.Handler(never, nil))
	return &ours{tb: tb, net: n}, &bare{tb: tb, net: m}
}

// What a session holds at each end, beside what net/http and the WebSocket library
// hold: at most 20 KiB, and 2 goroutines while it is used, one of which is that of
// net/http. When all have left, nothing is left.
func TestSessions(t *testing.T) {
	n := 500
	if raceEnabled { // which takes its time
		n = 50
	}
	synctest.Test(t, func(t *testing.T) {
		mine, theirs := crowds(t)
		mine.join(1) // what is made once
		theirs.join(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		base := weigh()
		theirs.join(n)
		synctest.Wait()
		library := weigh().each(base, 2*n)
		base = weigh()
		mine.join(n)
		synctest.Wait()
		used := weigh().each(base, 2*n)
		time.Sleep(time.Hour)
		synctest.Wait()
		idle := weigh().each(base, 2*n)
		t.Logf("at each end: the library %+v; all, used %+v, idle %+v", library, used, idle)
		if used.goroutines > 2 || idle.goroutines > 1 {
			t.Errorf("goroutines of an end: used %d, idle %d", used.goroutines, idle.goroutines)
		}
		if own := idle.heap + idle.stack - library.heap - library.stack; own > 20<<10 && !raceEnabled {
			t.Errorf("an end holds %d bytes of ours", own)
		}
		mine.leave()
		theirs.leave()
		time.Sleep(time.Minute)
		synctest.Wait()
	}) // a goroutine that is left fails the bubble
}

// Nothing is left of sessions over a real network either: no goroutine, and no
// descriptor.
func TestC7_SessionsOverLoopback(t *testing.T) {
	const n = 300
	before, open := runtime.NumGoroutine(), descriptors(t)
	h := wscallback.Handler(serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
	srv := httptest.NewServer(h)
	client := &http.Client{Transport: &http.Transport{}}
	for range 3 {
		o := &ours{tb: t}
		for range n {
			c, err := wscallback.Dial(t.Context(), srv.URL, &wscallback.Options{Client: client})
			if err != nil {
				t.Fatal(err)
			}
			p := callback.NewPeer(c, nil)
			o.ended.Go(func() { _ = p.Run(context.Background()) })
			o.peers = append(o.peers, p)
			if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), 7).Await(t.Context()); v != 7 || err != nil {
				t.Fatal(v, err)
			}
		}
		if open > 0 && descriptors(t) < open+2*n {
			t.Error("descriptors are not counted")
		}
		o.leave()
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	srv.Close()
	client.CloseIdleConnections()
	limit := time.After(hung)
	for again := time.NewTicker(10 * time.Millisecond); ; <-again.C {
		if runtime.NumGoroutine() <= before && descriptors(t) <= open {
			again.Stop()
			return
		}
		select {
		case <-limit:
			t.Fatalf("%d goroutines and %d descriptors, where there were %d and %d", runtime.NumGoroutine(), descriptors(t), before, open)
		default:
		}
	}
}

// descriptors counts those that are open, where that can be seen.
func descriptors(t *testing.T) int {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Log("descriptors are not counted here:", err)
		return 0
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	return len(names) - 1
}

// Ten thousand sessions connect, ask, and idle: what each end holds, of which the
// library and net/http hold some, and what it takes to connect and ask once.
func BenchmarkSessions(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		mine, theirs := crowds(b)
		mine.join(1)
		theirs.join(1)
		base := weigh()
		theirs.join(n)
		library := weigh().each(base, 2*n)
		base = weigh()
		start := time.Now()
		mine.join(n)
		took := time.Since(start)
		used := weigh().each(base, 2*n)
		idle := weight{}
		tick := time.NewTicker(100 * time.Millisecond)
		for range 100 { // until the writers have gone
			if idle = weigh().each(base, 2*n); idle.goroutines <= 1 {
				break
			}
			<-tick.C
		}
		tick.Stop()
		b.ReportMetric(float64(idle.heap+idle.stack-library.heap-library.stack), "own-B/end")
		b.ReportMetric(float64(library.heap+library.stack), "library-B/end")
		b.ReportMetric(float64(used.goroutines), "used-goroutines/end")
		b.ReportMetric(float64(idle.goroutines), "idle-goroutines/end")
		b.ReportMetric(float64(took.Microseconds())/n, "µs/connect")
		mine.leave()
		theirs.leave()
	}
}
