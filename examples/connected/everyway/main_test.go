package main

import (
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon/examples/internal/ways"
)

// Report fails by itself if anything hung, was changed on its way, or did not outlast a cut.
func TestReport(t *testing.T) {
	var out strings.Builder
	if err := ways.Report(t.Context(), &out, connected...); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}
