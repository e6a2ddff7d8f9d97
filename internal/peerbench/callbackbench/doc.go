// Package callbackbench measures package callback: registry_test.go has the rows
// of what is expected, pipe_test.go of what is asked in memory, websocket_test.go
// of what is asked over a WebSocket on the loopback. The CPU is that of the whole
// process, both ends; asking for it needs a Unix.
package callbackbench
