package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

const doc = `// Package p.
//
//   - Q1 What was accepted
//     is done.
//   - S1 Another list's.
//   - Q2 Nothing is early.
//
// And so on.
package p
`

func TestPromises(t *testing.T) {
	all, problems := promises(doc, "Q")
	if len(problems) != 0 || len(all) != 2 || all[0] != (promise{"Q1", "What was accepted is done."}) || all[1] != (promise{"Q2", "Nothing is early."}) {
		t.Errorf("%q, %q", all, problems)
	}
	for _, wrong := range []string{"", strings.Replace(doc, "Q2", "Q3", 1), strings.Replace(doc, "Q2", "Q1", 1)} {
		if _, problems := promises(wrong, "Q"); len(problems) == 0 {
			t.Errorf("nothing is wrong with %q", wrong)
		}
	}
}

func TestWhatCarriesThem(t *testing.T) {
	found, err := find(fstest.MapFS{
		"p/a_test.go":          {Data: []byte("package p\n\nfunc TestQ1_Done(t *testing.T) {}\n\nfunc TestOther(t *testing.T) {}\n")},
		"p/q/b_test.go":        {Data: []byte("package q\n\nfunc TestQ1_Q2_Both(t *testing.T) {}\n")},
		"p/ptest/rules.go":     {Data: []byte("package ptest\n\nvar rules = []rule{\n\t{\n\t\tName:  \"Early\",\n\t\tWhy:   \"Q2, Q1: nothing is early\",\n\t},\n\t{\n\t\tName: \"None\",\n\t\tWhy:  \"no number\",\n\t},\n}\n\nvar soak = rule{\n\tName:  \"Soak\",\n\tWhy:   \"Q2: for long\",\n}\n")},
		"p/testdata/c_test.go": {Data: []byte("package c\n\nfunc TestQ1_No(t *testing.T) {}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range found {
		got = append(got, strings.Join(c.numbers, "+")+" "+c.name)
	}
	if s := strings.Join(got, "; "); s != "Q1 TestQ1_Done; Q2+Q1 Early; Q2 Soak; Q1+Q2 TestQ1_Q2_Both" {
		t.Error(s)
	}
	all := []promise{{"Q1", "done"}, {"Q2", "early"}}
	if problems := match(all, found); len(problems) != 0 {
		t.Error(problems)
	}
	if text := write(all, found); !strings.Contains(text, "**Q2** early\n\n- p/q: [TestQ1_Q2_Both](../p/q/b_test.go)\n- rules of p/ptest: [Early](../p/ptest/rules.go), [Soak](../p/ptest/rules.go)\n") {
		t.Error(text)
	}
	for _, wrong := range [][]promise{all[:1], {all[0], all[1], {"Q3", "no test"}}} {
		if problems := match(wrong, found); len(problems) == 0 {
			t.Errorf("nothing is wrong with %q", wrong)
		}
	}
	// A rule alone is no test.
	if problems := match(all, found[:3]); len(problems) != 1 {
		t.Error(problems)
	}
}
