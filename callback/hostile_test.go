package callback_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// Situation 30: what makes no sense is observed and harms nothing.
func TestGarbage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, f := alone(t, &callback.PeerOptions{Observer: es.observe, MaxBody: 100})
		callback.Serve(p, "f", echo, nil)
		callback.ServeStream(p, "s", count, nil)
		r := rand.New(rand.NewPCG(1, 2))
		kinds := []callback.Kind{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 32, 33, 200, 254, 255}
		bodies := []string{"", "1", "{", "null", `{"percent":1e999}`, strings.Repeat("[", 90), strings.Repeat("x", 101)}
		names := []string{"", "f", "s", "nobody", "\xff"}
		for range 20000 {
			m := callback.Message{
				Kind: kinds[r.IntN(len(kinds))],
				ID:   callback.ID{byte(r.IntN(20)), byte(r.IntN(2))},
				To:   names[r.IntN(4)], ReplyTo: names[r.IntN(3)],
				Seq:  uint32(r.IntN(4)) * r.Uint32(),
				Body: []byte(bodies[r.IntN(len(bodies))]),
			}
			if r.IntN(3) == 0 {
				m.Err = &antiphon.Error{Code: "strange"}
			}
			if r.IntN(2) == 0 {
				m.Deadline = time.Now().Add(time.Duration(r.IntN(3)-1) * time.Second)
			}
			if r.IntN(50) == 0 {
				m.ID = callback.ID{}
			}
			if r.IntN(100) == 0 {
				f.all()
				time.Sleep(time.Millisecond)
			}
			if ok, err := f.wire.(callback.TrySender).TrySend(&m); err != nil {
				t.Fatal(err)
			} else if !ok {
				f.all()
			}
		}
		f.all()
		if es.count("callback.malformed") == 0 || es.count("callback.unknown") == 0 || es.count("callback.rejected") == 0 {
			t.Error("nothing was told")
		}
		f.request("f", 77, "7")
		for {
			m := f.peek()
			if m == nil {
				t.Fatal("no answer after all that")
			}
			if m.Kind == callback.Reply && m.ID[0] == 77 {
				break
			}
		}
	})
}

// id is an id of the n-th request of a flood.
func floodID(n int) (id callback.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)+1)
	return id
}

// A flood ten times of what is allowed: memory is bounded, what is refused is so at
// once, replies still flow, and after it everything works as before.
func TestC5_Overload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		var calls atomic.Int64
		callback.Serve(p, "f", func(ctx context.Context, q []byte) ([]byte, error) {
			calls.Add(1)
			time.Sleep(time.Second)
			return q[:10], nil
		}, &callback.ServeOptions{Codec: callback.Bytes{}})
		before := liveHeap()
		body := make([]byte, 10<<10)
		refused, answered := 0, 0
		read := func() {
			for _, m := range f.all() {
				switch {
				case m.Kind != callback.Reply:
				case m.Err == nil:
					answered++
				case antiphon.ClassOf(m.Err) == antiphon.ClassNotAccepted:
					refused++
				default:
					t.Error(m.Err)
				}
			}
		}
		const flood = 11000 // 64 run, and 1024 wait
		start := time.Now()
		for n := range flood {
			f.send(callback.Message{Kind: callback.Request, ID: floodID(n), To: "f", Deadline: start.Add(time.Minute), Body: append([]byte(nil), body...)})
			if n%100 == 99 {
				read()
			}
		}
		read()
		if want := flood - 64 - 1024; refused != want || time.Since(start) != 0 {
			t.Errorf("%d refused, want %d, after %v", refused, want, time.Since(start))
		}
		if n := liveHeap() - before; n > 1200*(11<<10)+1<<20 {
			t.Errorf("%d bytes held", n)
		}
		own := callback.Dial[int, int](p, "g", nil)(none, 1) // replies to us still flow
		f.answer(f.next(callback.Request), "7")
		if v, err := await(t, own); v != 7 || err != nil {
			t.Error(v, err)
		}
		for range 20 {
			time.Sleep(time.Second)
			read()
		}
		if answered != 64+1024 || calls.Load() != 64+1024 {
			t.Errorf("%d answered of %d", answered, calls.Load())
		}
		time.Sleep(time.Hour)
		if n := liveHeap() - before; n > 1<<20 {
			t.Errorf("%d bytes held after it", n)
		}
		f.send(callback.Message{Kind: callback.Request, ID: floodID(flood), To: "f", Body: body})
		f.next(callback.Reply)
	})
}

