package wscallback_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

// Observers are told of what the package comment lists, by both ends: a goodbye is
// no failure.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var here, there journal
		o := wscallback.Options{Resume: time.Minute, Observer: there.note}
		n, _ := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
			if err := serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil)(ctx, c); !errors.Is(err, callback.ErrDisconnected) {
				t.Error(err)
			}
			return errors.New("of serve")
		}, &o)
		mine := o
		mine.Client, mine.Observer, mine.Backoff = n.client(), here.note, constantly
		c, err := wscallback.Dial(t.Context(), "ws://memory/?token=hidden", &mine)
		if err != nil {
			t.Fatal(err)
		}
		p := running(t, callback.NewPeer(c, nil))
		synctest.Wait()
		n.refuse(true)
		n.cut()
		time.Sleep(25 * time.Millisecond)
		synctest.Wait()
		n.refuse(false)
		time.Sleep(time.Second)
		_ = p.Close()
		synctest.Wait()
		for _, x := range []struct {
			name string
			got  *journal
			want []string
		}{
			{"here", &here, []string{"ws.connected", "ws.disconnected!", "ws.retry!1", "ws.retry!2", "ws.connected", "ws.resumed"}},
			{"there", &there, []string{"ws.connected", "ws.disconnected!", "ws.connected", "ws.resumed", "ws.disconnected", "ws.ended!"}},
		} {
			var got []string
			for _, e := range x.got.events {
				text := e.Name
				if e.Err != nil {
					text += "!"
					if containsSecret(e.Err.Error()) {
						t.Error(e.Err)
					}
				}
				if e.Attempt > 0 {
					text += fmt.Sprint(e.Attempt)
				}
				got = append(got, text)
			}
			if fmt.Sprint(got) != fmt.Sprint(x.want) {
				t.Errorf("%s: %v, want %v", x.name, got, x.want)
			}
		}
	})
}

// What a break was is in the error of what it broke.
func TestBreaksSayWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
			in, err := c.Listen(ctx, "")
			if err == nil {
				_, err = in.Receive(ctx)
			}
			if websocket.CloseStatus(err) != websocket.StatusGoingAway || !errors.Is(err, callback.ErrDisconnected) {
				t.Error(err)
			}
			if _, err := in.Receive(ctx); !errors.Is(err, callback.ErrClosed) {
				t.Error(err)
			}
			if ok, err := c.TrySend(&callback.Message{Kind: callback.Event, To: "x"}); !ok || !errors.Is(err, callback.ErrUndeliverable) {
				t.Error(ok, err)
			}
			return nil
		}, nil)
		ws := n.foreign(t, speaking(plain))
		_ = ws.Close(websocket.StatusGoingAway, "")
		synctest.Wait()
	})
}
