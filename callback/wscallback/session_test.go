package wscallback_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/future"
)

const (
	hello callback.Kind = 32
	ack   callback.Kind = 33
)

// greeting says hello, for the session id of which came frames came, and returns the
// answer.
func greeting(t testing.TB, ws *websocket.Conn, id callback.ID, came uint32) (*callback.Message, error) {
	t.Helper()
	now := time.Now()
	b, _ := callback.AppendMessage(nil, &callback.Message{Kind: hello, ID: id, Seq: came, Deadline: now.Add(time.Minute)}, now)
	if err := ws.Write(t.Context(), binaryForm, b); err != nil {
		return nil, err
	}
	_, b, err := ws.Read(t.Context())
	if err != nil {
		return nil, err
	}
	m, err := callback.ParseMessage(b, time.Now())
	if err == nil && m.Kind != hello {
		t.Errorf("instead of hello: %v", m.Kind)
	}
	return m, err
}

func echoSessions(t testing.TB, o *wscallback.Options) (*memoryNet, *wscallback.Server) {
	if o == nil {
		o = &wscallback.Options{Resume: time.Minute}
	}
	return inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), o)
}

func deadlined(m *callback.Message) *callback.Message {
	m.Deadline = time.Time{}.Add(time.Hour) // framed counts from there
	return m
}

// The id of a session is a capability: 128 random bits.
func TestSessionIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := echoSessions(t, nil)
		var set, clear callback.ID
		seen := map[callback.ID]bool{}
		for range 64 {
			ws := n.foreign(t, speaking(resuming))
			m, err := greeting(t, ws, callback.ID{}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if seen[m.ID] {
				t.Fatal("twice the same")
			}
			seen[m.ID] = true
			for i, b := range m.ID {
				set[i] |= b
				clear[i] |= ^b
			}
			_ = ws.Close(websocket.StatusNormalClosure, "")
		}
		for i := range set {
			if set[i] != 0xff || clear[i] != 0xff {
				t.Errorf("byte %d has bits that are always the same: %08b %08b", i, set[i], clear[i])
			}
		}
	})
}

// What has not arrived comes again, in order and once; what has arrived does not.
func TestSessionReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := echoSessions(t, nil)
		ws := n.foreign(t, speaking(resuming))
		first, err := greeting(t, ws, callback.ID{}, 0)
		if err != nil || first.Seq != 0 || first.ID.IsZero() {
			t.Fatal(first, err)
		}
		for i := range byte(5) {
			_ = ws.Write(t.Context(), binaryForm, framed(deadlined(request(i+1, "echo", string('1'+i)))))
			synctest.Wait()
		}
		_ = ws.CloseNow() // five answers are lost, or two
		for _, came := range []uint32{0, 3, 5} {
			ws := n.foreign(t, speaking(resuming))
			m, err := greeting(t, ws, first.ID, came)
			if err != nil || m.ID != first.ID || m.Seq != 5 {
				t.Fatal(m, err)
			}
			again := unframed(t, ws, 5-int(came))
			for i, r := range again {
				if want := byte(i) + byte(came) + 1; r.ID[0] != want || string(r.Body) != string('0'+want) {
					t.Errorf("came %d, answer %d: %+v", came, i, r)
				}
			}
			_ = ws.CloseNow()
		}
		// Who counts what was never sent is refused, and disturbs nobody.
		ws = n.foreign(t, speaking(resuming))
		if _, err := greeting(t, ws, first.ID, 6); websocket.CloseStatus(err) != websocket.StatusProtocolError {
			t.Error(err)
		}
		// What was acknowledged is not there any more: so the session is over.
		ws = n.foreign(t, speaking(resuming))
		if m, err := greeting(t, ws, first.ID, 2); err != nil || m.ID == first.ID || m.Seq != 0 {
			t.Fatal(m, err)
		}
	})
}

