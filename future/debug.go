package future

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync/atomic"
)

// debugging is what the environment variable ANTIPHON_DEBUG asks for; see
// "Debugging" in the package comment. It does not change after start-up.
var debugging = debugFlags(os.Getenv("ANTIPHON_DEBUG"))

type flags struct {
	pending bool // keep track of futures that are pending
	panics  bool // let panics through
}

func debugFlags(list string) (f flags) {
	for word := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(word) {
		case "pending":
			f.pending = true
		case "panics":
			f.panics = true
		}
	}
	return f
}

// profileName is how the profile of pending futures is found, as in
// /debug/pprof/<name>.
const profileName = "github.com/antiphon-go/antiphon/future.Pending"

var profile = func() *pprof.Profile {
	if p := pprof.Lookup(profileName); p != nil {
		return p
	}
	return pprof.NewProfile(profileName)
}()

// A record accompanies a future while debugging. It hangs on the future as a
// link like any other, and takes its place in head when the future is rejected
// while nobody looks.
type record[T any] struct {
	link
	mark   link
	looked *atomic.Bool
	stack  []byte
}

// track enters f, which was made by the caller's caller, into the profile.
func track[T any](f *Future[T]) {
	r := &record[T]{looked: new(atomic.Bool), stack: debug.Stack()}
	profile.Add(r, 3)
	if !f.link(&r.link, r) {
		profile.Remove(r)
	}
}

func (r *record[T]) settled(any) (*link, any) {
	profile.Remove(r)
	return nil, nil
}

// settledWhileDebugging leaves an unseen mark on a future that was rejected
// while nobody waited for it. The caller holds the lock.
func (f *Future[T]) settledWhileDebugging(ring *link) {
	waitedFor := f.done != nil || f.park != nil && f.park.used
	if f.err == nil || waitedFor || ring == nil || ring.next != ring {
		return
	}
	r, ok := ring.c.(*record[T])
	if !ok {
		return
	}
	r.mark.c = r
	f.head.Store(&r.mark)
	runtime.AddCleanup(f, warnUnseen, unseen{f.err, r.looked, r.stack})
}

type unseen struct {
	err    error
	looked *atomic.Bool
	stack  []byte
}

func warnUnseen(u unseen) {
	if !u.looked.Load() {
		slog.Warn("future: nobody looked at a failure", "error", u.err, "made", string(u.stack))
	}
}

// seen reports whether f has settled, and that somebody knows it now. Without
// the lock, head may only be compared: a ring changes under it.
func (f *Future[T]) seen() bool {
	if f.head.Load() == &settled {
		return true
	}
	if !debugging.pending {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	head := f.head.Load()
	if !isMark(head) {
		return false
	}
	if r, ok := head.c.(*record[T]); ok {
		r.looked.Store(true)
		f.head.Store(&settled)
	}
	return true
}

// A view is the read end of a promise while debugging: apart from the write
// end, so that the write end can be collected while somebody still waits.
type view[T any] struct {
	link
	out Future[T]
}

func (v *view[T]) settled(src any) (*link, any) {
	f := src.(*Future[T])
	ring, _ := v.out.publish(f.val, f.err)
	return ring, &v.out
}

// watch returns the view of p, the same for each call while p is pending.
func watch[T any](p *Promise[T]) *Future[T] {
	p.f.mu.Lock()
	if head := p.f.head.Load(); head != nil && !isMark(head) {
		if v, ok := head.c.(*view[T]); ok { // the only link, ever: nobody else sees p.f
			p.f.mu.Unlock()
			return &v.out
		}
	}
	p.f.mu.Unlock()
	v := &view[T]{}
	track(&v.out)
	if !p.f.link(&v.link, v) {
		v.settled(&p.f)
		return &v.out
	}
	runtime.AddCleanup(p, func(out *Future[T]) { out.reject(ErrAbandoned) }, &v.out)
	return &v.out
}
