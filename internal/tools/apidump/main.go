// Apidump writes down the exported API of the module in the current directory:
// a line for every exported identifier of every public package, sorted, in one
// file a package. A change of the API is then a change of a file, to be seen and
// decided on.
//
//	apidump -o api
//
// Public is what other modules can import: not internal, not package main, not an example.
package main

import (
	"flag"
	"fmt"
	"go/types"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("apidump: ")
	out := flag.String("o", "api", "the directory to write to")
	flag.Parse()
	pkgs, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedDeps | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule,
	}, "./...")
	if err != nil {
		log.Fatal(err)
	}
	if packages.PrintErrors(pkgs) > 0 {
		os.Exit(1)
	}
	if err := os.MkdirAll(*out, 0o777); err != nil {
		log.Fatal(err)
	}
	for _, p := range pkgs {
		if !public(p) {
			continue
		}
		text := strings.Join(dump(p.Types), "\n") + "\n"
		if err := os.WriteFile(filepath.Join(*out, file(p)), []byte(text), 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

func public(p *packages.Package) bool {
	path := strings.Split(p.PkgPath, "/")
	return p.Name != "main" && !slices.Contains(path, "internal") && !slices.Contains(path, "examples")
}

// file names a package within its module: the module's own is its name.
func file(p *packages.Package) string {
	rel := strings.TrimPrefix(strings.TrimPrefix(p.PkgPath, p.Module.Path), "/")
	if rel == "" {
		rel = p.Name
	}
	return strings.ReplaceAll(rel, "/", "-") + ".txt"
}

// dump lists the exported identifiers of p.
func dump(p *types.Package) []string {
	var lines []string
	relative := types.RelativeTo(p)
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, name := range p.Scope().Names() {
		obj := p.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		if c, ok := obj.(*types.Const); ok {
			add("%s = %s", types.ObjectString(obj, relative), c.Val())
			continue
		}
		t, ok := obj.(*types.TypeName)
		if !ok {
			add("%s", types.ObjectString(obj, relative))
			continue
		}
		if t.IsAlias() {
			add("%s", types.ObjectString(obj, relative))
			continue
		}
		dumpType(add, t, relative)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func dumpType(add func(string, ...any), t *types.TypeName, relative types.Qualifier) {
	name := types.TypeString(t.Type(), relative)
	switch u := t.Type().Underlying().(type) {
	case *types.Struct:
		add("type %s struct", name)
		for f := range u.Fields() {
			if f.Exported() {
				add("field %s.%s %s", name, f.Name(), types.TypeString(f.Type(), relative))
			}
		}
	case *types.Interface:
		add("type %s interface", name)
	default:
		add("type %s %s", name, types.TypeString(u, relative))
	}
	// Of a struct that embeds, the methods that it declares; what it promotes
	// is the embedded type's.
	if named, ok := t.Type().(*types.Named); ok {
		for m := range named.Methods() {
			if m.Exported() {
				add("%s", types.ObjectString(m, relative))
			}
		}
	}
	if i, ok := t.Type().Underlying().(*types.Interface); ok {
		for m := range i.Methods() {
			if m.Exported() {
				add("%s", types.ObjectString(m, relative))
			}
		}
	}
}
