// Packcheck uses the modules as their users get them. It packs every tagged module
// of modules.txt as a module proxy would, and unpacks it elsewhere. Beside the packed
// core it is a newcomer: in an empty directory it pastes the first program of the README
// and runs the README's commands for that, which have to print what the README says. The
// program must link nothing but the standard library, the core, and the modules that the
// core is allowed. Against each of the other modules it builds a program that imports it.
package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/antiphon-go/antiphon/internal/tools/markdown"
)

const core = "github.com/antiphon-go/antiphon"

// allowed are the modules that a user of the core links.
var allowed = []string{core, "golang.org/x/sync", "github.com/benbjohnson/clock"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("packcheck: ")
	dir, err := os.MkdirTemp("", "packcheck")
	if err != nil {
		log.Fatal(err)
	}
	n, err := run(dir)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the README's first program, in an empty module beside the packed core, prints what it has to and links only %v; adapters that build from outside: %d\n", allowed, n)
}

func run(dir string) (adapters int, err error) {
	nested, err := tagged()
	if err != nil {
		return 0, err
	}
	packed := filepath.Join(dir, "antiphon") // as the README says
	if err := pack(core, ".", packed); err != nil {
		return 0, fmt.Errorf("the core cannot be packed: %w", err)
	}
	if err := newcomer(filepath.Join(dir, "newcomer")); err != nil {
		return 0, err
	}
	for _, m := range nested {
		if err := useAdapter(dir, packed, m); err != nil {
			return 0, fmt.Errorf("module %s: %w", m, err)
		}
	}
	return len(nested), nil
}

// tagged returns the directories of the modules that are published beside the core.
func tagged() (dirs []string, err error) {
	list, err := os.ReadFile("modules.txt")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(list)) {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] != "#" && f[0] != "." && slices.Contains(f[1:], "tagged") {
			dirs = append(dirs, f[0])
		}
	}
	return dirs, nil
}

// newcomer does in the empty directory dir, beside the core, what the README says.
func newcomer(dir string) error {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		return err
	}
	blocks := markdown.Blocks(string(readme))
	program, output := markdown.First(blocks, "go"), markdown.First(blocks, "text")
	i := slices.IndexFunc(blocks, func(b markdown.Block) bool { return b.Lang == "sh" && b.Comment == "run: newcomer" })
	if program == nil || output == nil || i < 0 {
		return errors.New("the README needs a program, what it prints as text, and <!-- run: newcomer --> commands to run it")
	}
	if err := paste(dir, []byte(program.Body)); err != nil {
		return err
	}
	out, err := command(dir, "bash", "-euc", blocks[i].Body)
	if err != nil {
		return err
	}
	if string(out) != output.Body {
		return fmt.Errorf("the README's program printed %q, and the README says %q", out, output.Body)
	}
	binary := filepath.Join(dir, "user")
	if _, err := command(dir, "go", "build", "-o", binary, "."); err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	for _, m := range info.Deps {
		if !slices.Contains(allowed, m.Path) {
			return fmt.Errorf("a user of the core links %s; only %v are allowed", m.Path, allowed)
		}
	}
	return nil
}

// useAdapter builds a program that imports the module in directory m.
func useAdapter(dir, packedCore, m string) error {
	path, at := core+"/"+m, filepath.Join(dir, "adapter", m)
	if err := pack(path, m, at); err != nil {
		return fmt.Errorf("cannot be packed: %w", err)
	}
	source := []byte("package main\n\nimport _ \"" + path + "\"\n\nfunc main() {}\n")
	_, err := build(filepath.Join(dir, "user-of", m), source, core+"="+packedCore, path+"="+at)
	return err
}

// build compiles source in a module of its own under replacements, and returns the
// binary.
func build(dir string, source []byte, replace ...string) (binary string, err error) {
	if err := paste(dir, source); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "user")
	steps := [][]string{{"go", "mod", "init", "example.com/user"}}
	for _, r := range replace {
		steps = append(steps, []string{"go", "mod", "edit", "-replace", r})
	}
	steps = append(steps, []string{"go", "mod", "tidy"}, []string{"go", "build", "-o", binary, "."})
	for _, args := range steps {
		if _, err := command(dir, args...); err != nil {
			return "", err
		}
	}
	return binary, nil
}

// paste makes source the program in directory dir.
func paste(dir string, source []byte) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "main.go"), source, 0o666)
}

// pack writes the module in directory from to dir as it would be published: without
// nested modules, within a proxy's limits.
func pack(path, from, dir string) error {
	version := module.Version{Path: path, Version: "v0.0.0"}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	file, err := os.Create(dir + ".zip")
	if err != nil {
		return err
	}
	defer file.Close()
	if err := zip.CreateFromDir(file, version, from); err != nil {
		return err
	}
	return zip.Unzip(dir, version, file.Name())
}

func command(dir string, args ...string) ([]byte, error) {
	c := exec.Command(args[0], args[1:]...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%q: %w\n%s", args, err, errs.String())
	}
	return out, nil
}