// Session frames out of place end the connection, with a reason.
func TestHostileSessions(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, ws *websocket.Conn) []byte{
		"acknowledges what never was": func(t *testing.T, ws *websocket.Conn) []byte {
			_, _ = greeting(t, ws, callback.ID{}, 0)
			return framed(&callback.Message{Kind: ack, Seq: 1})
		},
		"acknowledges four thousand millions": func(t *testing.T, ws *websocket.Conn) []byte {
			_, _ = greeting(t, ws, callback.ID{}, 0)
			return framed(&callback.Message{Kind: ack, Seq: 1 << 31})
		},
		"says hello twice": func(t *testing.T, ws *websocket.Conn) []byte {
			_, _ = greeting(t, ws, callback.ID{}, 0)
			return framed(&callback.Message{Kind: hello})
		},
		"says something else first": func(t *testing.T, ws *websocket.Conn) []byte {
			return framed(request(1, "echo", "1"))
		},
		"says too much": func(t *testing.T, ws *websocket.Conn) []byte { return make([]byte, 2000) },
		"says nothing":  func(t *testing.T, ws *websocket.Conn) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s := echoSessions(t, nil)
				ws := n.foreign(t, speaking(resuming))
				start := time.Now()
				if b := do(t, ws); b != nil {
					_ = ws.Write(t.Context(), binaryForm, b)
				}
				_, _, err := ws.Read(t.Context())
				took := time.Since(start)
				if name == "says nothing" {
					if err == nil || took != 10*time.Second {
						t.Errorf("after %v: %v", took, err)
					}
				} else if code := websocket.CloseStatus(err); code != websocket.StatusProtocolError && code != websocket.StatusMessageTooBig {
					t.Errorf("after %v: %v", took, err)
				}
				time.Sleep(2 * time.Minute) // the sessions of those who had one
				if h := s.Held(); h != [4]int{} {
					t.Error(h)
				}
			})
		})
	}
}

// Of several that resume one session at once, the last one has it; nothing is taken
// twice.
func TestResumedByTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		n, s := inMemory(t, serving(func(p *callback.Peer) {
			callback.Serve(p, "count", func(context.Context, int) (int64, error) { return calls.Add(1), nil }, nil)
		}, nil), &wscallback.Options{Resume: time.Minute})
		ws := n.foreign(t, speaking(resuming))
		first, err := greeting(t, ws, callback.ID{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var alive []*websocket.Conn
		for range 10 {
			wg.Go(func() {
				ws := n.foreign(t, speaking(resuming))
				if m, err := greeting(t, ws, first.ID, 0); err == nil && m.ID == first.ID {
					mu.Lock()
					alive = append(alive, ws)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		answered := 0
		for i, ws := range alive {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_ = ws.Write(ctx, binaryForm, framed(deadlined(request(byte(i+1), "count", "0"))))
			if _, _, err := ws.Read(ctx); err == nil {
				answered++
			}
			cancel()
		}
		if answered != 1 || calls.Load() != 1 {
			t.Errorf("%d of %d were answered, after %d calls", answered, len(alive), calls.Load())
		}
		if h := s.Held(); h != [4]int{1, 1, 1, 1} {
			t.Error(h)
		}
	})
}

// Who says goodbye ends the session; who is cut off does not, until its window is
// over.
func TestGoodbyeEndsSessions(t *testing.T) {
	for _, polite := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n, s := echoSessions(t, nil)
			ws := n.foreign(t, speaking(resuming))
			if _, err := greeting(t, ws, callback.ID{}, 0); err != nil {
				t.Fatal(err)
			}
			if polite {
				_ = ws.Close(websocket.StatusNormalClosure, "")
			} else {
				_ = ws.CloseNow()
			}
			synctest.Wait()
			if h := s.Held(); (h == [4]int{}) != polite {
				t.Errorf("polite %v: %v", polite, h)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if h := s.Held(); h != [4]int{} {
				t.Errorf("polite %v, after a minute: %v", polite, h)
			}
		})
	}
}

// A server that says goodbye takes the session along: asks do not wait for its
// window.
func TestServersGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := wscallback.Options{Resume: time.Hour, Backoff: constantly}
		leave := make(chan struct{})
		n, _ := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
			p := callback.NewPeer(c, nil)
			callback.Serve(p, "echo", echo, nil)
			callback.Serve(p, "never", func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, nil)
			go func() {
				select {
				case <-leave:
					_ = p.Close()
				case <-ctx.Done():
				}
			}()
			return p.Run(ctx)
		}, &o)
		mine := o
		mine.Client = n.client()
		p := peerOn(t, "ws://memory/", &mine, nil)
		f := callback.Dial[int, int](p, "never", nil)(t.Context(), 0)
		synctest.Wait()
		start := time.Now()
		close(leave)
		if _, err := f.Await(t.Context()); !errors.Is(err, callback.ErrDisconnected) || time.Since(start) > 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// A request that was kept for a while is answered by its asker's deadline all the
