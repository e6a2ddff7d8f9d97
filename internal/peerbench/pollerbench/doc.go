// Package pollerbench measures package poller: poll_test.go has what it costs to ask a
// function once more until it is done, and each library's way of that.
package pollerbench
