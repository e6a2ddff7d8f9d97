package main

// What the three say to each other, by the names under which it is served.
const (
	readings = "readings" // event, device to hub: Reading
	heat     = "heat"     // hub asks device: Heat, State
	target   = "target"   // hub asks device, phone asks hub: Target, State
	uptime   = "uptime"   // hub asks device: nothing, microseconds
	watch    = "watch"    // stream, phone asks hub: nothing, View
	confirm  = "confirm"  // hub asks phone: Target, bool
)

// A Reading is what the sensor has measured.
type Reading struct {
	Seq     uint64  `json:"seq"`
	At      int64   `json:"at"` // microseconds since the device was started
	Celsius float64 `json:"celsius"`
	Heating bool    `json:"heating"`
}

// Heat turns the heater on or off.
type Heat struct {
	On      bool   `json:"on"`
	Because uint64 `json:"because"` // Seq of the reading
}

// Target is the temperature that is wanted.
type Target struct {
	Celsius float64 `json:"celsius"`
}

// State is what the device has been told, and does.
type State struct {
	Target  float64 `json:"target"`
	Heating bool    `json:"heating"`
}

// View is what the phone shows.
type View struct {
	Online   bool    `json:"online"` // the device is there, and its readings are fresh
	Celsius  float64 `json:"celsius"`
	Target   float64 `json:"target"`
	Heating  bool    `json:"heating"`
	Readings int     `json:"readings"` // a second
	Latency  float64 `json:"latency"`  // of commands, the median, in milliseconds
}
