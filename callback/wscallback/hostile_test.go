package wscallback_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

const (
	binaryForm = websocket.MessageBinary
	textForm   = websocket.MessageText
	plain      = "antiphon.v1"
	jsonForm   = "antiphon.v1.json"
	resuming   = "antiphon.v1.resume"
)

// framed is how messages share a WebSocket message.
func framed(ms ...*callback.Message) (b []byte) {
	for _, m := range ms {
		f, err := callback.AppendMessage(nil, m, time.Time{})
		if err != nil {
			panic(err)
		}
		b = append(binary.AppendUvarint(b, uint64(len(f))), f...)
	}
	return b
}

func request(id byte, to, body string) *callback.Message {
	return &callback.Message{Kind: callback.Request, ID: callback.ID{id}, To: to, Body: []byte(body)}
}

// unframed reads until there are n messages.
func unframed(t testing.TB, ws *websocket.Conn, n int) (ms []*callback.Message) {
	t.Helper()
	for len(ms) < n {
		_, b, err := ws.Read(t.Context())
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(ms), n, err)
		}
		for len(b) > 0 {
			size, k := binary.Uvarint(b)
			m, err := callback.ParseMessage(b[k:k+int(size)], time.Now())
			if err != nil {
				t.Fatal(err)
			}
			ms, b = append(ms, m), b[k+int(size):]
		}
	}
	return ms
}

// What breaks the framing ends the connection, which is told why; what is only no
// message is told and skipped. Whatever it is, others are served.
func TestHostileFrames(t *testing.T) {
	malformed := []byte{0} // a frame without anything
	for _, c := range []struct {
		name     string
		protocol string
		form     websocket.MessageType
		sent     []byte
		status   websocket.StatusCode // 0: the connection lives
		event    string
	}{
		{"a length without its frame", plain, binaryForm, []byte{5, 1}, websocket.StatusProtocolError, ""},
		{"an enormous length", plain, binaryForm, binary.AppendUvarint(nil, 1<<63), websocket.StatusProtocolError, ""},
		{"a length of eleven bytes", plain, binaryForm, bytes.Repeat([]byte{0xff}, 11), websocket.StatusProtocolError, ""},
		{"half a length", plain, binaryForm, []byte{0x80}, websocket.StatusProtocolError, ""},
		{"a good frame and half a length", plain, binaryForm, append(framed(request(1, "echo", "1")), 0x80), websocket.StatusProtocolError, ""},
		{"text where binary was agreed upon", plain, textForm, []byte(`{"kind":"event","to":"x"}`), websocket.StatusUnsupportedData, ""},
		{"binary where text was agreed upon", jsonForm, binaryForm, framed(request(1, "echo", "1")), websocket.StatusUnsupportedData, ""},
		{"too large", plain, binaryForm, make([]byte, 10<<20), websocket.StatusMessageTooBig, ""},
		{"too large as text", jsonForm, textForm, bytes.Repeat([]byte(" "), 10<<20), websocket.StatusMessageTooBig, ""},
		{"no protocol of ours", "chat", binaryForm, nil, websocket.StatusProtocolError, ""},
		{"nothing", plain, binaryForm, nil, 0, ""},
		{"an empty frame", plain, binaryForm, malformed, 0, "callback.malformed"},
		{"an unknown kind", plain, binaryForm, framed(&callback.Message{Kind: 200}), 0, "callback.malformed"},
		{"a session frame where there is none", plain, binaryForm, framed(&callback.Message{Kind: 33, Seq: 7}), 0, "callback.malformed"},
		{"an unknown flag", plain, binaryForm, []byte{2, 1, 0x80}, 0, "callback.malformed"},
		{"a string of invalid UTF-8", plain, binaryForm, []byte{4, 7, 2, 1, 0xff}, 0, "callback.malformed"},
		{"an answer to nothing", plain, binaryForm, framed(&callback.Message{Kind: callback.Reply, ID: callback.ID{9}}), 0, "callback.unknown"},
		{"a name that nobody serves", plain, binaryForm, framed(request(1, "nonsense", "")), 0, "callback.rejected"},
		{"no JSON", jsonForm, textForm, []byte("GET / HTTP/1.0"), 0, "callback.malformed"},
		{"JSON that is nothing of ours", jsonForm, textForm, []byte(`{"kind":"request","id":"short"}`), 0, "callback.malformed"},
		{"JSON without a floor", jsonForm, textForm, []byte(strings.Repeat("[", 1<<20)), 0, "callback.malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen journal
				n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) },
					&callback.PeerOptions{Observer: seen.note}), nil)
				ws := n.foreign(t, speaking(c.protocol))
				go func() { _ = ws.Write(t.Context(), c.form, c.sent) }()
				if c.status != 0 {
					for {
						if _, _, err := ws.Read(t.Context()); err != nil {
							if got := websocket.CloseStatus(err); got != c.status {
								t.Errorf("closed with %v: %v", got, err)
							}
							break
						}
					}
				}
				synctest.Wait()
				if c.event != "" && len(seen.named(c.event)) != 1 {
					t.Errorf("events: %v", seen.events)
				}
				if c.status == 0 && c.protocol == plain {
					_ = ws.Write(t.Context(), binaryForm, framed(request(5, "echo", "5")))
					for _, m := range unframed(t, ws, 1) {
						if m.ID == (callback.ID{5}) && string(m.Body) != "5" {
							t.Errorf("%+v", m)
						}
					}
				}
				other := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client()}, nil)
				if v, err := callback.Dial[int, int](other, "echo", nil)(t.Context(), 3).Await(t.Context()); v != 3 || err != nil {
					t.Error(v, err)
				}
			})
		})
	}
}

