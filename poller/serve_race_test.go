//go:build race

package poller_test

// raced says that the race detector is at it, which takes many times the memory.
const raced = true
