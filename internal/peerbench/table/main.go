// Table reads the output of go test -bench -count N from standard input, and
// prints a Markdown table of it: the median of each row, as a ratio to the first
// row of its benchmark, and its allocations.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

var line = regexp.MustCompile(`^Benchmark(\w+)/(\S+?)(?:-(\d+))?\s+\d+\s+([\d.]+) ns/op(?:.*?(\d+) allocs/op)?`)

type row struct {
	bench, name string
	ns          []float64
	allocs      []int
}

func main() {
	log.SetFlags(0)
	var rows []*row
	cores := "1"
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		m := line.FindStringSubmatch(in.Text())
		if m == nil {
			continue
		}
		if m[3] != "" {
			cores = m[3]
		}
		i := slices.IndexFunc(rows, func(r *row) bool { return r.bench == m[1] && r.name == m[2] })
		if i < 0 {
			i = len(rows)
			rows = append(rows, &row{bench: m[1], name: m[2]})
		}
		ns, err := strconv.ParseFloat(m[4], 64)
		if err != nil {
			log.Fatal(err)
		}
		allocs, _ := strconv.Atoi(m[5])
		rows[i].ns = append(rows[i].ns, ns)
		rows[i].allocs = append(rows[i].allocs, allocs)
	}
	if len(rows) == 0 {
		log.Fatal("table: no benchmark lines on standard input")
	}
	fmt.Printf("| benchmark | what | ratio | ns/op | allocs/op |\n|---|---|---:|---:|---:|\n")
	var base float64
	last := ""
	for _, r := range rows {
		ns := median(r.ns)
		name := ""
		if r.bench != last {
			base, last, name = ns, r.bench, r.bench
		}
		fmt.Printf("| %s | %s | %.2f | %.4g | %d |\n", name, strings.ReplaceAll(r.name, "_", " "), ns/base, ns, median(r.allocs))
	}
	fmt.Printf("\nMedians of %d runs with %s on %s/%s, %s cores.\n", len(rows[0].ns), runtime.Version(), runtime.GOOS, runtime.GOARCH, cores)
}

func median[T float64 | int](xs []T) T {
	slices.Sort(xs)
	return xs[len(xs)/2]
}
