package wscallback_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/future/futuretest"
)

func TestScript_Served(t *testing.T) {
	source, err := os.ReadFile("antiphon.js")
	if err != nil {
		t.Fatal(err)
	}
	h := wscallback.Script()
	serve := func(method string, header http.Header) *http.Response {
		r := httptest.NewRequest(method, "/antiphon.js", nil)
		for k, v := range header {
			r.Header[k] = v
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}

	got := serve(http.MethodGet, nil)
	body, _ := io.ReadAll(got.Body)
	if got.StatusCode != http.StatusOK || !bytes.Equal(body, source) {
		t.Errorf("GET: status %d and %d bytes, want 200 and the %d of the file", got.StatusCode, len(body), len(source))
	}
	for name, want := range map[string]string{
		"Content-Type":           "text/javascript; charset=utf-8",
		"X-Content-Type-Options": "nosniff",
		"Cache-Control":          "no-cache",
	} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	tag := got.Header.Get("ETag")
	if tag == "" {
		t.Fatal("there is no ETag")
	}

	if again := serve(http.MethodGet, http.Header{"If-None-Match": {tag}}); again.StatusCode != http.StatusNotModified {
		t.Errorf("GET of what is known: status %d, want 304", again.StatusCode)
	}
	if other := serve(http.MethodGet, http.Header{"If-None-Match": {`"another"`}}); other.StatusCode != http.StatusOK {
		t.Errorf("GET of what has changed: status %d, want 200", other.StatusCode)
	}
	head := serve(http.MethodHead, nil)
	if rest, _ := io.ReadAll(head.Body); head.StatusCode != http.StatusOK || len(rest) > 0 || head.Header.Get("ETag") != tag {
		t.Errorf("HEAD: status %d, %d bytes, ETag %q", head.StatusCode, len(rest), head.Header.Get("ETag"))
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if got := serve(method, nil); got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, got.StatusCode, got.Header.Get("Allow"))
		}
	}
}

// node returns a command of Node.js, which stands in for a browser: 20.19 or later,
// which knows a module when it sees one.
func node(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	version, err := exec.Command("node", "--version").Output()
	var major, minor int
	_, _ = fmt.Sscanf(string(version), "v%d.%d", &major, &minor)
	if major < 20 || major == 20 && minor < 19 {
		text := fmt.Sprintf("NOT TESTED: the client for browsers, for there is no node here, 20.19 or later (%s, %v)", version, err)
		if os.Getenv("CI") == "true" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return exec.CommandContext(ctx, "node", args...)
}

// What the client does is tested by itself, in virtual time and over a WebSocket in
// memory: see testdata/script.
func TestScript_Alone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	files, err := filepath.Glob("testdata/script/*.test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	tests := node(ctx, t, append([]string{"--test"}, files...)...)
	if out, err := tests.CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}

// opaque is a codec whose values are no JSON: a client has to pass them on as they
// are, and does not know large numbers as it knows them.
type opaque struct{ json antiphon.JSON }

func (opaque) ContentType() string { return "application/x-opaque" }

func (c opaque) Marshal(v any) ([]byte, error) {
	b, err := c.json.Marshal(v)
	return append([]byte{0xff}, b...), err
}

func (c opaque) Unmarshal(b []byte, v any) error {
	if len(b) == 0 || b[0] != 0xff {
		return antiphon.Errorf(antiphon.CodeInvalidArgument, "no opaque value")
	}
	return c.json.Unmarshal(b[1:], v)
}

// The client for browsers answers each ask by asking back, so the law holds for what
// it answers and for what it asks.
func TestX8_Script(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Codec:       opaque{},
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			peers := make(chan *callback.Peer, 1)
			url := overLoopback(t, serving(func(p *callback.Peer) {
				callback.Serve(p, "f", f, &callback.ServeOptions{Concurrency: 512})
				peers <- p
			}, &callback.PeerOptions{Codec: opaque{}}), nil)
			relay := node(context.Background(), t, "--experimental-websocket", "--no-warnings", "testdata/script/relay.mjs", url)
			leave := run(t, relay)
			t.Cleanup(leave)
			select {
			case p := <-peers:
				return callback.Dial[futuretest.Query, futuretest.Answer](p, "law", nil)
			case <-time.After(time.Minute):
				t.Fatal("node did not connect within a minute")
				return nil
			}
		},
	})
}

// run starts cmd, which ends when its standard input does.
func run(t testing.TB, cmd *exec.Cmd) (leave func()) {
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = in.Close()
		ended := future.Go(context.Background(), func(context.Context) (struct{}, error) { return struct{}{}, cmd.Wait() })
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := ended.Await(ctx); err != nil {
			_ = cmd.Process.Kill()
			t.Errorf("%s: %v\n%s", cmd, err, out.Bytes())
		}
	}
}
