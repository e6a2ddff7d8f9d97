// Package peerbench measures the library beside raw goroutines and channels and
// beside other libraries, in one run. It holds benchmarks only.
//
//	cd internal/peerbench && GOWORK=off go test -bench . -count 6 | tee bench.txt
//	go run ./table < bench.txt
//
// prints the table that the documentation shows: medians, as ratios to the raw
// row of the same benchmark.
package peerbench
