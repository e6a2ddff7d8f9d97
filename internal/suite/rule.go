// Package suite is what the public suites have in common: rules, the trials in which they
// are checked, and how a suite is itself tested.
package suite

import "testing"

// A Rule is one sentence of a contract and how to find it broken. H is what is known
// about what is tested.
type Rule[T Trier, H any] struct {
	Name  string
	Why   string
	Needs []Need[H] // what must be there for the rule to mean anything
	Check func(T)
}

// A Trier is a [Trial], or what has one inside.
type Trier interface {
	testing.TB
	End()
}

// A Need is what a rule is about and may be lacking.
type Need[H any] struct {
	Lack string // said of what lacks it
	Has  func(H) bool
}

// Lacks says what r needs and is lacking, or nothing.
func (r Rule[T, H]) Lacks(has H) string {
	for _, n := range r.Needs {
		if !n.Has(has) {
			return n.Lack
		}
	}
	return ""
}

// Run checks r in t, and ends t. Where r is broken, its reason is told.
func (r Rule[T, H]) Run(t T) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the rule: %s", r.Why)
		}
	}()
	defer t.End()
	r.Check(t)
}
