package callbacktest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// counting yields 0 to n-1, and keeps count of what was taken.
func counting(sent *atomic.Int64, left chan<- error) func(context.Context, int) iter.Seq2[int, error] {
	return func(ctx context.Context, n int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				sent.Add(1)
				if !yield(i, nil) {
					left <- ctx.Err()
					return
				}
			}
		}
	}
}

func checkStream(t *trial) {
	work := t.name("stream")
	var sent atomic.Int64
	left := make(chan error, 10)
	a, _ := t.pair(nil, nil, func(b *callback.Peer) { callback.ServeStream(b, work, counting(&sent, left), nil) })
	count := callback.DialStream[int, int](a, work, &callback.DialOptions{Timeout: t.wire.Patience})
	for _, n := range []int{0, 1, 64, 1000} {
		next := 0
		for i, err := range count(t.Context(), n) {
			if err != nil {
				t.Fatalf("after %d of %d parts: %v", next, n, err)
			}
			if i != next {
				t.Fatalf("part %d came when %d was next", i, next)
			}
			next++
		}
		if next != n {
			t.Errorf("%d parts came of %d", next, n)
		}
	}
	t.nonePending(a)
}

func checkStreamWaits(t *trial) {
	work := t.name("stream")
	var sent atomic.Int64
	left := make(chan error, 10)
	a, _ := t.pair(nil, nil, func(b *callback.Peer) { callback.ServeStream(b, work, counting(&sent, left), nil) })
	const window = 8
	count := callback.DialStream[int, int](a, work, &callback.DialOptions{Window: window, Timeout: 20 * t.wire.Patience})
	taken := 0
	for _, err := range count(t.Context(), 1000) {
		if err != nil {
			t.Fatalf("after %d parts: %v", taken, err)
		}
		taken++
		if taken%10 == 0 {
			t.Pause(t.While() / 10)
			if ahead := int(sent.Load()) - taken; ahead > 2*window+1 {
				t.Fatalf("the asker has room for %d, has taken %d, and the work is %d ahead", window, taken, ahead)
			}
		}
		if taken == 100 {
			break
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-left:
		case <-t.Context().Done():
		}
	}()
	t.Within("the asker left the loop, and the work did not end", done)
	t.nonePending(a)
}

func checkStreamOddities(t *trial) {
	x := t.actor(nil)
	count := callback.DialStream[int, int](x.a, x.name, nil)
	play := func(seqs []uint32, end *callback.Message) (got []int, failure error) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i, err := range count(t.Context(), 0) {
				if err != nil {
					failure = err
					return
				}
				got = append(got, i)
			}
		}()
		m := x.request()
		for _, seq := range seqs {
			t.send(x.B, &callback.Message{Kind: callback.Part, ID: m.ID, To: m.ReplyTo, Seq: seq, Body: []byte(fmt.Sprint(seq))})
		}
		if end != nil {
			end.Kind, end.ID, end.To = callback.Reply, m.ID, m.ReplyTo
			t.send(x.B, end)
		}
		t.Within("the stream did not end", done)
		return got, failure
	}
	got, err := play([]uint32{1, 2, 2, 1, 3, 3}, &callback.Message{Seq: 3})
	if fmt.Sprint(got) != "[1 2 3]" || err != nil {
		t.Errorf("parts came twice, and the asker saw %v, %v; want 1 to 3", got, err)
	}
	got, err = play([]uint32{1, 3}, nil)
	if !errors.Is(err, callback.ErrGap) || len(got) > 1 {
		t.Errorf("part 2 is missing, and the asker saw %v, %v; want callback.ErrGap", got, err)
	}
	got, err = play([]uint32{1, 2}, &callback.Message{Seq: 3})
	if !errors.Is(err, callback.ErrGap) {
		t.Errorf("the last part is missing, and the asker saw %v, %v; want callback.ErrGap", got, err)
	}
	sold := &antiphon.Error{Code: antiphon.CodeFailedPrecondition, Reason: "callbacktest.sold_out", Message: "sold out"}
	got, err = play([]uint32{1}, &callback.Message{Seq: 1, Err: sold})
	if fmt.Sprint(got) != "[1]" || !errors.Is(err, sold) {
		t.Errorf("the stream ended with an error after one part, and the asker saw %v, %v", got, err)
	}
	t.nonePending(x.a)
}

func checkStreamCut(t *trial) {
	work := t.name("stream")
	begun := make(chan struct{}, 10)
	p := t.patient(func(b *callback.Peer) {
		callback.ServeStream(b, work, func(ctx context.Context, n int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				if yield(n, nil) {
					begun <- struct{}{}
					_, err := t.block(ctx, n)
					yield(0, err)
				}
			}
		}, nil)
	})
	parts := 0
	var failure error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, err := range callback.DialStream[int, int](p.a, work, nil)(t.Context(), 1) {
			if failure = err; err == nil {
				parts++
			}
		}
	}()
	t.all("the stream did not begin", 1, begun)
	t.Pause(t.While())
	p.Cut()
	t.Within("the connection broke, and the stream over it did not end", done)
	if !errors.Is(failure, callback.ErrDisconnected) || parts != 1 {
		t.Errorf("the connection broke after one part, and the asker saw %d and %v", parts, failure)
	}
	t.nonePending(p.a)
}

func checkIdle(t *trial) {
	work := t.name("reporting")
	unit, idle := 10*time.Millisecond, 10
	if !t.wire.Bubble { // who reports may have to wait for a processor
		unit, idle = 50*time.Millisecond, 40
	}
	a, _ := t.pair(nil, nil, func(b *callback.Peer) {
		callback.Serve(b, work, func(ctx context.Context, n int) (int, error) {
			for i := range n {
				antiphon.Report(ctx, float64(i), "still at work", nil)
				select {
				case <-time.After(unit):
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}
			return n, nil
		}, nil)
	})
	long := time.Duration(idle+5) * unit
	ask := callback.Dial[int, int](a, work, &callback.DialOptions{Idle: time.Duration(idle) * unit})
	if r := outcome(t, ask(t.Context(), idle+5)); r.Err != nil {
		t.Errorf("the work reported all the time, and the ask ended with %v", r.Err)
	}
	start := time.Now()
	ask = callback.Dial[int, int](a, work, &callback.DialOptions{Idle: time.Duration(idle) * unit, Timeout: long})
	err := outcome(t, ask(t.Context(), 1000)).Err
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > long+t.wire.Slack || took < long {
		t.Errorf("the work reported past the timeout of %v, and the ask ended after %v with %v", long, took, err)
	}
	t.nonePending(a)
}
