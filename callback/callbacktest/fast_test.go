//go:build !race

package callbacktest_test

// slow: the race detector watches.
const slow = false