// C2: the same id again is the same request.
func TestC2_DuplicateRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		n, _ := inMemory(t, serving(func(p *callback.Peer) {
			callback.Serve(p, "count", func(context.Context, int) (int64, error) { return calls.Add(1), nil }, nil)
		}, nil), nil)
		ws := n.foreign(t, speaking(plain))
		m := request(1, "count", "0")
		m.Deadline = time.Time{}.Add(time.Minute) // framed counts from there
		go func() { _ = ws.Write(t.Context(), binaryForm, framed(m, m, m)) }()
		for _, r := range unframed(t, ws, 1) {
			if r.ID != m.ID || string(r.Body) != "1" {
				t.Errorf("%+v", r)
			}
		}
		synctest.Wait()
		if c := calls.Load(); c != 1 {
			t.Errorf("%d calls", c)
		}
	})
}

// C10: the limit holds for the inflated message, and is checked before memory is
// taken for it.
func TestC10_InflatedSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bomb = 64 << 20
		o := &wscallback.Options{MaxBody: 64 << 10, Compress: true}
		n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), o)
		d := speaking(plain)
		d.CompressionMode = websocket.CompressionNoContextTakeover
		ws := n.foreign(t, d)
		message := append(binary.AppendUvarint(nil, bomb), make([]byte, bomb)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		go func() { _ = ws.Write(t.Context(), binaryForm, message) }()
		_, _, err := ws.Read(t.Context())
		runtime.ReadMemStats(&after)
		if got := websocket.CloseStatus(err); got != websocket.StatusMessageTooBig {
			t.Errorf("closed with %v: %v", got, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
			t.Errorf("%d MiB were allocated for a bomb of %d", took>>20, bomb>>20)
		}
	})
}

// A message in fragments of a byte each is a message.
func TestTinyFragments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
		ws := n.foreign(t, speaking(plain))
		go func() {
			w, err := ws.Writer(t.Context(), binaryForm)
			for _, b := range framed(request(1, "echo", "12345"), request(2, "echo", "2")) {
				if err == nil {
					_, err = w.Write([]byte{b})
				}
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Error(err)
			}
		}()
		if ms := unframed(t, ws, 2); len(ms) != 2 {
			t.Error(ms)
		}
	})
}

