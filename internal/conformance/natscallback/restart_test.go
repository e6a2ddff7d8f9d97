package natscallback_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

// Of 10 000 asks that are under way when the server restarts, each is answered, or fails
// with the class that is true of it: what was not accepted is not done, and what is
// done is done once. Nothing is left of them.
func TestC6_TenThousandAsksOverARestart(t *testing.T) {
	const n = 10_000
	s := natsd.Run(t, nil)
	goroutines := runtime.NumGoroutine()
	var calls [3 * n]atomic.Int32
	answering, asking := connect(t, s.URL()), connect(t, s.URL())
	roomy := &natscallback.Options{Buffer: 8 << 20}
	o := &callback.PeerOptions{Outbox: n, Answers: n}
	answerer := callback.NewPeer(over(t, answering, roomy), o)
	callback.Serve(answerer, "f", func(_ context.Context, i int) (int, error) {
		if i >= 0 {
			calls[i].Add(1)
		}
		return i, nil
	}, &callback.ServeOptions{Queue: n})
	p := callback.NewPeer(over(t, asking, roomy), o)
	for _, p := range []*callback.Peer{answerer, p} {
		go func() { _ = p.Run(none) }()
	}
	there := func() {
		t.Helper()
		if v, err := outcome(t, callback.Dial[int, int](p, "f", again)(none, -1)); v != -1 || err != nil {
			t.Fatal(v, err)
		}
	}
	there()
	var held [3]uint64
	for round := range held {
		fs := make([]*future.Future[int], n)
		var stopped chan struct{}
		for i := range fs {
			fs[i] = callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: patience})(none, round*n+i)
			if i == n*(round+1)/4 {
				stopped = make(chan struct{})
				go func() { defer close(stopped); s.Stop() }()
			}
		}
		<-stopped
		s.Start()
		count := map[antiphon.Class]int{}
		for i, f := range fs {
			v, err := outcome(t, f)
			class := antiphon.ClassOf(err)
			count[class]++
			switch done := calls[round*n+i].Load(); {
			case done > 1:
				t.Errorf("ask %d was done %d times", i, done)
			case err == nil && (v != round*n+i || done != 1):
				t.Errorf("ask %d was answered with %d, and done %d times", i, v, done)
			case err != nil && class != antiphon.ClassUnknown && class != antiphon.ClassNotAccepted:
				t.Errorf("ask %d: %v of class %s", i, err, class)
			}
		}
		there()
		for i, f := range fs {
			if r, _ := f.Peek(); antiphon.ClassOf(r.Err) == antiphon.ClassNotAccepted && calls[round*n+i].Load() > 0 {
				t.Errorf("ask %d was done, and said not to be accepted: %v", i, r.Err)
			}
		}
		if left := p.Pending(); left != 0 {
			t.Errorf("%d pending", left)
		}
		t.Log(count)
		fs = nil
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		held[round] = m.HeapAlloc
	}
	if held[2] > held[0]+4<<20 {
		t.Errorf("%d bytes after the first restart, %d after the third", held[0], held[2])
	}
	_ = p.Close()
	_ = answerer.Close()
	asking.Close()
	answering.Close()
	eventually(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= goroutines })
}
