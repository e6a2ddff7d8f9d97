// Package futurebench measures package future. The rows are in future_test.go.
package futurebench