// same.
func TestC12_DeadlinesOfWhatIsReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := wscallback.Options{Resume: time.Minute, Backoff: constantly}
		n, _ := inMemory(t, serving(func(p *callback.Peer) {
			callback.Serve(p, "deadline", func(ctx context.Context, _ int) (int64, error) {
				at, _ := ctx.Deadline()
				return at.UnixNano(), nil
			}, nil)
		}, nil), &o)
		mine := o
		mine.Client = n.client()
		p := peerOn(t, "ws://memory/", &mine, nil)
		synctest.Wait()
		n.refuse(true)
		n.stall(true)
		start := time.Now()
		ask := callback.Dial[int, int64](p, "deadline", &callback.DialOptions{Timeout: 10 * time.Second})
		f := ask(t.Context(), 0)
		synctest.Wait()
		n.cut()
		n.stall(false)
		time.Sleep(4 * time.Second)
		late := ask(t.Context(), 0) // accepted while there is no connection
		time.Sleep(4 * time.Second)
		n.refuse(false)
		at, err := f.Await(t.Context())
		if left := time.Unix(0, at).Sub(start); err != nil || left > 10*time.Second {
			t.Errorf("its deadline is %v after it was asked: %v", left, err)
		}
		at, err = late.Await(t.Context())
		if left := time.Unix(0, at).Sub(start); err != nil || left > 14*time.Second {
			t.Errorf("the later one's deadline is %v: %v", left, err)
		}
	})
}

// A session that would have to remember too much does not survive; the next one
// does.
func TestResumeBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := wscallback.Options{Resume: time.Minute, ResumeBuffer: 64 << 10, Backoff: constantly}
		var seen journal
		n, _ := inMemory(t, serving(func(p *callback.Peer) {
			callback.Serve(p, "length", func(_ context.Context, b []byte) ([]byte, error) { return b[:1], nil }, &callback.ServeOptions{Codec: callback.Bytes{}})
		}, nil), &o)
		mine := o
		mine.Client, mine.Observer = n.client(), seen.note
		p := peerOn(t, "ws://memory/", &mine, nil)
		ask := callback.Dial[[]byte, []byte](p, "length", &callback.DialOptions{Codec: callback.Bytes{}})
		// More than is kept, but all of it arrives: the answers acknowledge it.
		for range 10 {
			if _, err := ask(t.Context(), make([]byte, 100<<10)).Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		n.cut()
		if _, err := ask(t.Context(), make([]byte, 10)).Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(seen.named("ws.resumed")) != 1 {
			t.Errorf("%v", seen.events)
		}
		// More than is kept is on its way.
		n.stall(true)
		lost := ask(t.Context(), make([]byte, 100<<10))
		synctest.Wait()
		n.cut()
		n.stall(false)
		if _, err := lost.Await(t.Context()); !errors.Is(err, callback.ErrDisconnected) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error(err)
		}
		// And all is as new.
		for range 3 {
			if _, err := ask(t.Context(), make([]byte, 10)).Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			n.cut()
		}
		if got := len(seen.named("ws.resumed")); got < 2 {
			t.Errorf("resumed %d times", got)
		}
	})
}

// While there is no connection a session takes what it can keep, and no more.
func TestResumeBufferWhileDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := wscallback.Options{Resume: time.Minute, ResumeBuffer: 64 << 10, Backoff: constantly}
		var came atomic.Int64
		n, _ := inMemory(t, serving(func(p *callback.Peer) {
			callback.Serve(p, "event", func(context.Context, []byte) ([]byte, error) { came.Add(1); return nil, nil },
				&callback.ServeOptions{Codec: callback.Bytes{}, Queue: 10000})
		}, nil), &o)
		mine := o
		mine.Client = n.client()
		c, err := wscallback.Dial(t.Context(), "ws://memory/", &mine)
		if err != nil {
			t.Fatal(err)
		}
		p := running(t, callback.NewPeer(c, nil))
		_ = p
		synctest.Wait()
		n.refuse(true)
		n.cut()
		synctest.Wait()
		taken := 0
		for range 1000 {
			ok, err := c.TrySend(&callback.Message{Kind: callback.Event, To: "event", Body: make([]byte, 100)})
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			taken++
		}
		if taken < 50 || taken > 160 { // a quarter of the buffer
			t.Errorf("%d events were taken", taken)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Flush(brief); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush: %v", err)
		}
		n.refuse(false)
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if came.Load() != int64(taken) {
			t.Errorf("%d of %d arrived", came.Load(), taken)
		}
	})
}

