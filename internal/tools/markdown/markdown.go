// Package markdown finds the blocks of code in Markdown.
package markdown

import "strings"

// A Block is a fenced block of code.
type Block struct {
	Comment    string // of the HTML comment on the line before it, or ""
	Lang       string
	Body       string
	Start, End int  // of the body, in lines of the file
	Odd        bool // indented, without an end, or fenced by other than three backticks
}

// Blocks returns those of text, in order.
func Blocks(text string) []Block {
	var found []Block
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		inner := strings.TrimLeft(lines[i], " \t>")
		if !strings.HasPrefix(inner, "```") && !strings.HasPrefix(inner, "~~~") {
			continue
		}
		lang, plain := strings.CutPrefix(lines[i], "```")
		b := Block{Lang: strings.TrimSpace(lang), Start: i + 1, Odd: !plain || strings.HasPrefix(lang, "`")}
		if i > 0 {
			if c, ok := strings.CutPrefix(strings.TrimSpace(lines[i-1]), "<!--"); ok {
				b.Comment = strings.TrimSpace(strings.TrimSuffix(c, "-->"))
			}
		}
		fence := inner[:3]
		for i++; i < len(lines) && !strings.HasPrefix(strings.TrimLeft(lines[i], " \t>"), fence); i++ {
			b.Body += lines[i]
		}
		b.Odd = b.Odd || i == len(lines)
		b.End = i
		found = append(found, b)
	}
	return found
}

// First is the first block of a language, or nil.
func First(blocks []Block, lang string) *Block {
	for i := range blocks {
		if blocks[i].Lang == lang {
			return &blocks[i]
		}
	}
	return nil
}
