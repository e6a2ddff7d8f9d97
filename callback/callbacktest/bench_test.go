package callbacktest_test

import (
	"testing"

	"github.com/antiphon-go/antiphon/callback/callbacktest"
)

func BenchmarkPipe(b *testing.B) {
	callbacktest.BenchmarkTransport(b, callbacktest.Wire{Open: pipe(nil)})
}
