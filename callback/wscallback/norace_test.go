//go:build !race

package wscallback_test

const raceEnabled = false
