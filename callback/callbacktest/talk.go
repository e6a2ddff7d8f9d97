package callbacktest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

type (
	answer = future.Future[int]
	asker  = future.Asker[int, int]
)

// A journal counts the events of a peer.
type journal struct {
	mu    sync.Mutex
	count map[string]int
	errs  map[string]error // the last of each
}

func (j *journal) observe(e antiphon.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.count == nil {
		j.count, j.errs = map[string]int{}, map[string]error{}
	}
	j.count[e.Name] += max(e.Count, 1)
	j.errs[e.Name] = e.Err
}

func (j *journal) of(name string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.count[name]
}

// run runs a peer on tr until the trial ends.
func (t *trial) run(tr callback.Transport, o *callback.PeerOptions, setUp func(*callback.Peer)) *callback.Peer {
	p := callback.NewPeer(tr, o)
	if setUp != nil {
		setUp(p)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(t.Context())
	}()
	t.Cleanup(func() {
		t.close("Close of a peer", p)
		t.Watch("Run did not return after Close", done)
	})
	return p
}

// answering runs a peer that can be asked whether it is ready as p.
func (t *trial) answering(tr callback.Transport, o *callback.PeerOptions, name string, setUp func(*callback.Peer)) *callback.Peer {
	return t.run(tr, o, func(p *callback.Peer) {
		callback.Serve(p, name, echoInt, &callback.ServeOptions{Codec: antiphon.JSON{}})
		if setUp != nil {
			setUp(p)
		}
	})
}

func echoInt(_ context.Context, n int) (int, error) { return n, nil }

// pair runs two peers on a wire; when it returns, B answers A.
func (t *trial) pair(ao, bo *callback.PeerOptions, setUp func(b *callback.Peer)) (a, b *callback.Peer) {
	t.Helper()
	return t.peers(t.open(), ao, bo, setUp)
}

func (t *trial) peers(e *Ends, ao, bo *callback.PeerOptions, setUp func(b *callback.Peer)) (a, b *callback.Peer) {
	t.Helper()
	up := t.name("ready")
	b = t.answering(e.B, bo, up, setUp)
	a = t.run(e.A, ao, nil)
	t.ready(a, up)
	return a, b
}

// ready waits until what is served as name answers: on a wire with addresses nobody
// knows when the inbox at the other side is there.
func (t *trial) ready(a *callback.Peer, name string) {
	t.Helper()
	ask := callback.Dial[int, int](a, name, &callback.DialOptions{
		Timeout: max(t.While(), min(t.wire.Patience/5, 2*time.Second)),
		Codec:   antiphon.JSON{},
	})
	var err error
	for limit := time.Now().Add(t.wire.Patience); time.Now().Before(limit); t.Pause(time.Millisecond) {
		if _, err = ask(t.Context(), 1).Await(t.Context()); err == nil {
			return
		}
	}
	t.Fatalf("a peer runs at the other end, and does not answer within %v: %v", t.wire.Patience, err)
}

// outcome waits for f, which has to settle in time.
func outcome[T any](t *trial, f *future.Future[T]) future.Result[T] {
	t.Helper()
	t.Within("an ask did not settle", f.Done())
	r, _ := f.Peek()
	return r
}

// answered is outcome where it has to be a value.
func answered[T any](t *trial, f *future.Future[T]) T {
	t.Helper()
	r := outcome(t, f)
	if r.Err != nil {
		t.Fatalf("an ask failed: %v", r.Err)
	}
	return r.Value
}

// nonePending: what has settled has no entry.
func (t *trial) nonePending(p *callback.Peer) {
	t.Helper()
	if n := p.Pending(); n != 0 {
		t.Errorf("every ask has settled, and %d are pending", n)
	}
}

var errOver = errors.New("callbacktest: the rule is over")

// block is work that does not end before its context or the rule does.
func (t *trial) block(ctx context.Context, _ int) (int, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-t.Context().Done():
		return 0, errOver
	}
}

// beginning is block that says when it begins.
func (t *trial) beginning(begun chan<- struct{}) future.Func[int, int] {
	return func(ctx context.Context, n int) (int, error) {
		begun <- struct{}{}
		return t.block(ctx, n)
	}
}

// waiting is an echo that says when it begins, and waits for release.
func (t *trial) waiting(begun chan<- struct{}, release <-chan struct{}) future.Func[int, int] {
	return func(ctx context.Context, n int) (int, error) {
		begun <- struct{}{}
		select {
		case <-release:
			return n, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-t.Context().Done():
			return 0, errOver
		}
	}
}

// all waits until n have come from c.
func (t *trial) all(what string, n int, c <-chan struct{}) {
	t.Helper()
	limit := time.NewTimer(t.wire.Patience)
	defer limit.Stop()
	for range n {
		select {
		case <-c:
		case <-limit.C:
			t.Fatalf("%s within %v", what, t.wire.Patience)
		}
	}
}

