package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

// deadMan is how long the device heats without a word from the hub.
const deadMan = 3 * time.Second

// A device is a heater with a sensor, and the room around them.
type device struct {
	started time.Time

	mu      sync.Mutex
	room    room
	stepped time.Time
	target  float64
	heating bool
	asked   time.Time // when the hub was last heard of
	seq     uint64
	dropped int
}

func newDevice() *device {
	now := time.Now()
	return &device{started: now, stepped: now, asked: now, target: 20, room: room{celsius: 18}}
}

// runDevice connects to the hub and serves it until ctx ends.
func runDevice(ctx context.Context, hub, token string, rate int) error {
	if rate <= 0 {
		return fmt.Errorf("%d readings a second make no sense", rate)
	}
	o := &wscallback.Options{
		Header:    http.Header{"Authorization": {"Bearer " + token}},
		Heartbeat: time.Second,
		Observer:  tell,
	}
	c, err := patiently(ctx, hub+"/device", o)
	if err != nil {
		return err
	}
	d := newDevice()
	p := callback.NewPeer(c, &callback.PeerOptions{Observer: d.observe, Outbox: 64})
	d.serve(p)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.WithoutCancel(ctx)) }()
	d.measure(ctx, p, rate)
	d.turn(false)
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = p.Shutdown(soon)
	log.Printf("the heater is off; goodbye")
	return <-ended
}

// patiently dials until the hub is there: from then on, the Conn sees to it.
func patiently(ctx context.Context, url string, o *wscallback.Options) (*wscallback.Conn, error) {
	backoff := antiphon.Exponential(50*time.Millisecond, 2*time.Second)
	for attempt := 1; ; attempt++ {
		c, err := wscallback.Dial(ctx, url, o)
		if err == nil {
			log.Printf("connected to %s", url)
			return c, nil
		}
		log.Printf("the hub is not there yet: %v", err)
		again := time.NewTimer(backoff(attempt))
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, nil
		}
	}
}

// serve answers the hub.
func (d *device) serve(p *callback.Peer) {
	callback.Serve(p, heat, d.heat, nil)
	callback.Serve(p, target, d.setTarget, nil)
	callback.Serve(p, uptime, d.uptime, nil)
}

func (d *device) heat(_ context.Context, h Heat) (State, error) { return d.turn(h.On), nil }

func (d *device) setTarget(_ context.Context, t Target) (State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = time.Now()
	d.target = t.Celsius
	return State{Target: d.target, Heating: d.heating}, nil
}

func (d *device) uptime(context.Context, struct{}) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = time.Now()
	return d.asked.Sub(d.started).Microseconds(), nil
}

func (d *device) turn(on bool) State {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = time.Now()
	d.heating = on
	return State{Target: d.target, Heating: d.heating}
}

// measure pushes rate readings a second until ctx ends. What finds no room is of no
// use a moment later, and what is older than the hub acts on is of none to it.
func (d *device) measure(ctx context.Context, p *callback.Peer, rate int) {
	every := time.Second / time.Duration(rate)
	o := &callback.NotifyOptions{Overflow: callback.DropOldest, TTL: fresh}
	tick := time.NewTicker(max(every, time.Millisecond))
	defer tick.Stop()
	due := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		if now.Sub(due) > fresh {
			due = now.Add(-every) // the machine was busy: what was not measured is not
		}
		for ; !due.After(now); due = due.Add(every) {
			if err := callback.Notify(ctx, p, readings, d.read(now), o); err != nil && ctx.Err() == nil {
				log.Printf("a reading was not sent: %v", err)
			}
		}
	}
}

// read lets the room live on until now, and measures.
func (d *device) read(now time.Time) Reading {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.heating && now.Sub(d.asked) > deadMan {
		d.heating = false
		log.Printf("nobody has asked for %v: heating no more", deadMan)
	}
	d.room.step(now.Sub(d.stepped), d.heating)
	d.stepped = now
	d.seq++
	return Reading{Seq: d.seq, At: now.Sub(d.started).Microseconds(), Celsius: d.room.sensor(), Heating: d.heating}
}

// observe turns the heater off when the hub is gone.
func (d *device) observe(e antiphon.Event) {
	switch e.Name {
	case "callback.dropped":
		d.mu.Lock()
		d.dropped += max(e.Count, 1)
		d.mu.Unlock()
	case "callback.disconnected":
		d.turn(false)
		tell(e)
	}
}

// tell prints what happens to a connection.
func tell(e antiphon.Event) {
	switch {
	case e.Err != nil:
		log.Printf("%s: %v", e.Name, e.Err)
	default:
		log.Print(e.Name)
	}
}