// C8: a client that floods and never reads costs a bounded amount of memory, does not
// hold up others, and is given up.
func TestC8_FloodOfWhoNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen journal
		n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil),
			&wscallback.Options{Observer: seen.note})
		other := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client()}, nil)
		ask := callback.Dial[int, int](other, "echo", nil)
		ws := n.foreign(t, speaking(plain))
		many := make([]*callback.Message, 1000)
		for i := range many {
			many[i] = request(0, "echo", "12345")
		}
		before := heapInUse()
		for i := range 100 {
			for k := range many {
				binary.BigEndian.PutUint32(many[k].ID[1:], uint32(i*len(many)+k+1))
			}
			if err := ws.Write(t.Context(), binaryForm, framed(many...)); err != nil {
				t.Fatal(err)
			}
			if i%25 == 0 {
				if v, err := ask(t.Context(), i).Await(t.Context()); v != i || err != nil {
					t.Fatal(v, err)
				}
			}
		}
		synctest.Wait()
		if grown := heapInUse() - before; grown > 16<<20 {
			t.Errorf("%d MiB are held for 100 000 requests whose answers nobody reads", grown>>20)
		}
		time.Sleep(time.Minute)
		if lost := seen.named("ws.disconnected"); len(lost) != 1 {
			t.Errorf("%v", lost)
		}
	})
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// C6, C7: a server that never reads holds up nobody: asks end at their time, memory
// is bounded, and Close does not wait.
func TestC6_ServerThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held []*websocket.Conn
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{plain}})
			if err == nil {
				held = append(held, ws)
			}
		})
		n := listening(t, h, wscallback.Handler(serving(nil, nil), nil))
		c, err := wscallback.Dial(t.Context(), "ws://memory/", &wscallback.Options{Client: n.client()})
		if err != nil {
			t.Fatal(err)
		}
		p := running(t, callback.NewPeer(c, nil))
		ask := callback.Dial[[]byte, []byte](p, "echo", &callback.DialOptions{Timeout: 10 * time.Second, Codec: callback.Bytes{}})
		start, large := time.Now(), make([]byte, 100<<10)
		before := heapInUse()
		for range 1000 { // 100 MiB
			ask(t.Context(), large)
		}
		if grown := heapInUse() - before; grown > 40<<20 {
			t.Errorf("%d MiB are held", grown>>20)
		}
		f := ask(t.Context(), large)
		if _, err := f.Await(t.Context()); err == nil {
			t.Error("answered")
		}
		m := &callback.Message{Kind: callback.Event, To: "x", Body: large}
		if err := c.Send(t.Context(), m); err != nil { // one of each sort always fits
			t.Error(err)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		at := time.Now()
		if err := c.Send(brief, m); !errors.Is(err, context.DeadlineExceeded) || time.Since(at) != time.Second {
			t.Errorf("Send returned after %v: %v", time.Since(at), err)
		}
		time.Sleep(10*time.Second - time.Since(start))
		synctest.Wait()
		if p.Pending() != 0 {
			t.Errorf("%d are pending", p.Pending())
		}
		at = time.Now()
		_ = p.Close()
		if took := time.Since(at); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		for _, ws := range held {
			_ = ws.CloseNow()
		}
	})
}

// What a server says that makes no sense ends the connection, and not the client.
func TestHostileServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var visits atomic.Int64
		honest := wscallback.Handler(serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answers := [][]byte{{0x80}, bytes.Repeat([]byte{0xff}, 100), make([]byte, 5<<20)}
			n := int(visits.Add(1))
			if n > len(answers) {
				honest.ServeHTTP(w, r)
				return
			}
			ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{plain}})
			if err != nil {
				return
			}
			defer func() { _ = ws.CloseNow() }()
			_, _, _ = ws.Read(r.Context())
			_ = ws.Write(r.Context(), binaryForm, answers[n-1])
			_, _, _ = ws.Read(r.Context())
		})
		n := listening(t, h, honest)
		p := peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client(), Backoff: constantly}, nil)
		ask := callback.Dial[int, int](p, "echo", nil)
		for i := range 3 {
			if _, err := ask(t.Context(), i).Await(t.Context()); !errors.Is(err, callback.ErrDisconnected) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
				t.Errorf("visit %d: %v", i, err)
			}
		}
		if v, err := ask(t.Context(), 3).Await(t.Context()); v != 3 || err != nil {
			t.Error(v, err)
		}
	})
}
