package callback_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/future/futuretest"
)

// The law holds on wires with addresses, whether they settle deliveries or not, and
// where several answer.
func TestX8_Broker(t *testing.T) {
	for name, c := range map[string]struct {
		caps    callback.Caps
		group   string
		answers int
	}{
		"plain":   {callback.Caps{}, "", 1},
		"settled": {callback.Caps{SettledDelivery: true, Bounces: true}, "", 1},
		"group":   {callback.Caps{SettledDelivery: true}, "g", 3},
	} {
		t.Run(name, func(t *testing.T) {
			futuretest.TestAsker(t, futuretest.Way{
				ExactlyOnce: true,
				Bubble:      true,
				Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
					b := newBus(c.caps)
					for range c.answers {
						p, _ := b.peer(t, nil)
						callback.Serve(p, "f", f, &callback.ServeOptions{Group: c.group})
					}
					p, _ := b.peer(t, nil)
					synctest.Wait()
					return callback.Dial[futuretest.Query, futuretest.Answer](p, "f", nil)
				},
			})
		})
	}
}

// On a wire with addresses an ask that was made before Run has a reply address all
// the same, and two askers do not see each other's answers.
func TestC9_AskersOnOneWire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{})
		server, _ := b.peer(t, nil)
		callback.Serve(server, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil }, nil)
		synctest.Wait()
		var es events
		x := callback.NewPeer(eager{&busEnd{bus: b}}, &callback.PeerOptions{Observer: es.observe})
		early := callback.Dial[int, int](x, "double", nil)(none, 21)
		again := callback.Dial[int, int](x, "later", &callback.DialOptions{Attempts: 2})(none, 7)
		run(t, x)
		y, _ := b.peer(t, &callback.PeerOptions{Observer: es.observe})
		if v, err := await(t, early); v != 42 || err != nil {
			t.Error(v, err)
		}
		synctest.Wait() // the first attempt is with nobody
		callback.Serve(server, "later", echo, nil)
		if v, err := await(t, again); v != 7 || err != nil {
			t.Error(v, err)
		}
		es.take()
		var wg sync.WaitGroup
		for i, p := range []*callback.Peer{x, y} {
			ask := callback.Dial[int, int](p, "double", nil)
			for j := range 100 {
				wg.Go(func() {
					if v, err := await(t, ask(none, 1000*i+j)); v != 2*(1000*i+j) || err != nil {
						t.Error(v, err)
					}
				})
			}
		}
		wg.Wait()
		synctest.Wait()
		if all := es.take(); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
}

// C9: an answer that comes to what is served is none, whoever sends it.
func TestC9_AnswersBelongIntoTheInboxOfTheirAsk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		b := newBus(callback.Caps{SettledDelivery: true})
		p, _ := b.peer(t, &callback.PeerOptions{Observer: es.observe})
		callback.Serve(p, "own", echo, nil)
		forger := &busEnd{bus: b}
		in, _ := forger.Listen(none, "f")
		synctest.Wait()
		fu := callback.Dial[int, int](p, "f", nil)(none, 1)
		d, err := in.Receive(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []callback.Kind{callback.Reply, callback.Part, callback.Progress} {
			if err := forger.Send(t.Context(), &callback.Message{Kind: kind, ID: d.ID, To: "own", Seq: 1, Body: []byte("2")}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		pending(t, fu)
		if n := es.count("callback.malformed"); n != 3 {
			t.Errorf("%+v", es.take())
		}
		_ = forger.Send(t.Context(), &callback.Message{Kind: callback.Reply, ID: d.ID, To: d.ReplyTo, Body: []byte("3")})
		if v, err := await(t, fu); v != 3 || err != nil {
			t.Error(v, err)
		}
	})
}

