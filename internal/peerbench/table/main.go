// Table reads the output of go test -bench from standard input, and prints a
// Markdown table of it: for each row the median of its runs, as a ratio to the
// first row of its benchmark, and its allocations. What is weighed instead of
// timed is shown in bytes. What is measured beside, in a unit such as CPU-ns/op,
// has rows of its own. The arguments are the command that was run, which is
// printed below the table, with what it ran on.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("table: ")
	runs, err := read(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	runs.print(os.Stdout, strings.Join(os.Args[1:], " "))
}

type runs struct {
	rows       []*row
	cpu, cores string
}

// A row is one benchmark with what was measured in each of its runs, by unit.
type row struct {
	bench, name string
	measured    map[string][]float64
}

// BenchmarkAll100/antiphon-2   10000   123.4 ns/op   56 B/op   7 allocs/op
var line = regexp.MustCompile(`^Benchmark(\w+)/(\S+?)(?:-(\d+))?\s+\d+\s+(.+)$`)

func read(in io.Reader) (*runs, error) {
	rs := &runs{cores: "1"}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		text := lines.Text()
		if cpu, ok := strings.CutPrefix(text, "cpu: "); ok {
			rs.cpu = cpu
		}
		if strings.HasPrefix(text, "FAIL") || strings.HasPrefix(text, "--- FAIL") {
			return nil, fmt.Errorf("the benchmarks have failed: %s", text)
		}
		m := line.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if m[3] != "" {
			rs.cores = m[3]
		}
		if err := rs.row(m[1], strings.ReplaceAll(m[2], "_", " ")).add(strings.Fields(m[4])); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
	}
	if lines.Err() == nil && len(rs.rows) == 0 {
		return nil, fmt.Errorf("no benchmark lines on standard input")
	}
	return rs, lines.Err()
}

func (rs *runs) row(bench, name string) *row {
	i := slices.IndexFunc(rs.rows, func(r *row) bool { return r.bench == bench && r.name == name })
	if i < 0 {
		i = len(rs.rows)
		rs.rows = append(rs.rows, &row{bench, name, make(map[string][]float64)})
	}
	return rs.rows[i]
}

// add adds pairs of value and unit.
func (r *row) add(fields []string) error {
	for i := 0; i+1 < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return err
		}
		r.measured[fields[i+1]] = append(r.measured[fields[i+1]], v)
	}
	return nil
}

func (r *row) median(unit string) (v float64, ok bool) {
	vs := slices.Sorted(slices.Values(r.measured[unit]))
	n := len(vs)
	if n == 0 {
		return 0, false
	}
	return (vs[(n-1)/2] + vs[n/2]) / 2, true
}

// measured are the units of what is timed or weighed, and beside of what is
// measured beside that, after its name: CPU-ns/op.
var (
	measured = regexp.MustCompile(`^(ns)/op$|^(B)/each$`)
	beside   = regexp.MustCompile(`^(.+)-([^-/]+)`)
)

// value returns what r has measured under a name, which is empty for what is timed
// or weighed.
func (r *row) value(name string) (v float64, unit string, ok bool) {
	for u := range r.measured {
		if m := measured.FindStringSubmatch(u); m != nil && name == "" {
			v, ok = r.median(u)
			return v, m[1] + m[2], ok
		}
		if m := beside.FindStringSubmatch(u); m != nil && name == m[1] {
			v, ok = r.median(u)
			return v, m[2], ok
		}
	}
	return 0, "", false
}

// names are those of what the rows of a benchmark have measured, in order.
func (rs *runs) names(bench string) []string {
	names := []string{""}
	for _, r := range rs.rows {
		for u := range r.measured {
			if m := beside.FindStringSubmatch(u); m != nil && r.bench == bench {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (rs *runs) print(out io.Writer, command string) {
	fmt.Fprintf(out, "| benchmark | what | ratio | measured | allocs/op |\n|---|---|---:|---:|---:|\n")
	for i, r := range rs.rows {
		if i > 0 && r.bench == rs.rows[i-1].bench {
			continue
		}
		for _, name := range rs.names(r.bench) {
			rs.printRows(out, r.bench, name)
		}
	}
	fmt.Fprintf(out, "\nMedians of %d runs, %s on %s/%s, %s cores", rs.count(), runtime.Version(), runtime.GOOS, runtime.GOARCH, rs.cores)
	if rs.cpu != "" {
		fmt.Fprintf(out, " of %s", rs.cpu)
	}
	if command != "" {
		fmt.Fprintf(out, ": `%s`", command)
	}
	fmt.Fprintln(out)
}

// printRows prints what the rows of a benchmark have measured under a name.
func (rs *runs) printRows(out io.Writer, bench, name string) {
	var base float64
	title := strings.TrimSuffix(bench+", "+name, ", ")
	for _, r := range rs.rows {
		v, unit, ok := r.value(name)
		if r.bench != bench || !ok {
			continue
		}
		allocs := ""
		if n, ok := r.median("allocs/op"); ok && unit == "ns" && name == "" {
			allocs = fmt.Sprintf("%.0f", n)
		}
		if title != "" {
			base = v
		}
		fmt.Fprintf(out, "| %s | %s | %.2f | %s %s | %s |\n", title, r.name, v/base, digits(v), unit, allocs)
		title = ""
	}
}

// count is how many runs the row with the fewest has.
func (rs *runs) count() int {
	n := 0
	for i, r := range rs.rows {
		for _, vs := range r.measured {
			if i == 0 || len(vs) < n {
				n = len(vs)
			}
			break
		}
	}
	return n
}

// digits shows three significant ones.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
