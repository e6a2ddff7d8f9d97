package poller_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon/poller"
)

// A path that would never answer is a mistake that is told at once, as net/http tells it.
func TestMountPanics(t *testing.T) {
	for _, path := range []string{"GET /jobs", "jobs", "", "/operations", "/x/operations/", "example.com"} {
		func() {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "Mount") {
					t.Errorf("%q: %v", path, v)
				}
			}()
			poller.Serve(nil, nil).Mount(http.NewServeMux(), path)
		}()
	}
	for _, path := range []string{"/", "/jobs", "/jobs/", "example.com/", "/{tenant}/jobs"} {
		poller.Serve(nil, nil).Mount(http.NewServeMux(), path)
	}
}

// A problem names what is wrong.
func TestProblemsHaveTargets(t *testing.T) {
	serving(t, double, nil, func(t *testing.T, s *site) {
		for target, a := range map[string]served{
			"Content-Type": s.do("POST", "/jobs", "1", "Content-Type", "text/plain"),
			"body":         s.do("POST", "/jobs", `"one"`),
		} {
			if p := a.problem(t); p.Error.Target != target || target == "Content-Type" && !strings.Contains(p.Detail, "application/json") {
				t.Errorf("%s: %s", target, a)
			}
		}
	})
}
