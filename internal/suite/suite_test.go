package suite_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/internal/suite"
)

type rule = suite.Rule[*suite.Trial, bool]

// begin begins trials with little patience.
func begin(tb testing.TB) *suite.Trial {
	return suite.World{Suite: "suitetest", Patience: 20 * time.Millisecond}.Begin(tb)
}

// A teller notes what is logged.
type teller struct {
	*suite.Recorder
	told []string
}

func (t *teller) Logf(s string, a ...any) { t.told = append(t.told, s) }

// Whoever breaks a rule reads why it is one; who keeps it does not.
func TestReasons(t *testing.T) {
	for _, broken := range []bool{false, true} {
		to := &teller{Recorder: &suite.Recorder{TB: t}}
		r := rule{Name: "R", Why: "so", Check: func(t *suite.Trial) {
			if broken {
				t.Error("it is broken")
			}
		}}
		if r.Run(begin(to)); slices.Contains(to.told, "the rule: %s") != broken || to.Failed() != broken {
			t.Errorf("broken is %v: %q, %q", broken, to.told, to.Failures())
		}
	}
}

// A trial ends its context first, and then what was begun in it, the last first.
func TestEnd(t *testing.T) {
	var order []int
	trial := begin(t)
	for i := range 3 {
		trial.Cleanup(func() {
			if trial.Context().Err() == nil {
				t.Error("the context goes on")
			}
			order = append(order, i)
			if i == 1 {
				trial.Cleanup(func() { order = append(order, 9) })
			}
		})
	}
	trial.End()
	if trial.End(); !slices.Equal(order, []int{2, 1, 9, 0}) {
		t.Error(order)
	}
}

// What does not come in time is a failure, and so is what is late or left behind.
func TestWhatIsFound(t *testing.T) {
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	for name, tt := range map[string]struct {
		check func(*suite.Trial)
		want  string // nothing: it is as it should be
	}{
		"in time":       {func(t *suite.Trial) { c := make(chan struct{}); close(c); t.Within("late", c) }, ""},
		"never":         {func(t *suite.Trial) { t.Within("it did not come", end); t.Errorf("it went on") }, "it did not come within"},
		"fatal":         {func(t *suite.Trial) { t.Fatal("it is broken") }, "it is broken"},
		"now":           {func(t *suite.Trial) { t.Eventually("it is not", func() bool { return true }) }, ""},
		"never so":      {func(t *suite.Trial) { t.Eventually("it is not", func() bool { return false }) }, "it is not within"},
		"soon":          {func(t *suite.Trial) { t.Slack = time.Hour; t.Soon("it came", time.Now()) }, ""},
		"late":          {func(t *suite.Trial) { t.Soon("it came", time.Now().Add(-time.Second)) }, "it came after"},
		"left behind":   {func(t *suite.Trial) { t.LeavesNothing(50, func(int) { go func() { <-end }() }) }, "goroutines before"},
		"nothing is":    {func(t *suite.Trial) { t.LeavesNothing(50, func(int) {}) }, ""},
		"out of time":   {func(t *suite.Trial) { ctx, stop := t.Patient(); defer stop(); <-ctx.Done() }, ""},
		"just a moment": {func(t *suite.Trial) { t.Pause(t.While()) }, ""},
	} {
		found := rule{Name: name, Why: "it is", Check: tt.check}.Faults(t, begin)
		if tt.want == "" && len(found) > 0 || tt.want != "" && (len(found) != 1 || !strings.Contains(found[0], tt.want)) {
			t.Errorf("%s: %q, want %q", name, found, tt.want)
		}
	}
}

func TestRules(t *testing.T) {
	check := func(*suite.Trial) {}
	rules := []rule{
		{Name: "A", Why: "so", Check: check, Needs: []suite.Need[bool]{{Lack: "there is none", Has: func(has bool) bool { return has }}}},
		{Name: "A", Why: "so", Check: check},
		{Name: "B", Check: check},
		{Name: "C", Why: "so", Check: check},
	}
	if rules[0].Lacks(true) != "" || rules[0].Lacks(false) != "there is none" || rules[1].Lacks(false) != "" {
		t.Error("what is lacking is not seen")
	}
	rec := &suite.Recorder{TB: t}
	suite.Sound(rec, rules, map[string]bool{"A": true, "B": true})
	if want := []string{"two rules are called A", "rule B gives no reason", "no mistake is planted for rule C"}; !slices.Equal(rec.Failures(), want) {
		t.Errorf("%q", rec.Failures())
	}
	if suite.Named(t, rules, "C").Name != "C" {
		t.Error("another one")
	}
}
