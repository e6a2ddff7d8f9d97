// Package peerbench measures the library beside raw goroutines and channels and
// beside other libraries, in one run. It holds benchmarks only: future_test.go
// has the rows, every other file what one library does in them.
//
//	make benchtable              # or internal/peerbench/table.sh
//	COUNT=10 BENCH=All100 internal/peerbench/table.sh -benchtime 2s
//
// prints the table that docs/benchmarks.md shows: medians, as ratios to the
// first row of the same benchmark, which is raw where there is a raw way. A
// machine that does anything else meanwhile makes the table worthless.
package peerbench
