package future

import (
	"bytes"
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

// track enters f, which was made by the caller's caller, into the profile. It
// reports whether that is in a synctest bubble.
func track[T any](f *Future[T]) (bubbled bool) {
	r := &record[T]{looked: new(atomic.Bool), stack: debug.Stack()}
	header, _, _ := bytes.Cut(r.stack, []byte{'\n'}) // goroutine 9 [running, synctest bubble 7]:
	profile.Add(r, 3)
	if !f.link(&r.link, r) {
		profile.Remove(r)
	}
	return bytes.Contains(header, []byte("synctest"))
}

func (r *record[T]) settled(any) (*link, any) {
	profile.Remove(r)
	return nil, nil
}

// markWhileDebugging returns the mark with which f settles: an unseen mark if it
// was rejected while nobody waited for it, and on a promise one that leads to its
// view. The caller holds the lock, and stores the mark: head must not be settled
// meanwhile, for whoever sees that without the lock leaves no note.
func (f *Future[T]) markWhileDebugging(ring *link) *link {
	if ring == nil {
		return &settled
	}
	if v, ok := ring.c.(*view[T]); ok {
		v.mark.c = v
		return &v.mark
	}
	waitedFor := f.done != nil || f.park != nil && f.park.used
	if f.err == nil || waitedFor || ring.next != ring {
		return &settled
	}
	r, ok := ring.c.(*record[T])
	if !ok {
		return &settled
	}
	r.mark.c = r
	runtime.AddCleanup(f, warnUnseen, unseen{f.err, r.looked, r.stack})
	return &r.mark
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
	f.looked(head)
	return true
}

// looked notes that somebody knows how f ended. The caller holds the lock, and
// mark is head.
func (f *Future[T]) looked(mark *link) {
	if r, ok := mark.c.(*record[T]); ok {
		r.looked.Store(true)
		f.head.Store(&settled)
	}
}

// A view is the read end of a promise while debugging: apart from the write
// end, so that the write end can be collected while somebody still waits.
type view[T any] struct {
	link
	mark link // of the promise, once it has settled
	out  Future[T]
}

func (v *view[T]) settled(src any) (*link, any) {
	f := src.(*Future[T])
	ring, _ := v.out.publish(f.val, f.err)
	return ring, &v.out
}

// watch returns the view of p, the same for each call. Who first asks for it
// when p has settled already needs none.
func watch[T any](p *Promise[T]) *Future[T] {
	f := &p.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if head := f.head.Load(); head != nil {
		if v, ok := head.c.(*view[T]); ok { // in the ring it is alone: nobody else sees f
			return &v.out
		}
		return f
	}
	v := &view[T]{}
	bubbled := track(&v.out)
	v.next, v.prev, v.c = &v.link, &v.link, v
	f.head.Store(&v.link)
	if !bubbled { // cleanups run outside of every bubble, and would end the process there
		runtime.AddCleanup(p, func(out *Future[T]) { go out.reject(ErrAbandoned) }, &v.out)
	}
	return &v.out
}