// Members of a group share the requests; others get all events. The cancel finds
// the one that is at work, by the address in its first progress.
func TestGroups(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{})
		var calls, events atomic.Int64
		cancelled := make(chan int, 3)
		for i := range 3 {
			p, _ := b.peer(t, nil)
			callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) {
				calls.Add(1)
				antiphon.Report(ctx, 1, "at work", nil)
				if n == 0 {
					return 0, nil
				}
				<-ctx.Done()
				cancelled <- i
				return 0, ctx.Err()
			}, &callback.ServeOptions{Group: "g"})
			callback.Serve(p, "e", func(context.Context, int) (int, error) { events.Add(1); return 0, nil }, nil)
		}
		p, _ := b.peer(t, nil)
		synctest.Wait()
		ask := callback.Dial[int, int](p, "f", nil)
		for range 30 {
			if _, err := await(t, ask(none, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if err := callback.Notify(none, p, "e", 1, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if calls.Load() != 30 || events.Load() != 3 {
			t.Error(calls.Load(), events.Load())
		}
		for range 9 {
			ctx, cancel := context.WithCancel(context.Background())
			fu := ask(ctx, 1)
			synctest.Wait()
			cancel()
			_, err := await(t, fu)
			ended(t, err, antiphon.CodeCanceled, antiphon.ClassUnknown, context.Canceled)
			start := time.Now()
			<-cancelled
			if d := time.Since(start); d != 0 {
				t.Error("the cancel took", d)
			}
		}
	})
}

// A group on a wire without groups is a mistake that Run returns.
func TestGroupsAreUnsupported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := callback.NewPeer(struct{ callback.Transport }{&busEnd{bus: newBus(callback.Caps{})}}, nil)
		callback.Serve(p, "f", echo, &callback.ServeOptions{Group: "g"})
		if err := p.Run(none); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	})
}

// A wire with settled deliveries: each is settled once, with what became of it.
type settled struct {
	*busEnd
	mu  sync.Mutex
	log map[callback.Kind][]error
}

func (s *settled) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	in, err := s.busEnd.Listen(ctx, addr)
	return settledBox{in, s}, err
}

type settledBox struct {
	callback.Inbox
	*settled
}

func (in settledBox) Close() error { return in.Inbox.Close() }

func (in settledBox) Receive(ctx context.Context) (callback.Delivery, error) {
	d, err := in.Inbox.Receive(ctx)
	if inner := d.Settle; inner != nil {
		kind := d.Kind
		d.Settle = func(ctx context.Context, err error) error {
			in.mu.Lock()
			in.log[kind] = append(in.log[kind], err)
			in.mu.Unlock()
			return inner(ctx, err)
		}
	}
	return d, err
}

func (s *settled) take() map[callback.Kind][]error {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = map[callback.Kind][]error{}
	return log
}

func TestSettle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{SettledDelivery: true, Bounces: true})
		s := &settled{busEnd: &busEnd{bus: b}}
		p := callback.NewPeer(s, nil)
		attempts := make(chan int, 10)
		callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) {
			attempts <- antiphon.InfoFrom(ctx).Attempt
			time.Sleep(time.Second)
			return n, nil
		}, nil)
		run(t, p)
		client := &busEnd{bus: b}
		in, _ := client.Listen(none, "")
		synctest.Wait()
		s.take()
		send := func(m callback.Message) {
			t.Helper()
			if err := client.Send(t.Context(), &m); err != nil {
				t.Fatal(err)
			}
		}
		request := callback.Message{Kind: callback.Request, ID: callback.ID{1}, To: "f", ReplyTo: in.Addr(), Body: []byte("1")}
		send(request)
		send(request) // a copy, that waits for the same answer
		if log := s.take(); len(log) != 0 {
			t.Error("settled before it is answered:", log)
		}
		if d, err := in.Receive(context.Background()); err != nil || d.Kind != callback.Reply {
			t.Error(d, err)
		}
		if log := s.take(); len(log[callback.Request]) != 2 || log[callback.Request][0] != nil || log[callback.Request][1] != nil {
			t.Error(log)
		}
		if n := <-attempts; n != 1 {
			t.Error("attempt", n)
		}
		send(request) // answered from memory
		send(callback.Message{Kind: callback.Request, ID: callback.ID{2}, To: "f", ReplyTo: in.Addr(), Deadline: time.Now(), Body: []byte("1")})
		send(callback.Message{Kind: callback.Request, ID: callback.ID{3}, To: "f", ReplyTo: in.Addr(), Body: make([]byte, 5<<20)})
		send(callback.Message{Kind: callback.Cancel, ID: callback.ID{4}, To: "f", ReplyTo: in.Addr()})
		send(callback.Message{Kind: callback.Request, ID: callback.ID{4}, To: "f", ReplyTo: in.Addr(), Body: []byte("1")})
		send(callback.Message{Kind: callback.Event, To: "f", Body: []byte("1")})
		send(callback.Message{Kind: callback.Kind(99), To: "f"})
		send(callback.Message{Kind: callback.Reply, ID: callback.ID{9}, To: "f"})
		time.Sleep(2 * time.Second)
		log := s.take()
		for kind, want := range map[callback.Kind]int{callback.Request: 4, callback.Cancel: 1, callback.Event: 1, 99: 1, callback.Reply: 1} {
			if len(log[kind]) != want {
				t.Errorf("%v: settled %d times, want %d", kind, len(log[kind]), want)
			}
			for _, err := range log[kind] {
				if err != nil {
					t.Errorf("%v: %v", kind, err)
				}
			}
		}
		if n := <-attempts; n != 1 || len(attempts) != 0 {
			t.Error("attempt", n)
		}
	})
}