// Knowing the id is not enough where Same says so.
func TestSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := echoSessions(t, &wscallback.Options{
			Resume: time.Minute,
			Same:   func(began, now *http.Request) bool { return began.Header.Get("User") == now.Header.Get("User") },
		})
		as := func(user string) *websocket.Conn {
			o := speaking(resuming)
			o.HTTPHeader = http.Header{"User": {user}}
			return n.foreign(t, o)
		}
		ws := as("alice")
		first, err := greeting(t, ws, callback.ID{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := greeting(t, as("mallory"), first.ID, 0); err != nil || m.ID == first.ID {
			t.Errorf("%v, %v", m, err)
		}
		// Nor did the attempt disturb anybody.
		_ = ws.Write(t.Context(), binaryForm, framed(deadlined(request(1, "echo", "1"))))
		if got := unframed(t, ws, 1); string(got[0].Body) != "1" {
			t.Error(got)
		}
		if m, err := greeting(t, as("alice"), first.ID, 1); err != nil || m.ID != first.ID {
			t.Errorf("%v, %v", m, err)
		}
	})
}

// The lesser of both windows counts.
func TestWindowsAreNegotiated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := echoSessions(t, &wscallback.Options{Resume: time.Hour})
		var seen journal
		p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client(), Resume: time.Second, Backoff: constantly, Observer: seen.note}, nil)
		_ = p
		synctest.Wait()
		n.refuse(true)
		n.cut()
		time.Sleep(time.Second - time.Nanosecond)
		synctest.Wait()
		if h := s.Held(); h == [4]int{} {
			t.Error("over too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if h := s.Held(); h != [4]int{} {
			t.Error(h)
		}
	})
}

// With sessions, 500 cuts of all sorts go unnoticed: every call is made once, and
// every ask answered.
func TestX8_CutsWithSessions(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			calls := map[string]int{}
			o := wscallback.Options{Resume: time.Hour, Backoff: constantly, Heartbeat: 100 * time.Millisecond}
			n, _ := inMemory(t, serving(func(p *callback.Peer) {
				callback.Serve(p, "slow", func(_ context.Context, q string) (string, error) {
					mu.Lock()
					calls[q[:5]]++
					mu.Unlock()
					time.Sleep(time.Duration(len(q)%50) * time.Millisecond)
					return q, nil
				}, &callback.ServeOptions{Concurrency: 1000})
			}, nil), &o)
			var seen journal
			mine := o
			mine.Client, mine.Observer = n.client(), seen.note
			p := peerOn(t, "ws://memory/", &mine, nil)
			ask := callback.Dial[string, string](p, "slow", &callback.DialOptions{Timeout: time.Hour})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for range 500 {
					time.Sleep(time.Duration(rnd.IntN(30_000)) * time.Microsecond)
					switch rnd.IntN(8) {
					case 0: // nothing passes, and it takes pings to find that out
						n.stall(true)
						time.Sleep(300 * time.Millisecond)
						n.stall(false)
					case 1:
						n.stall(true)
						time.Sleep(time.Duration(rnd.IntN(1000)) * time.Microsecond)
						n.cut()
						n.stall(false)
					default:
						n.cut()
					}
				}
			}()
			type pending struct {
				q string
				f *future.Future[string]
			}
			var all []pending
			for i, more := 0, true; more; i++ {
				select {
				case <-ended:
					more = false
				default:
				}
				q := fmt.Sprintf("%05d", i) + strings.Repeat("x", i*i%1000*10)
				all = append(all, pending{q, ask(t.Context(), q)})
				time.Sleep(30 * time.Millisecond)
			}
			for i, a := range all {
				if v, err := a.f.Await(t.Context()); v != a.q || err != nil {
					t.Errorf("%d: %d bytes, %v", i, len(v), err)
				}
			}
			total := 0
			for _, n := range calls {
				total += n
			}
			if total != len(all) {
				t.Errorf("%d calls for %d asks", total, len(all))
			}
			if lost, back := len(seen.named("ws.disconnected")), len(seen.named("ws.resumed")); lost < 300 || lost != back {
				t.Errorf("%d asks, disconnected %d times, resumed %d times", len(all), lost, back)
			}
		})
	}
}
