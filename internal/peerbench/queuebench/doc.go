// Package queuebench measures package queue: sqlite_test.go has the rows of jobs on an
// SQLite file, from submission to the end of the work, all on one driver; memory_test.go
// of jobs in memory.
package queuebench
