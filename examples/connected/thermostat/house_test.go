package main

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		celsius, want float64
		heating, on   bool
	}{
		{19, 21, false, true},
		{19, 21, true, true},
		{23, 21, true, false},
		{23, 21, false, false},
		{21, 21, true, true},
		{21, 21, false, false},
	} {
		if on := decide(Reading{Celsius: c.celsius, Heating: c.heating}, c.want); on != c.on {
			t.Errorf("at %v °C of %v, heating %t: decided %t", c.celsius, c.want, c.heating, on)
		}
	}
}

// However long messages take, either way, no reading is acted on that is older than
// fresh; and one that is younger by what it takes to ask the device is acted on.
func TestNothingStaleIsActedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2026))
		acted, left := 0, 0
		for range 200 {
			h := newHouse()
			heated := future.Of(State{})
			l := &link{house: h, heat: func(context.Context, Heat) *future.Future[State] { return heated }}
			time.Sleep(time.Duration(r.Int64N(int64(time.Hour))))
			started := time.Now()
			time.Sleep(time.Duration(r.Int64N(int64(time.Hour))))
			read := func() Reading { return Reading{At: time.Since(started).Microseconds()} }

			if _, _ = l.reading(t.Context(), read()); h.tally.Acted != 0 {
				t.Fatal("acted on a reading whose age nobody knows")
			}
			var asks []time.Duration
			for range 50 {
				asked := time.Now()
				time.Sleep(time.Duration(r.Int64N(int64(60 * time.Millisecond))))
				up := time.Since(started).Truncate(time.Microsecond)
				there := time.Since(asked)
				time.Sleep(time.Duration(r.Int64N(int64(60 * time.Millisecond))))
				l.ages.learn(asked, up)
				asks = append(asks, there)
				best := slices.Min(asks[max(0, len(asks)-len(l.ages.zeros)):])

				m, at := read(), time.Now()
				time.Sleep(time.Duration(r.Int64N(int64(150 * time.Millisecond))))
				age := time.Since(at)
				before := h.tally.Acted
				_, _ = l.reading(t.Context(), m)
				switch was := h.tally.Acted > before; {
				case was && age > fresh:
					t.Fatalf("acted on a reading that is %v old", age)
				case !was && age+best < fresh-2*time.Microsecond:
					t.Fatalf("did not act on a reading that is %v old, when the device answers within %v", age, best)
				case was:
					acted++
				default:
					left++
				}
			}
			if h.tally.Oldest > fresh {
				t.Fatalf("the oldest acted on is %v old", h.tally.Oldest)
			}
		}
		if acted < 1000 || left < 1000 {
			t.Errorf("%d acted on and %d not: the test does not show much", acted, left)
		}
	})
}

// A slowLine delays what the hub receives while it is stalled, and dates deadlines
// from when messages arrive, as a wire does that knows nothing of the time on the way.
type slowLine struct {
	callback.Transport
	mu    sync.Mutex
	until time.Time
	taken map[uint64]int64 // when readings were taken, by their numbers
}

func (s *slowLine) stall(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(d)
}

func (s *slowLine) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	in, err := s.Transport.Listen(ctx, addr)
	return slowInbox{in, s}, err
}

type slowInbox struct {
	callback.Inbox
	line *slowLine
}

func (in slowInbox) Receive(ctx context.Context) (callback.Delivery, error) {
	d, err := in.Inbox.Receive(ctx)
	in.line.mu.Lock()
	until := in.line.until
	in.line.mu.Unlock()
	time.Sleep(time.Until(until))
	if err == nil && d.Kind == callback.Event {
		d.Deadline = time.Now().Add(fresh)
		var r Reading
		_ = json.Unmarshal(d.Body, &r)
		in.line.mu.Lock()
		in.line.taken[r.Seq] = r.At
		in.line.mu.Unlock()
	}
	return d, err
}

// The whole of it in memory, in virtual time, with a line that stalls: the device is
// kept at what is wanted, and no command is because of a reading that was stale.
func TestHouse_HoldsTheTemperature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := callback.Pipe(nil)
		line := &slowLine{Transport: a, taken: map[uint64]int64{}}
		hubPeer, devicePeer := callback.NewPeer(line, nil), callback.NewPeer(b, &callback.PeerOptions{Outbox: 64})
		h, d := newHouse(), newDevice()
		time.Sleep(time.Hour) // their clocks do not agree
		l := h.connect(hubPeer)

		oldest, commands := time.Duration(0), 0
		callback.Serve(devicePeer, heat, func(ctx context.Context, c Heat) (State, error) {
			line.mu.Lock()
			at := line.taken[c.Because]
			line.mu.Unlock()
			oldest = max(oldest, time.Since(d.started)-time.Duration(at)*time.Microsecond)
			commands++
			return d.heat(ctx, c)
		}, &callback.ServeOptions{Concurrency: 1})
		callback.Serve(devicePeer, target, d.setTarget, nil)
		callback.Serve(devicePeer, uptime, d.uptime, nil)

		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = hubPeer.Run(ctx) })
		all.Go(func() { _ = devicePeer.Run(ctx) })
		all.Go(func() { l.attend(ctx) })
		all.Go(func() { d.measure(ctx, devicePeer, 1000) })
		for i := range 24 {
			if i%7 == 3 {
				line.stall(time.Duration(i) * 50 * time.Millisecond)
			}
			time.Sleep(time.Second)
		}
		v := h.view(1000)
		tally := h.tallied()
		cancel()
		all.Wait()
		if v.Celsius < v.Target-1 || v.Celsius > v.Target+1 {
			t.Errorf("it is %v °C, and %v °C is wanted", v.Celsius, v.Target)
		}
		if d.target != 21 {
			t.Errorf("the device was told %v °C, want 21", d.target)
		}
		if tally.Acted == 0 || tally.Stale == 0 || commands == 0 {
			t.Errorf("%d readings acted on, %d stale, %d commands: the test does not show much", tally.Acted, tally.Stale, commands)
		}
		if tally.Oldest > fresh || oldest > fresh {
			t.Errorf("acted on what was %v old by the hub's account, and %v in truth", tally.Oldest, oldest)
		}
	})
}

