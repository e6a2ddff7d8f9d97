package main

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A promise is a sentence with a number, such as Q6.
type promise struct {
	number   string
	sentence string
}

var item = regexp.MustCompile(`^//   - ([A-Z])(\d+) (.*)$`)

// promises returns the sentences of doc whose numbers begin with letter, which have to be
// 1, 2, 3 and so on.
func promises(doc, letter string) (all []promise, problems []string) {
	open := false // the last line belongs to a promise
	for line := range strings.Lines(doc) {
		line = strings.TrimRight(line, "\n")
		if m := item.FindStringSubmatch(line); m != nil {
			if open = m[1] == letter; open {
				all = append(all, promise{m[1] + m[2], m[3]})
				if n, _ := strconv.Atoi(m[2]); n != len(all) {
					problems = append(problems, fmt.Sprintf("%s%s comes as number %d", m[1], m[2], len(all)))
				}
			}
		} else if more, ok := strings.CutPrefix(line, "//     "); ok && open {
			all[len(all)-1].sentence += " " + more
		} else {
			open = false
		}
	}
	if len(all) == 0 {
		problems = append(problems, "no promises with "+letter)
	}
	return all, problems
}

// A carrier is a test or a rule of a suite that carries promises.
type carrier struct {
	numbers []string
	name    string
	file    string
	rule    bool
}

var (
	test = regexp.MustCompile(`(?m)^func (Test((?:[FCQPWSX]\d+_)+)\w+)\(`)
	rule = regexp.MustCompile(`(?m)^\t\{?\s*Name:\s*"(\w+)",\s*Why:\s*"([A-Z]\d+(?:, [A-Z]\d+)*): `)
)

// find returns what carries promises in root, in the order of files.
func find(root fs.FS) (all []carrier, err error) {
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(name, "_test.go"):
			for _, m := range test.FindAllStringSubmatch(string(text), -1) {
				all = append(all, carrier{strings.Split(strings.Trim(m[2], "_"), "_"), m[1], name, false})
			}
		case strings.HasSuffix(path.Dir(name), "test"):
			for _, m := range rule.FindAllStringSubmatch(string(text), -1) {
				all = append(all, carrier{strings.Split(m[2], ", "), m[1], name, true})
			}
		}
		return nil
	})
	return all, err
}

// match says which promises no test carries, and which numbers are no promise's.
func match(all []promise, carriers []carrier) (problems []string) {
	carried := map[string]bool{}
	for _, c := range carriers {
		for _, n := range c.numbers {
			carried[n] = carried[n] || !c.rule
			if !slices.ContainsFunc(all, func(p promise) bool { return p.number == n }) {
				problems = append(problems, fmt.Sprintf("%s: %s carries %s, which is no promise", c.file, c.name, n))
			}
		}
	}
	for _, p := range all {
		if !carried[p.number] {
			problems = append(problems, fmt.Sprintf("%s: no test carries it in its name: %s", p.number, p.sentence))
		}
	}
	return problems
}
