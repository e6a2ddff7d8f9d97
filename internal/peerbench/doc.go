// Package peerbench measures the library beside what one would write by hand and
// beside other libraries, in one run. Each package of the library has one here,
// such as futurebench, of benchmarks only: some files have the rows,
// every other what one library does in them.
//
//	make benchtable              # or internal/peerbench/table.sh
//	internal/peerbench/table.sh callback
//	COUNT=10 BENCH=All100 internal/peerbench/table.sh future -benchtime 2s
//
// prints the table that docs/benchmarks.md shows: medians, as ratios to the
// first row of the same benchmark, which is raw where there is a raw way. A
// machine that does anything else meanwhile makes the table worthless.
package peerbench