func checkEcho(t *trial) {
	work := t.name("echo")
	limit := 1 << 20
	if n := t.caps().MaxBody; n > 0 && n < limit {
		limit = n
	}
	var calls atomic.Int64
	o := &callback.PeerOptions{Codec: callback.Bytes{}, MaxBody: limit}
	a, _ := t.pair(o, &callback.PeerOptions{MaxBody: limit}, func(b *callback.Peer) {
		callback.Serve(b, work, func(_ context.Context, q []byte) ([]byte, error) {
			calls.Add(1)
			if string(q) == "more" {
				return make([]byte, limit+1), nil
			}
			return q, nil
		}, &callback.ServeOptions{Codec: callback.Bytes{}})
	})
	ask := callback.Dial[[]byte, []byte](a, work, nil)
	for _, n := range []int{0, 1, 300, limit / 2, limit} {
		q := strings.Repeat("x", n)
		if got := answered(t, ask(t.Context(), []byte(q))); string(got) != q {
			t.Errorf("asked %d bytes, answered %d", n, len(got))
		}
	}
	before := calls.Load()
	err := outcome(t, ask(t.Context(), make([]byte, limit+1))).Err
	if antiphon.CodeOf(err) != antiphon.CodeResourceExhausted || calls.Load() != before {
		t.Errorf("asked more than MaxBody, and the ask ended with %v; want code resource_exhausted, and no call", err)
	}
	err = outcome(t, ask(t.Context(), []byte("more"))).Err
	if antiphon.CodeOf(err) != antiphon.CodeResourceExhausted || antiphon.ClassOf(err) == antiphon.ClassNotAccepted {
		t.Errorf("the answer was more than MaxBody, and the ask ended with %v of class %s; want code resource_exhausted, of work that was done", err, antiphon.ClassOf(err))
	}
	t.nonePending(a)
}

// caps opens the wire to see what it is like.
func (t *trial) caps() callback.Caps {
	u := newTrial(t.TB, t.wire)
	defer u.End()
	return u.open().A.Caps()
}

func checkOwnAnswer(t *trial) {
	const n = 10_000
	t.wire.Patience *= 6 // it is much
	var heard journal
	work := t.name("own")
	big := callback.PeerOptions{Outbox: 2 * n, OutboxBytes: 64 << 20, Observer: heard.observe}
	a, _ := t.pair(&big, &callback.PeerOptions{Outbox: 2 * n, OutboxBytes: 64 << 20}, func(b *callback.Peer) {
		callback.Serve(b, work, echoInt, &callback.ServeOptions{Queue: n})
	})
	ask := callback.Dial[int, int](a, work, &callback.DialOptions{Timeout: t.wire.Patience})
	fs := make([]*answer, n)
	for i := range fs {
		fs[i] = ask(t.Context(), i)
	}
	for i, f := range fs {
		if got := answered(t, f); got != i {
			t.Fatalf("ask %d got the answer to ask %d", i, got)
		}
	}
	t.nonePending(a)
	for _, name := range []string{"callback.late", "callback.duplicate", "callback.unknown", "callback.malformed"} {
		if got := heard.of(name); got > 0 && !t.caps().SettledDelivery {
			t.Errorf("%d times %s, though each ask was answered once", got, name)
		}
	}
}

// slowSend returns from Send only when something has come back.
type slowSend struct {
	callback.Transport
	came chan struct{}
}

func (s *slowSend) Send(ctx context.Context, m *callback.Message) error {
	request := m.Kind == callback.Request
	err := s.Transport.Send(ctx, m)
	if request && err == nil {
		select {
		case <-s.came:
		case <-ctx.Done():
		}
	}
	return err
}

func (s *slowSend) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	in, err := s.Transport.Listen(ctx, addr)
	return earlyInbox{in, s}, err
}

type earlyInbox struct {
	callback.Inbox
	s *slowSend
}

func (in earlyInbox) Receive(ctx context.Context) (callback.Delivery, error) {
	d, err := in.Inbox.Receive(ctx)
	if err == nil {
		time.AfterFunc(time.Millisecond, func() { // when the answer has been dealt with
			select {
			case in.s.came <- struct{}{}:
			default:
			}
		})
	}
	return d, err
}

func checkAnswerBeforeSendReturns(t *trial) {
	e := t.open()
	e.A = &slowSend{e.A, make(chan struct{})}
	a, _ := t.peers(e, nil, nil, nil)
	ask := callback.Dial[int, int](a, t.name("ready"), nil)
	for i := range 20 {
		if got := answered(t, ask(t.Context(), i)); got != i {
			t.Errorf("asked %d, answered %d", i, got)
		}
	}
	t.nonePending(a)
}

func checkGivingUp(t *trial) {
	work := t.name("block")
	reached := make(chan error, 64)
	a, _ := t.pair(nil, nil, func(b *callback.Peer) {
		callback.Serve(b, work, func(ctx context.Context, n int) (int, error) {
			_, err := t.block(ctx, n)
			reached <- err
			return 0, err
		}, nil)
	})
	ask := callback.Dial[int, int](a, work, nil)
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		f := ask(ctx, i)
		if i%2 == 0 {
			t.Pause(time.Millisecond)
		}
		cancel()
		r := outcome(t, f)
		if !errors.Is(r.Err, context.Canceled) {
			t.Errorf("the asker gave up, and the ask ended with %v", r.Err)
		}
		t.nonePending(a)
	}
}

func checkRefusedAsk(t *trial) {
	var heard journal
	work := t.name("echo")
	a, _ := t.pair(&callback.PeerOptions{MaxBody: 1 << 10, Observer: heard.observe}, nil, func(b *callback.Peer) {
		callback.Serve(b, work, func(_ context.Context, q string) (int, error) { return len(q), nil }, nil)
	})
	ask := callback.Dial[string, int](a, work, nil)
	for range 10 {
		if err := outcome(t, ask(t.Context(), strings.Repeat("x", 1<<10))).Err; err == nil {
			t.Errorf("a request that is too large was sent")
		}
		t.nonePending(a)
	}
	if got := answered(t, ask(t.Context(), "four")); got != 4 {
		t.Errorf("answered %d", got)
	}
	t.close("Close of a peer", a)
	err := outcome(t, ask(t.Context(), "late")).Err
	if !errors.Is(err, callback.ErrClosed) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
		t.Errorf("an ask after Close ended with %v of class %s; want callback.ErrClosed, not accepted", err, antiphon.ClassOf(err))
	}
	t.nonePending(a)
}
