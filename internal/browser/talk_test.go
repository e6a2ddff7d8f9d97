package browser_test

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/internal/browser"
)

// patience is how long something may take that has to happen.
const patience = 2 * time.Minute

func within[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case v := <-c:
		return v
	case <-limit.C:
		t.Fatalf("%s: not within %v", what, patience)
		panic("unreachable")
	}
}

// talker is a page that has its peer in the variable peer, and hears events named
// "count" and streams named "numbers".
const talker = `
import { connect, AntiphonError } from "/antiphon.js";
window.statuses = [];
window.peer = connect("/ws", { backoff: () => 20 });
peer.addEventListener("status", (e) => statuses.push(e.status));
peer.serveStream("numbers", async function* (n, ctx) {
	try {
		for (let i = 0; i < n; i++) yield i;
	} finally {
		window.left = true;
	}
});
window.failure = (promise) => promise.then(() => "it did not fail", (e) => e instanceof AntiphonError ? [e.code, e.class, e.reason].join(" ") : String(e));
window.sum = async (n, window, stop = Infinity) => {
	let sum = 0, count = 0;
	for await (const v of peer.stream("numbers", n, { window })) {
		sum += v;
		if (++count === stop) break;
	}
	return sum;
};
`

func TestTalk_InChromium(t *testing.T) {
	b := browser.Start(t)
	peers := make(chan *callback.Peer, 16)
	released := make(chan struct{}, 16)
	counted := make(chan int, 1024)
	slow := make(chan struct{}, 16)
	s := serve(t, talker, func(p *callback.Peer) {
		callback.ServeStream(p, "numbers", func(ctx context.Context, n int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				defer func() { released <- struct{}{} }()
				for i := range n {
					if !yield(i, nil) {
						return
					}
				}
			}
		}, nil)
		callback.Serve(p, "count", func(_ context.Context, n int) (struct{}, error) {
			counted <- n
			return struct{}{}, nil
		}, &callback.ServeOptions{Concurrency: 1})
		callback.Serve(p, "slow", func(ctx context.Context, _ struct{}) (struct{}, error) {
			slow <- struct{}{}
			<-ctx.Done()
			return struct{}{}, ctx.Err()
		}, nil)
		peers <- p
	}, nil)
	page := b.Open(t, s.URL)
	p := within(t, "the page did not connect", peers)

	t.Run("a page loops over a stream", func(t *testing.T) {
		for _, window := range []string{"1", "16", "64"} {
			var sum int
			page.Eval(t, "sum(500, "+window+")", &sum)
			if sum != 499*500/2 {
				t.Errorf("with a window of %s the sum is %d, want %d", window, sum, 499*500/2)
			}
			within(t, "the work did not end", released)
		}
	})
	t.Run("leaving a loop ends the work", func(t *testing.T) {
		var sum int
		page.Eval(t, "sum(1e9, 8, 10)", &sum)
		if sum != 45 {
			t.Errorf("the sum is %d, want 45", sum)
		}
		within(t, "the work did not end", released)
	})
	t.Run("a page answers with a stream", func(t *testing.T) {
		numbers := callback.DialStream[int, int](p, "numbers", &callback.DialOptions{Window: 8})
		want := 0
		for v, err := range numbers(t.Context(), 500) {
			if err != nil || v != want {
				t.Fatalf("part %d is %d, %v", want, v, err)
			}
			want++
		}
		if want != 500 {
			t.Errorf("%d parts, want 500", want)
		}
		page.Eval(t, "window.left = false", nil)
		for range numbers(t.Context(), 1_000_000_000) {
			break
		}
		page.Until(t, "left")
	})
	t.Run("a page sends events", func(t *testing.T) {
		page.Eval(t, `{ for (let i = 0; i < 300; i++) peer.notify("count", i); }`, nil)
		for i := range 300 {
			if n := within(t, "an event did not come", counted); n != i {
				t.Fatalf("event %d came as number %d", n, i)
			}
		}
	})
	t.Run("a page gives up", func(t *testing.T) {
		var got string
		page.Eval(t, `failure(peer.ask("slow", undefined, { timeout: 50 }))`, &got)
		if want := "deadline_exceeded unknown"; !strings.HasPrefix(got, want) { // by its own clock or the work's
			t.Errorf("it failed with %q, want %q", got, want)
		}
		page.Eval(t, `failure(peer.ask("slow", undefined, { signal: AbortSignal.timeout(50) }))`, &got)
		if want := "deadline_exceeded unknown callback.gave_up"; got != want {
			t.Errorf("it failed with %q, want %q", got, want)
		}
	})
	t.Run("C6: a break is told, and mended", func(t *testing.T) {
		for len(slow) > 0 {
			<-slow
		}
		page.Eval(t, `window.pending = failure(peer.ask("slow")); window.statuses.length = 0; null`, nil)
		within(t, "the ask did not arrive", slow)
		_ = p.Close()
		var got string
		page.Eval(t, "pending", &got)
		if want := "unavailable unknown callback.disconnected"; got != want {
			t.Errorf("it failed with %q, want %q", got, want)
		}
		within(t, "the page did not connect again", peers)
		page.Until(t, `peer.status === "open"`)
		var sum int
		page.Eval(t, "sum(10, 4)", &sum)
		if sum != 45 {
			t.Errorf("after the break, the sum is %d, want 45", sum)
		}
		var statuses []string
		page.Eval(t, "statuses", &statuses)
		if want := []string{"waiting", "connecting", "open"}; !slices.Equal(statuses, want) {
			t.Errorf("the status went %q, want %q", statuses, want)
		}
	})
	t.Run("C7: close ends it", func(t *testing.T) {
		var got string
		page.Eval(t, `(() => { const f = failure(peer.ask("slow")); peer.close(); return f; })()`, &got)
		if want := "unavailable unknown callback.closed"; got != want {
			t.Errorf("it failed with %q, want %q", got, want)
		}
	})
	if wrong := page.Wrong(); len(wrong) > 0 {
		t.Errorf("in the page went wrong: %q", wrong)
	}
}

