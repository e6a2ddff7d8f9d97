package callback

import "sync"

// An exit is where those go whose contexts have ended. Each comes on a goroutine of
// its own, as context.AfterFunc wills; one does the work of all, and the others end
// at once. When a context ends that a million hang on, a million goroutines would
// else wait for its lock, with a stack each.
//
// Zero value: ready.
type exit struct {
	mu   sync.Mutex
	line []func()
	busy bool // somebody does the work
}

// through calls do, or leaves it to whoever is there already.
func (x *exit) through(do func()) {
	x.mu.Lock()
	x.line = append(x.line, do)
	first := !x.busy
	x.busy = true
	x.mu.Unlock()
	if first {
		x.work()
	}
}

func (x *exit) work() {
	var done bool
	defer func() {
		if !done { // what hangs on a future has ended the goroutine
			go x.work()
		}
	}()
	for !done {
		x.mu.Lock()
		line := x.line
		x.line = nil
		done = len(line) == 0
		x.busy = !done
		x.mu.Unlock()
		each(line, func(do func()) { do() })
	}
}
