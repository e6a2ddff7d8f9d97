package callback_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// A far is the far end of a peer's pipe, with a test in place of a peer: it sends
// what the test likes, and reads when the test does.
type far struct {
	t    testing.TB
	wire callback.Transport
	in   callback.Inbox
}

// alone runs a peer with a far end.
func alone(t testing.TB, o *callback.PeerOptions) (*callback.Peer, *far) {
	t.Helper()
	return aloneOn(t, o, nil)
}

func aloneOn(t testing.TB, o *callback.PeerOptions, po *callback.PipeOptions) (*callback.Peer, *far) {
	t.Helper()
	x, y := callback.Pipe(po)
	p, f := callback.NewPeer(x, o), farEnd(t, y)
	run(t, p)
	synctest.Wait()
	return p, f
}

func farEnd(t testing.TB, wire callback.Transport) *far {
	t.Helper()
	in, err := wire.Listen(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = wire.Close() })
	return &far{t, wire, in}
}

// send sends m, for which there must be room.
func (f *far) send(m callback.Message) {
	f.t.Helper()
	ok, err := f.wire.(callback.TrySender).TrySend(&m)
	if !ok || err != nil {
		f.t.Fatalf("%v was not taken: %v", m.Kind, err)
	}
}

// request sends a request for name, of id n, with an hour's time.
func (f *far) request(name string, n byte, body string) callback.ID {
	f.t.Helper()
	id := callback.ID{n, 1}
	f.send(callback.Message{Kind: callback.Request, ID: id, To: name, Deadline: time.Now().Add(time.Hour), Body: []byte(body)})
	return id
}

// next returns the next message, of kind k, which must come within an hour.
func (f *far) next(k callback.Kind) *callback.Message {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	d, err := f.in.Receive(ctx)
	if err != nil {
		f.t.Fatalf("no %v: %v", k, err)
	}
	if d.Kind != k {
		f.t.Fatalf("got a %v, not a %v: %+v", d.Kind, k, d.Message)
	}
	return d.Message
}

// nothing says that nothing has come.
func (f *far) nothing() {
	f.t.Helper()
	if m := f.peek(); m != nil {
		f.t.Fatalf("got a %v: %+v", m.Kind, m)
	}
}

// peek returns the next message, if it has come.
func (f *far) peek() *callback.Message {
	synctest.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d, err := f.in.Receive(ctx)
	if err != nil {
		return nil
	}
	return d.Message
}

// all returns what has come.
func (f *far) all() (all []*callback.Message) {
	for m := f.peek(); m != nil; m = f.peek() {
		all = append(all, m)
	}
	return all
}

// answer answers m.
func (f *far) answer(m *callback.Message, body string) {
	f.t.Helper()
	f.send(callback.Message{Kind: callback.Reply, ID: m.ID, To: m.ReplyTo, Body: []byte(body)})
}

// await returns how fu ends, for which it waits in virtual time.
func await[T any](t testing.TB, fu *future.Future[T]) (T, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 1000*time.Hour)
	defer cancel()
	v, err := fu.Await(ctx)
	if errors.Is(err, future.ErrPending) {
		t.Fatal("it is pending for ever")
	}
	return v, err
}

// count is how many events of name there were, since the last take.
func (es *events) count(name string) (n int) {
	es.mu.Lock()
	defer es.mu.Unlock()
	for _, e := range es.all {
		if e.Name == name {
			n += max(e.Count, 1)
		}
	}
	return n
}

// last returns the last event of name.
func (es *events) last(t testing.TB, name string) antiphon.Event {
	t.Helper()
	es.mu.Lock()
	defer es.mu.Unlock()
	for i := len(es.all) - 1; i >= 0; i-- {
		if es.all[i].Name == name {
			return es.all[i]
		}
	}
	t.Fatalf("no %s among %+v", name, es.all)
	return antiphon.Event{}
}

// A stuck wire takes no message of some kinds, by TrySend, while shut, and has Send
// wait until it is open again.
type stuck struct {
	callback.Transport
	kinds map[callback.Kind]bool // nil for all
	shut  atomic.Pointer[chan struct{}]
	sends atomic.Int64
}

func (s *stuck) close() {
	c := make(chan struct{})
	s.shut.CompareAndSwap(nil, &c) // or who waits already would never be let through
}

func (s *stuck) open() {
	if c := s.shut.Swap(nil); c != nil {
		close(*c)
	}
}

// narrow has a wire that is shut stop messages of one kind alone.
func (s *stuck) narrow(k callback.Kind) {
	s.kinds = map[callback.Kind]bool{k: true}
	c := make(chan struct{})
	close(*s.shut.Swap(&c)) // in this order, or who waits would find the closed one again, for ever
}

func (s *stuck) stops(m *callback.Message) chan struct{} {
	if c := s.shut.Load(); c != nil && (s.kinds == nil || s.kinds[m.Kind]) {
		return *c
	}
	return nil
}

func (s *stuck) TrySend(m *callback.Message) (bool, error) {
	if s.stops(m) != nil {
		return false, nil
	}
	return s.Transport.(callback.TrySender).TrySend(m)
}

func (s *stuck) Send(ctx context.Context, m *callback.Message) error {
	s.sends.Add(1)
	for {
		c := s.stops(m)
		if c == nil {
			return s.Transport.Send(ctx, m)
		}
		select {
		case <-c:
		case <-ctx.Done():
			err := antiphon.Errorf(antiphon.CodeOf(ctx.Err()), "stuck: %w", context.Cause(ctx))
			err.Class = antiphon.ClassNotAccepted
			return err
		}
	}
}

// stuckPair is alone with a wire that can be shut.
func stuckPair(t testing.TB, o *callback.PeerOptions, kinds ...callback.Kind) (*callback.Peer, *stuck, *far) {
	t.Helper()
	x, y := callback.Pipe(&callback.PipeOptions{Buffer: 1 << 20})
	s := &stuck{Transport: x}
	for _, k := range kinds {
		if s.kinds == nil {
			s.kinds = map[callback.Kind]bool{}
		}
		s.kinds[k] = true
	}
	p, f := callback.NewPeer(s, o), farEnd(t, y)
	run(t, p)
	synctest.Wait()
	return p, s, f
}
