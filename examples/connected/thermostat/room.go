package main

import (
	"math"
	"math/rand/v2"
	"time"
)

// A room loses warmth to a cold day, and a heater makes up for it. Minutes pass in
// seconds here, for the sake of those who watch.
type room struct {
	celsius float64 // of the air
	heater  float64 // how warm the heater is, from 0 to 1: it lags behind its switch
}

const (
	outside = 8.0  // °C
	leak    = 0.02 // of the difference to the outside, a second
	power   = 0.9  // °C a second, from a hot heater
	lag     = 1.5  // seconds
)

// step lets d pass, however long that is.
func (r *room) step(d time.Duration, on bool) {
	dt, want := d.Seconds(), 0.0
	if on {
		want = 1
	}
	r.heater = toward(r.heater, want, dt/lag)
	r.celsius = toward(r.celsius, outside+r.heater*power/leak, dt*leak)
}

// toward is what becomes of v that goes to where it is drawn, after t time constants.
func toward(v, where, t float64) float64 { return where + (v-where)*math.Exp(-t) }

// sensor reads the temperature as well as a cheap sensor does.
func (r *room) sensor() float64 {
	return math.Round((r.celsius+rand.NormFloat64()*0.02)*1000) / 1000
}
