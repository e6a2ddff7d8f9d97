//go:build race

package poller_test

// stride: the race detector takes its time.
const stride = 53
