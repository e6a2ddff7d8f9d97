// Packcheck uses the core as its users get it. It packs the module in the
// current directory as a module proxy would, unpacks it elsewhere, builds and
// runs the README's first program in a module of its own against it, and checks
// that the program links nothing but the standard library, the core, and the modules
// that the core is allowed.
package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const core = "github.com/antiphon-go/antiphon"

// allowed are the modules that a user of the core links.
var allowed = []string{core, "golang.org/x/sync", "github.com/benbjohnson/clock"}

// program is what the README begins with, and want is what it prints.
const (
	program = "examples/hello/main.go"
	want    = "asked\n[4 8] <nil>\n"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("packcheck: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("packcheck: a scratch user of the packed core builds, runs, and links only", allowed)
}

func run() error {
	dir, err := os.MkdirTemp("", "packcheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	packed, user := filepath.Join(dir, "core"), filepath.Join(dir, "user")
	if err := pack(dir, packed); err != nil {
		return fmt.Errorf("the module cannot be packed: %w", err)
	}
	if err := os.Mkdir(user, 0o777); err != nil {
		return err
	}
	source, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(user, "main.go"), source, 0o666); err != nil {
		return err
	}
	binary := filepath.Join(user, "user")
	for _, args := range [][]string{
		{"go", "mod", "init", "example.com/user"},
		{"go", "mod", "edit", "-replace", core + "=" + packed},
		{"go", "mod", "tidy"},
		{"go", "build", "-o", binary, "."},
	} {
		if _, err := command(user, args...); err != nil {
			return err
		}
	}
	out, err := command(user, binary)
	if err != nil {
		return err
	}
	if string(out) != want {
		return fmt.Errorf("%s printed %q from outside, want %q", program, out, want)
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

// pack writes the module in the current directory to dir as it would be
// published: without nested modules, within a proxy's limits.
func pack(tmp, dir string) error {
	version := module.Version{Path: core, Version: "v0.0.0"}
	file, err := os.Create(filepath.Join(tmp, "core.zip"))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := zip.CreateFromDir(file, version, "."); err != nil {
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