// liveHeap is how many bytes are held.
func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What a request has held is free when it is answered, whatever time it had left.
func TestWhatIsAnsweredIsNotHeld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		callback.Serve(p, "f", func(ctx context.Context, q []byte) ([]byte, error) {
			select {
			case <-ctx.Done():
			default:
			}
			return nil, nil
		}, &callback.ServeOptions{Codec: callback.Bytes{}})
		before := liveHeap()
		for n := range 500 {
			f.send(callback.Message{Kind: callback.Request, ID: floodID(n), To: "f", Deadline: time.Now().Add(time.Hour), Body: make([]byte, 100<<10)})
			f.next(callback.Reply)
		}
		synctest.Wait()
		if n := liveHeap() - before; n > 5<<20 {
			t.Errorf("%d bytes held", n)
		}
	})
}

// Floods of what costs nothing to send hold no memory to speak of.
func TestFloodsHoldNothing(t *testing.T) {
	for name, flood := range map[string]func(n int) callback.Message{
		"cancels": func(n int) callback.Message { return callback.Message{Kind: callback.Cancel, ID: floodID(n)} },
		"credits": func(n int) callback.Message {
			return callback.Message{Kind: callback.Credit, ID: floodID(n), Seq: 1 << 31}
		},
		"replies": func(n int) callback.Message {
			return callback.Message{Kind: callback.Reply, ID: floodID(n), Body: make([]byte, 100)}
		},
		"parts": func(n int) callback.Message {
			return callback.Message{Kind: callback.Part, ID: floodID(n), Seq: uint32(n)}
		},
		"pings": func(n int) callback.Message { return callback.Message{Kind: callback.Ping} },
		"events": func(n int) callback.Message {
			return callback.Message{Kind: callback.Event, To: "f", Body: []byte("1")}
		},
		"unknown kinds": func(n int) callback.Message { return callback.Message{Kind: 99, Body: make([]byte, 100)} },
		"unknown names": func(n int) callback.Message {
			return callback.Message{Kind: callback.Request, ID: floodID(n), To: fmt.Sprint(n)}
		},
		"reply addresses": func(n int) callback.Message {
			return callback.Message{Kind: callback.Request, ID: floodID(n), To: "f", ReplyTo: fmt.Sprint(n, strings.Repeat("r", 500))}
		},
		"one id": func(n int) callback.Message {
			return callback.Message{Kind: callback.Request, ID: floodID(1), To: "slow", Body: make([]byte, 100)}
		},
		"expired": func(n int) callback.Message {
			return callback.Message{Kind: callback.Request, ID: floodID(n), To: "f", Deadline: time.Now()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				x, y := callback.Pipe(nil)
				wire := &stuck{Transport: x, kinds: map[callback.Kind]bool{callback.Pong: true, callback.Reply: true}}
				p, f := callback.NewPeer(wire, nil), farEnd(t, y)
				run(t, p)
				callback.Serve(p, "f", echo, nil)
				callback.Serve(p, "slow", func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, nil }, &callback.ServeOptions{Codec: callback.Bytes{}})
				wire.close() // and it does not read
				synctest.Wait()
				before, gs := liveHeap(), runtime.NumGoroutine()
				for n := range 20000 {
					f.send(flood(n))
					if n%200 == 0 {
						synctest.Wait()
					}
				}
				synctest.Wait()
				if n := liveHeap() - before; n > 4<<20 {
					t.Errorf("%d bytes held", n)
				}
				if n := runtime.NumGoroutine() - gs; n > 70 {
					t.Errorf("%d goroutines", n)
				}
				wire.open()
				f.all()
				f.request("f", 200, "1")
				for {
					if m := f.peek(); m == nil {
						t.Fatal("no answer after all that")
					} else if m.ID == (callback.ID{200, 1}) && m.Err == nil {
						break
					}
				}
			})
		})
	}
}

// A peer that never reads fills the outbox, and then the slots of its own requests;
// what it asks more is refused, and other work goes on.
func TestC8_PeerThatNeverReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 4, SendTimeout: time.Hour})
		var calls atomic.Int64
		callback.Serve(p, "f", func(_ context.Context, n int) (int64, error) { return calls.Add(1), nil }, &callback.ServeOptions{Concurrency: 2, Queue: 3})
		wire.close()
		for n := range 100 {
			f.send(callback.Message{Kind: callback.Request, ID: floodID(n), To: "f", Deadline: time.Now().Add(time.Minute), Body: []byte("1")})
			synctest.Wait()
		}
		if n := calls.Load(); n != 1+4+2 { // with the writer, waiting, and waiting for room
			t.Error(n, "calls")
		}
		time.Sleep(2 * time.Minute) // all that is over
		wire.open()
		if n := len(f.all()); n > 0 {
			t.Error(n, "answers that nobody waits for")
		}
		f.request("f", 1, "1")
		f.next(callback.Reply)
	})
}