// What a server sends that is no message throws nothing in the page, and what is one
// is answered all the same; a message that is too large ends its connection alone.
func TestHostile_InChromium(t *testing.T) {
	b := browser.Start(t)
	answers := make(chan string, 16)
	var once sync.Once
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{callback.Subprotocol + ".json"}})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		ws.SetReadLimit(1 << 20)
		ctx := r.Context()
		for _, text := range []string{"", "null", "{", `{"kind":7}`, `{"kind":"request"}`, strings.Repeat("[", 100_000),
			`{"kind":"reply","id":"AAECAwQFBgcICQoLDA0ODw","error":{"marks":{}}}`,
			`{"kind":"request","id":"AAECAwQFBgcICQoLDA0ODw","to":"__proto__","header":{"__proto__":"x"}}`} {
			_ = ws.Write(ctx, websocket.MessageText, []byte(text))
			_ = ws.Write(ctx, websocket.MessageBinary, []byte(text))
		}
		_ = ws.Write(ctx, websocket.MessageText, []byte(`{"kind":"request","id":"AAECAwQFBgcICQoLDA0ODw","to":"f","body":"still there"}`))
		for {
			_, text, err := ws.Read(ctx)
			if err != nil {
				return
			}
			answers <- string(text)
			once.Do(func() {
				_ = ws.Write(ctx, websocket.MessageText, []byte(`"`+strings.Repeat("x", 5<<20)+`"`))
			})
		}
	})
	other := serve(t, `import { connect } from "/antiphon.js"; connect("/ws", { backoff: () => 20 }).serve("f", (q) => q);`, func(*callback.Peer) {}, nil)
	mux.Handle("/", other.Config.Handler)
	s := httptest.NewServer(mux)
	defer s.Close()
	page := b.Open(t, s.URL)
	for range 2 { // before the message that is too large, and after it
		const refused, answered = `"callback.unserved"`, `{"kind":"reply","id":"AAECAwQFBgcICQoLDA0ODw","body":"still there"}`
		if got := within(t, "nothing was answered", answers); !strings.Contains(got, refused) {
			t.Errorf("the unknown name was answered with %s", got)
		}
		if got := within(t, "the last was not answered", answers); got != answered {
			t.Errorf("answered %s, want %s", got, answered)
		}
	}
	if wrong := page.Wrong(); len(wrong) > 0 {
		t.Errorf("in the page went wrong: %q", wrong)
	}
}
