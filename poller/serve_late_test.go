package poller_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/poller"
)

// Shutdown with a context that has ended cancels the work, each time.
func TestShutdownWithAnEndedContextCancelsTheWork(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan struct{})
			s := poller.ServeFunc(func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				close(ended)
				return 0, ctx.Err()
			}, &poller.ServerOptions{Inline: -1})
			r := httptest.NewRequest("POST", "/", strings.NewReader("1"))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != http.StatusAccepted {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Shutdown(ctx); err == nil {
				t.Error("Shutdown with a context that had ended, and work under way, returned nil")
			}
			time.Sleep(time.Second)
			select {
			case <-ended:
			default:
				t.Error("the work goes on")
				_ = s.Shutdown(t.Context())
			}
		})
	}
}
