package natscallback

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// An ear hears what the server does not allow a connection: nats.go says so to the
// connection's error handler, and to nobody else. So the ear stands before that, as long
// as there is a Transport on the connection.
type ear struct {
	users int // guarded by ears

	mu       sync.Mutex // held while the handler is changed
	attached bool
	whom     atomic.Pointer[whom]
}

// whom an ear tells.
type whom struct {
	next nats.ErrHandler
	all  []*Transport
}

// ears are those of all connections that have one.
var ears = struct {
	sync.Mutex
	of map[*nats.Conn]*ear
}{of: map[*nats.Conn]*ear{}}

// hear has t be told of what its connection may not do.
func (t *Transport) hear() {
	ears.Lock()
	e := ears.of[t.nc]
	if e == nil {
		e = new(ear)
		ears.of[t.nc] = e
	}
	e.users++
	ears.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	var w whom
	if e.attached {
		w = *e.whom.Load()
	} else {
		w.next = t.nc.ErrorHandler()
	}
	w.all = append(slices.Clone(w.all), t)
	e.whom.Store(&w)
	if !e.attached {
		e.attached = true
		t.nc.SetErrorHandler(e.hears)
	}
}

// unhear undoes that. After the last Transport the handler is what it was, unless its
// user has changed it meanwhile.
func (t *Transport) unhear() {
	ears.Lock()
	e := ears.of[t.nc]
	ears.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	w := *e.whom.Load()
	w.all = slices.DeleteFunc(slices.Clone(w.all), func(other *Transport) bool { return other == t })
	e.whom.Store(&w)
	if len(w.all) == 0 {
		e.attached = false
		if reflect.ValueOf(t.nc.ErrorHandler()).Pointer() == reflect.ValueOf(e.hears).Pointer() {
			t.nc.SetErrorHandler(w.next)
		}
	}
	ears.Lock()
	defer ears.Unlock()
	if e.users--; e.users == 0 {
		delete(ears.of, t.nc)
	}
}

// hears is the handler.
func (e *ear) hears(nc *nats.Conn, sub *nats.Subscription, err error) {
	w := e.whom.Load()
	if errors.Is(err, nats.ErrPermissionViolation) {
		for _, t := range w.all {
			t.denied(err)
		}
	}
	if w.next != nil {
		w.next(nc, sub, err)
	}
}
