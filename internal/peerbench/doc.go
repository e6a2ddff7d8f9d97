// Package peerbench measures the library beside raw goroutines and channels and
// beside other libraries, in one run. It holds benchmarks only.
//
//	make benchtable
//
// prints the table that docs/benchmarks.md shows: medians, as ratios to the raw
// row of the same benchmark.
package peerbench