func TestSet(t *testing.T) {
	h := newHouse()
	ctx := t.Context()
	if _, err := h.set(ctx, Target{20}); !errors.Is(err, errNoDevice) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
		t.Errorf("without a device: %v", err)
	}
	told := 0.0
	var fail error
	h.link = &link{target: func(_ context.Context, t Target) *future.Future[State] {
		if fail != nil {
			return future.Failed[State](fail)
		}
		told = t.Celsius
		return future.Of(State{Target: t.Celsius})
	}}
	for _, celsius := range []float64{4.9, 30.1, -1e300} {
		if _, err := h.set(ctx, Target{celsius}); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%v °C: %v", celsius, err)
		}
	}
	if s, err := h.set(ctx, Target{22}); err != nil || s.Target != 22 || told != 22 || h.want != 22 {
		t.Errorf("set to 22: %v, %v; the device was told %v, and the hub wants %v", s, err, told, h.want)
	}
	fail = callback.ErrDisconnected
	if _, err := h.set(ctx, Target{23}); !errors.Is(err, fail) || h.want != 22 {
		t.Errorf("the device did not agree: %v; the hub wants %v", err, h.want)
	}
}

func TestLatencies(t *testing.T) {
	var l latencies
	if p50, p99, n := l.quantiles(); p50 != 0 || p99 != 0 || n != 0 {
		t.Errorf("of none: %v, %v, %d", p50, p99, n)
	}
	order := rand.New(rand.NewPCG(1, 1)).Perm(1000)
	for _, ms := range order {
		l.add(time.Duration(ms) * time.Millisecond)
	}
	if p50, p99, n := l.quantiles(); p50 != 500*time.Millisecond || p99 != 990*time.Millisecond || n != 1000 {
		t.Errorf("of 0 to 999 ms: %v, %v, %d", p50, p99, n)
	}
	for range 2000 {
		l.add(time.Second)
	}
	if p50, _, n := l.quantiles(); p50 != time.Second || n != 3000 {
		t.Errorf("of the last: %v, %d", p50, n)
	}
}

func TestRoom(t *testing.T) {
	r := room{celsius: 20}
	var trace []float64
	for range 100 {
		r.step(100*time.Millisecond, true)
		trace = append(trace, r.celsius)
	}
	if !slices.IsSorted(trace[10:]) || r.celsius < 22 {
		t.Errorf("heated for 10 s, it is %v °C", r.celsius)
	}
	for range 10_000 {
		r.step(100*time.Millisecond, false)
	}
	if r.celsius > outside+0.1 || r.celsius < outside {
		t.Errorf("left alone, it is %v °C, and outside %v", r.celsius, outside)
	}
}

// Without a word from the hub, the device heats no more.
func TestDeadMan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.turn(true)
		time.Sleep(deadMan)
		if r := d.read(time.Now()); !r.Heating {
			t.Error("it stopped too early")
		}
		if _, err := d.uptime(t.Context(), struct{}{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(deadMan)
		if r := d.read(time.Now()); !r.Heating {
			t.Error("it stopped, although it was asked")
		}
		time.Sleep(time.Millisecond)
		if r := d.read(time.Now()); r.Heating {
			t.Error("it heats on")
		}
		d.turn(true)
		d.observe(antiphon.Event{Name: "callback.disconnected", Err: callback.ErrDisconnected})
		if r := d.read(time.Now()); r.Heating {
			t.Error("it heats on, disconnected")
		}
	})
}

func TestHub_IsThereByAddressOnly(t *testing.T) {
	h := newHub("").handler()
	for host, want := range map[string]int{
		"127.0.0.1:8080": http.StatusOK,
		"[::1]:8080":     http.StatusOK,
		"192.0.2.7":      http.StatusOK,
		"localhost:8080": http.StatusOK,
		"evil.example":   http.StatusMisdirectedRequest,
		"evil.example:8": http.StatusMisdirectedRequest,
		"":               http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/", "/antiphon.js", "/page.js", "/stats"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s of %q: status %d, want %d", path, host, w.Code, want)
			}
			if policy := w.Header().Get("Content-Security-Policy"); w.Code == http.StatusOK && !strings.Contains(policy, "default-src 'none'") {
				t.Errorf("%s has policy %q", path, policy)
			}
		}
	}
}

func TestRun_Mistakes(t *testing.T) {
	for _, args := range [][]string{nil, {"house"}, {"hub", "-listen", "no address"}, {"device", "-rate", "0"}, {"hub", "-unknown"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q is no mistake", args)
		}
	}
}
