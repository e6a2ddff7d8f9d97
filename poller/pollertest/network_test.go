package pollertest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// echo answers with what it was sent.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write(b)
})

// post asks for an echo of text.
func post(ctx context.Context, c *http.Client, url, text string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(text))
	if err != nil {
		return "", err
	}
	res, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func TestNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pollertest.Serve(echo)
		defer n.Close()
		c := n.Client()
		for _, url := range []string{n.URL, "http://other.example/x", "https://server.example:8443/y"} {
			if got, err := post(t.Context(), c, url, "hello"); got != "hello" || err != nil {
				t.Errorf("%s: %q, %v", url, got, err)
			}
		}
		if dialed, up, down := n.Traffic(); dialed != 3 || up == 0 || down == 0 {
			t.Errorf("%d connections, %d and %d bytes", dialed, up, down)
		}
	})
}

// A million bytes each way come through.
func TestNetworkCarriesMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pollertest.Serve(echo)
		defer n.Close()
		text := strings.Repeat("0123456789", 100_000)
		if got, err := post(t.Context(), n.Client(), n.URL, text); got != text || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// Wherever a connection breaks, the client learns it at once, or it works.
func TestNetworkBreaksAtEachByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, where := range []pollertest.Where{pollertest.Dialing, pollertest.Requests, pollertest.Responses} {
			broken := 0
			for after := int64(0); after < 1000; after++ {
				n := pollertest.Serve(echo)
				n.Fail(func(int) pollertest.Fault { return pollertest.Fault{Where: where, After: after} })
				start := time.Now()
				got, err := post(t.Context(), n.Client(), n.URL, "hello")
				if err == nil && got != "hello" {
					t.Errorf("%v after %d: answered %q", where, after, got)
				}
				if err != nil {
					broken++
				}
				if took := time.Since(start); took > 0 {
					t.Errorf("%v after %d: it took %v", where, after, took)
				}
				_, up, down := n.Traffic()
				if where == pollertest.Requests && up > after || where == pollertest.Responses && down > after {
					t.Errorf("%v after %d: %d and %d bytes came through", where, after, up, down)
				}
				if err := n.Close(); err != nil {
					t.Error(err)
				}
				if err == nil && where != pollertest.Dialing {
					break
				}
				if where == pollertest.Dialing && after == 2 {
					break
				}
			}
			if broken < 3 {
				t.Errorf("%v: broken %d times", where, broken)
			}
		}
	})
}

// What is silent ends with the patience of who waits, and not before.
func TestNetworkStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, f := range []pollertest.Fault{
			{Where: pollertest.Dialing, Stall: true},
			{Where: pollertest.Requests, After: 10, Stall: true},
			{Where: pollertest.Responses, After: 10, Stall: true},
		} {
			n := pollertest.Serve(echo)
			n.Fail(func(i int) pollertest.Fault {
				if i > 0 {
					return pollertest.Fault{}
				}
				return f
			})
			c := n.Client()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			start := time.Now()
			_, err := post(ctx, c, n.URL, "hello")
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != time.Hour {
				t.Errorf("%+v: %v after %v", f, err, took)
			}
			cancel()
			if got, err := post(t.Context(), c, n.URL, "again"); got != "again" || err != nil {
				t.Errorf("%+v: the next connection: %q, %v", f, got, err)
			}
			_ = n.Close()
		}
	})
}

// Cut breaks what is under way, and Close is the end of it.
func TestNetworkCutAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, ended := make(chan struct{}, 1), make(chan error, 1)
		n := pollertest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun <- struct{}{}
			<-r.Context().Done()
			ended <- r.Context().Err()
		}))
		c := n.Client()
		for _, end := range []func(){n.Cut, func() { _ = n.Close() }} {
			failed := make(chan error, 1)
			go func() {
				_, err := post(t.Context(), c, n.URL, "")
				failed <- err
			}()
			<-begun
			end()
			if err := <-failed; err == nil {
				t.Error("it was answered")
			}
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if _, err := post(t.Context(), c, n.URL, ""); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		_ = n.Close()
	})
}

// A Listener is for a server of one's own, whose Shutdown waits for its requests.
func TestNetworkListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := pollertest.Listen()
		defer n.Close()
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute)
			echo(w, r)
		})}
		served := make(chan error, 1)
		go func() { served <- s.Serve(n.Listener) }()
		answered := make(chan string, 1)
		go func() {
			got, _ := post(t.Context(), n.Client(), n.URL, "hello")
			answered <- got
		}()
		synctest.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := <-answered; got != "hello" {
			t.Errorf("answered %q", got)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