// C11: a request is settled when the wire has its answer, and not before. If the
// answer was not sent, it comes again, and the work is not done again.
func TestC11_AnswerThatIsNotSentComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{SettledDelivery: true, Bounces: true})
		var es events
		x := &holding{busEnd: &busEnd{bus: b}}
		p := callback.NewPeer(x, &callback.PeerOptions{Observer: es.observe, SendTimeout: time.Second})
		var calls atomic.Int64
		callback.Serve(p, "f", func(_ context.Context, n int) (int64, error) { return calls.Add(1), nil }, nil)
		run(t, p)
		asker, _ := b.peer(t, nil)
		synctest.Wait()
		x.held.Store(true)
		ask := callback.Dial[int, int](asker, "f", &callback.DialOptions{Timeout: 30 * time.Second})
		fs := []*future.Future[int]{ask(none, 1), ask(none, 2), ask(none, 3)}
		time.Sleep(5500 * time.Millisecond)
		x.held.Store(false)
		for _, f := range fs {
			if _, err := await(t, f); err != nil {
				t.Error(err)
			}
		}
		if calls.Load() != 3 || es.count("callback.repeated") < 3 || es.count("callback.unsent") < 3 {
			t.Errorf("%d calls, %+v", calls.Load(), es.take())
		}
		if e := es.last(t, "callback.unsent"); e.Kind != "reply" { // the address of an asker is for nobody else
			t.Errorf("told of %q", e.Kind)
		}
	})
}

// Where the asker is gone, the request is done with: it does not come again.
func TestAnswerToNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{SettledDelivery: true, Bounces: true})
		s := &settled{busEnd: &busEnd{bus: b}}
		p := callback.NewPeer(s, nil)
		callback.Serve(p, "f", echo, nil)
		run(t, p)
		synctest.Wait()
		s.take()
		client := &busEnd{bus: b}
		for range 2 {
			_ = client.Send(t.Context(), &callback.Message{Kind: callback.Request, ID: callback.ID{1}, To: "f", ReplyTo: "gone", Body: []byte("1")})
			if log := s.take(); len(log[callback.Request]) != 1 || log[callback.Request][0] != nil {
				t.Error(log)
			}
		}
	})
}

// A holding end sends no replies for a while.
type holding struct {
	*busEnd
	held atomic.Bool
}

func (h *holding) Send(ctx context.Context, m *callback.Message) error {
	for m.Kind == callback.Reply && h.held.Load() {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return callback.ErrUndeliverable
		}
	}
	return h.busEnd.Send(ctx, m)
}

// Foreign askers may have no id: their requests are answered, and never taken for
// repetitions.
func TestRequestsWithoutAnID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		var calls atomic.Int64
		callback.Serve(p, "f", func(_ context.Context, n int) (int64, error) { return calls.Add(1), nil }, nil)
		for range 3 {
			f.send(callback.Message{Kind: callback.Request, To: "f", ReplyTo: "there", Body: []byte("1")})
			if m := f.next(callback.Reply); m.To != "there" || m.Err != nil {
				t.Errorf("%+v", m)
			}
		}
		f.send(callback.Message{Kind: callback.Cancel})
		f.send(callback.Message{Kind: callback.Credit})
		f.send(callback.Message{Kind: callback.Request, To: "f", Body: []byte("1")})
		f.next(callback.Reply)
		if calls.Load() != 4 {
			t.Error(calls.Load())
		}
	})
}
