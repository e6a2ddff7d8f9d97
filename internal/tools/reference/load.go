package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A pack is a package, as far as it is of interest.
type pack struct {
	dir, name string
	options   []option
	events    []event
	told      []string // names of events that the code surely tells
	literals  []string // all strings of the code
}

type option struct{ name, what, zero string }

type event struct {
	names []string
	says  string
}

// load reads the package in dir, without its tests.
func load(dir string) (*pack, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	p := &pack{dir: dir}
	files := token.NewFileSet()
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		p.name = f.Name.Name
		p.read(f)
	}
	return p, nil
}

// read takes from f what is of interest.
func (p *pack) read(f *ast.File) {
	if f.Doc != nil && strings.Contains(f.Doc.Text(), "# What is told") {
		p.events = list(f.Doc.Text())
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok && n.Name.IsExported() {
				for _, field := range s.Fields.List {
					p.option(n.Name.Name, field)
				}
			}
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				p.literals = append(p.literals, s)
			}
		case *ast.CompositeLit:
			if t := n.Type; t != nil && (name(t) == "Event") {
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && name(kv.Key) == "Name" {
						p.tells(kv.Value)
					}
				}
			}
		case *ast.CallExpr:
			if f := name(n.Fun); f == "observe" || f == "tell" {
				for _, a := range n.Args {
					p.tells(a)
				}
			}
		}
		return true
	})
}

func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func (p *pack) tells(e ast.Expr) {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		s, _ := strconv.Unquote(l.Value)
		p.told = append(p.told, s)
	}
}

var zero = regexp.MustCompile(`(?s)^(.*?)\s*\b0 means (.*?)(?:\.\s|\.$|; |$)`)

// option takes the field of a struct, if its comment says what 0 means.
func (p *pack) option(of string, field *ast.Field) {
	text := strings.Join(strings.Fields(field.Doc.Text()), " ")
	m := zero.FindStringSubmatch(text)
	if m == nil || len(field.Names) == 0 || !field.Names[0].IsExported() || !number(field.Type) || of == "Event" || of == "Caps" {
		return
	}
	var names []string
	for _, n := range field.Names {
		names = append(names, n.Name)
	}
	what, _, _ := strings.Cut(m[1], ". ")
	for _, n := range append([]string{strings.Join(names, " and ")}, names...) {
		for _, verb := range []string{" is ", " are ", " bounds ", " bound "} {
			what = strings.TrimPrefix(what, n+verb)
		}
	}
	p.options = append(p.options, option{of + "." + strings.Join(names, "`, `"), strings.TrimSuffix(what, "."), m[2]})
}

func number(t ast.Expr) bool {
	return slices.Contains([]string{"int", "int64", "float64", "Duration"}, name(t))
}

// list returns the events of a package comment: indented lines, each of names and what
// they say, which goes on in lines that are indented further.
func list(doc string) (all []event) {
	_, doc, _ = strings.Cut(doc, "# What is told")
	doc, _, _ = strings.Cut(doc, "\n# ")
	for line := range strings.Lines(doc) {
		line, ok := strings.CutPrefix(line, "\t")
		switch {
		case !ok:
		case strings.HasPrefix(line, " ") && len(all) > 0:
			all[len(all)-1].says += " " + strings.TrimSpace(line)
		default:
			names, says, _ := strings.Cut(strings.TrimSpace(line), "  ")
			all = append(all, event{strings.Split(names, ", "), strings.TrimSpace(says)})
		}
	}
	for i := range all {
		all[i].says = strings.TrimSpace(all[i].says)
	}
	return all
}

// problems says which events are listed and not told, or told and not listed.
func (p *pack) problems() (all []string) {
	var listed []string
	for _, e := range p.events {
		for _, n := range e.names {
			listed = append(listed, n)
			if !slices.Contains(p.literals, n) {
				all = append(all, fmt.Sprintf("%s: %s is listed, and nothing tells of it", p.dir, n))
			}
		}
	}
	slices.Sort(p.told)
	for _, n := range slices.Compact(p.told) {
		if strings.Contains(n, ".") && !slices.Contains(listed, n) {
			all = append(all, fmt.Sprintf("%s: %s is told, and not listed in the package comment", p.dir, n))
		}
	}
	return all
}
