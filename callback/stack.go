package callback

import "runtime"

// deep is how much stack work usually needs: decoding JSON takes most of it.
const deep = 6 << 10

// grow has the stack of a new goroutine grow at once, while there is next to
// nothing on it that would have to be moved.
//
//go:noinline
func grow() {
	var room [deep]byte
	runtime.KeepAlive(&room)
}
