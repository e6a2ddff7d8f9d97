//go:build !race

package poller_test

// stride is by how many bytes the places differ at which connections are cut.
const stride = 7
