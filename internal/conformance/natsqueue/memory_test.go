package natsqueue_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// heap is what this process holds.
func heap() int {
	var m runtime.MemStats
	for range 2 { // what pools have goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// What a process holds is bounded by what its queues have: of each job that waits or is
// worked on its payload once, and of one that has ended nothing that is long.
func TestX6_WhatAProcessHolds(t *testing.T) {
	const n, payload = 400, 8 << 10
	s := natsd.Run(t, &natsd.Options{Dir: t.TempDir(), Process: true}) // whose memory is not ours
	b := open(t, dial(t, s.URL()), &natsqueue.Options{Timeout: time.Minute})
	held := func(what string, count, bound int, do func()) {
		t.Helper()
		before := heap()
		do()
		each := (heap() - before) / count
		t.Logf("%s: %d bytes", what, each)
		if each > bound {
			t.Errorf("%s: %d bytes, of at most %d", what, each, bound)
		}
	}
	stats := func(queue string, want driver.Stats) {
		t.Helper()
		got, err := b.Stats(t.Context(), queue)
		if err != nil || got.Ready != want.Ready || got.Running != want.Running || got.Kept != want.Kept {
			t.Errorf("%s: %+v, %v", queue, got, err)
		}
	}
	stats("another", driver.Stats{})
	held("a queue", 20, 256<<10, func() {
		for i := range 20 {
			stats(fmt.Sprint("queue ", i), driver.Stats{})
		}
	})
	for _, size := range []int{0, payload} {
		queue := fmt.Sprint("of ", size)
		put := driver.PutRequest{Queue: queue}
		var leased []driver.Leased
		held(fmt.Sprintf("a job that waits, of %d bytes", size), n, size+size/4+2<<10, func() {
			for range n {
				id := rand.Text()
				put.Jobs = append(put.Jobs, driver.Envelope{ID: id, Unique: id, Group: id, Payload: bytes.Repeat([]byte{1}, size), Keep: time.Hour})
			}
			if _, err := b.Put(t.Context(), put); err != nil {
				t.Fatal(err)
			}
			put.Jobs = nil
			stats(queue, driver.Stats{Ready: n})
		})
		held(fmt.Sprintf("more if it is leased, of %d bytes", size), n, 1<<10, func() {
			var err error
			if leased, err = b.Take(t.Context(), nil, driver.TakeRequest{Queue: queue, Max: n, Lease: time.Hour}); err != nil || len(leased) != n {
				t.Fatal(len(leased), err)
			}
			for i := range leased {
				leased[i] = driver.Leased{Lease: leased[i].Lease}
			}
			stats(queue, driver.Stats{Running: n})
		})
		held(fmt.Sprintf("more if it has ended, with a result of %d bytes", size), n, 2<<10-size, func() {
			settle := make([]driver.Settlement, n)
			for i, l := range leased {
				settle[i] = driver.Settlement{Lease: l.Lease, State: antiphon.StateSucceeded, Result: bytes.Repeat([]byte{1}, size)}
			}
			if errs := b.Settle(t.Context(), queue, settle); errs != nil {
				t.Fatal(errs)
			}
			stats(queue, driver.Stats{Kept: n})
		})
		runtime.KeepAlive(leased)
	}
}
