// Package conformance checks that clients and servers that nobody here wrote understand
// ours: package poller's server is followed by the Azure SDK's pollers, Google's client of
// long-running operations and curl.
//
// It is a module of its own, so that none of that is in anybody's module graph.
package conformance
