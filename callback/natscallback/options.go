package natscallback

import (
	"github.com/antiphon-go/antiphon"
)

// Options are the limits of a transport. A zero field means its default, nil options
// mean all of them; a negative field is an error of [New].
type Options struct {
	// Buffer is how many bytes of answers, and what belongs to running requests,
	// wait for the connection: when it is full, Send waits. Requests have half as
	// much of their own, events a quarter. One message of each sort always fits.
	// 0 means 256 KiB.
	Buffer int
	// Inbox is how many bytes of messages an inbox holds for Receive; a callback.Peer
	// takes each at once. What comes beyond that is dropped, and a request is
	// answered with callback.ErrFull. nats.go holds as much again before it calls the
	// inbox a slow consumer. 0 means 64 MiB, which is what nats.go has.
	Inbox int
	// Observer is told of the events listed in the package comment. nil means
	// nobody.
	Observer antiphon.Observer
}

// filled returns the options with their defaults, or says which is wrong.
func (o *Options) filled() (Options, error) {
	f := Options{}
	if o != nil {
		f = *o
	}
	for _, n := range []struct {
		name  string
		value *int
		def   int
	}{
		{"Buffer", &f.Buffer, 256 << 10},
		{"Inbox", &f.Inbox, 64 << 20},
	} {
		if *n.value < 0 {
			return f, misuse("options", "Options."+n.name+" is negative")
		}
		if *n.value == 0 {
			*n.value = n.def
		}
	}
	return f, nil
}
