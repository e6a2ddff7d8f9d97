package main

import (
	"context"
	"errors"
	"log"
	"math"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// errNoDevice is the answer to who wants the device to do something.
var errNoDevice error = &antiphon.Error{
	Code:    antiphon.CodeUnavailable,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "thermostat.no_device",
	Message: "the device is not connected",
}

// A house is what the hub knows of the device, and decides.
type house struct {
	took    latencies
	setting chan struct{} // has room for one: targets are set one after the other

	mu    sync.Mutex
	link  *link // to the device; nil while there is none
	want  float64
	last  Reading
	seen  time.Time // when last was acted on
	tally tally
}

// A tally counts readings.
type tally struct {
	Acted    int           `json:"acted"`  // decided on
	Stale    int           `json:"stale"`  // too old to be, or of unknown age
	Lost     int           `json:"lost"`   // on the way, by their numbers
	Oldest   time.Duration `json:"oldest"` // of those acted on, at most so old
	Switched int           `json:"switched"`
}

// A link is one connection to the device.
type link struct {
	house  *house
	ages   ages
	heat   future.Asker[Heat, State]
	target future.Asker[Target, State]
	uptime future.Asker[struct{}, int64]
	close  func() error

	seq   uint64                // the loop of readings' own
	asked *future.Future[State] // the last command to heat or not
}

func newHouse() *house { return &house{want: 21, setting: make(chan struct{}, 1)} }

// connect makes p the device, in place of what was it before.
func (h *house) connect(p *callback.Peer) *link {
	o := &callback.DialOptions{Timeout: time.Second}
	l := &link{
		house:  h,
		heat:   timed(&h.took, callback.Dial[Heat, State](p, heat, o)),
		target: timed(&h.took, callback.Dial[Target, State](p, target, o)),
		uptime: timed(&h.took, callback.Dial[struct{}, int64](p, uptime, o)),
		close:  p.Close,
	}
	// One at a time and in order, and of those that wait the newest.
	callback.Serve(p, readings, l.reading, &callback.ServeOptions{Concurrency: 1, Queue: 32})
	h.mu.Lock()
	old := h.link
	h.link = l
	h.mu.Unlock()
	if old != nil {
		_ = old.close()
	}
	return l
}

func (h *house) disconnect(l *link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.link == l {
		h.link = nil
	}
}

// timed notes how long the answers take.
func timed[Q, R any](l *latencies, ask future.Asker[Q, R]) future.Asker[Q, R] {
	return func(ctx context.Context, q Q) *future.Future[R] {
		start := time.Now()
		return future.Map(ask(ctx, q), func(r R) (R, error) {
			l.add(time.Since(start))
			return r, nil
		})
	}
}

// attend keeps asking the device for its time, which tells how old its readings are,
// and that the hub is there. First it tells the device what is wanted.
func (l *link) attend(ctx context.Context) {
	h := l.house
	h.mu.Lock()
	want := h.want
	h.mu.Unlock()
	l.target(ctx, Target{want})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		asked := time.Now()
		up, err := l.uptime(ctx, struct{}{}).Await(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, callback.ErrDisconnected), errors.Is(err, callback.ErrClosed):
			return
		case err != nil:
			log.Printf("the device does not say what time it is: %v", err)
		default:
			l.ages.learn(asked, time.Duration(up)*time.Microsecond)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// reading acts on a reading, if it is fresh.
func (l *link) reading(ctx context.Context, r Reading) (struct{}, error) {
	h, now := l.house, time.Now()
	age, known := l.ages.of(time.Duration(r.At)*time.Microsecond, now)
	h.mu.Lock()
	if r.Seq > l.seq+1 && l.seq > 0 {
		h.tally.Lost += int(r.Seq - l.seq - 1)
	}
	l.seq = r.Seq
	if !known || age > fresh {
		h.tally.Stale++
		h.mu.Unlock()
		return struct{}{}, nil
	}
	h.tally.Acted++
	h.tally.Oldest = max(h.tally.Oldest, age)
	h.last, h.seen = r, now
	on := decide(r, h.want)
	pending := l.asked != nil && !settled(l.asked)
	turn := on != r.Heating && !pending
	if turn {
		h.tally.Switched++
	}
	h.mu.Unlock()
	if turn { // whatever becomes of it shows in the readings that follow
		l.asked = l.heat(context.WithoutCancel(ctx), Heat{On: on, Because: r.Seq})
	}
	return struct{}{}, nil
}

func settled[T any](f *future.Future[T]) bool {
	_, ok := f.Peek()
	return ok
}

// band is how far the temperature may be off before anything is done.
const band = 0.1

// decide says whether to heat.
func decide(r Reading, want float64) bool {
	switch {
	case r.Celsius < want-band:
		return true
	case r.Celsius > want+band:
		return false
	}
	return r.Heating
}

// The temperatures that the device may be set to, and from when on it is a hot one.
const (
	coldest = 5.0
	hottest = 30.0
	hot     = 25.0
)

// set tells the device what is wanted, and remembers it when the device has agreed.
func (h *house) set(ctx context.Context, t Target) (State, error) {
	if math.IsNaN(t.Celsius) || t.Celsius < coldest || t.Celsius > hottest {
		return State{}, antiphon.Errorf(antiphon.CodeInvalidArgument, "a target is between %v and %v °C", coldest, hottest)
	}
	select {
	case h.setting <- struct{}{}:
		defer func() { <-h.setting }()
	case <-ctx.Done():
		return State{}, ctx.Err()
	}
	h.mu.Lock()
	l := h.link
	h.mu.Unlock()
	if l == nil {
		return State{}, errNoDevice
	}
	s, err := l.target(ctx, t).Await(ctx)
	if err != nil {
		return State{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.want = s.Target
	return s, nil
}

// view is what there is to be seen now.
func (h *house) view(perSecond int) View {
	p50, _, _ := h.took.quantiles()
	h.mu.Lock()
	defer h.mu.Unlock()
	return View{
		Online:   h.link != nil && time.Since(h.seen) < time.Second,
		Celsius:  h.last.Celsius,
		Target:   h.want,
		Heating:  h.last.Heating,
		Readings: perSecond,
		Latency:  float64(p50.Microseconds()) / 1000,
	}
}
