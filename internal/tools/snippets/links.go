package main

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/antiphon-go/antiphon/internal/tools/markdown"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan = regexp.MustCompile("`[^`]*`")
)

// links says which links of the Markdown text of the file name lead to no file of root.
func links(name, text string, root fs.FS) (problems []string) {
	lines := strings.Split(text, "\n")
	for _, b := range markdown.Blocks(text) {
		clear(lines[b.Start:b.End])
	}
	for i, line := range lines {
		for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			if _, err := fs.Stat(root, path.Join(path.Dir(name), to)); err != nil {
				problems = append(problems, fmt.Sprintf("line %d: a link to %s, and there is no such file", i+1, m[1]))
			}
		}
	}
	return problems
}
