package future

import (
	"context"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/internal/lifetime"
)

// withTimeout derives a context that ends after d on clk, with ErrTimeout as
// the cause.
func withTimeout(ctx context.Context, clk clock.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	return lifetime.WithTimeout(ctx, clk, d, ErrTimeout)
}
