package webhook

import (
	"math"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// ReceiverOptions are the policy and the limits of a [Receiver]. A zero field means its
// default, and nil options mean all of them. A negative field is a mistake: every
// request is answered with 500, and Shutdown returns it.
type ReceiverOptions struct {
	// Name is the endpoint: Message.Endpoint, unless the Verifier says another, and the
	// Kind of events. What is remembered is remembered for an endpoint, so receivers
	// that share a Seen have names of their own, or are the same.
	Name string
	// URL is the public URL of the endpoint, for schemes that sign it. If it has no query,
	// that of the push is added.
	URL string

	// MaxBody is how many bytes a body may have. 0 means 1 MiB, and 1 GiB is the most.
	MaxBody int64
	// ReadTimeout is how long a body may take to come. 0 means 5 s. It takes the place
	// of the http.Server's own while a body is read.
	ReadTimeout time.Duration
	// Inline is how long a handler may take. 0 means 2.5 s: the strictest of those who
	// push wait for 3.
	Inline time.Duration
	// MaxRunning is how many messages may be handled at once; further ones are asked
	// for again. 0 means 1024.
	MaxRunning int

	// Seen remembers what came, so that it is not handled again. Nil means a
	// [MemorySeen] with its defaults: 72 hours, 131072 messages.
	Seen Seen
	// Lease is for how long a message is held for a handler that is not heard of: when
	// the process has crashed, another delivery is handled only after that. While a
	// handler runs it is renewed, however long that takes. 0 means a minute.
	Lease time.Duration

	// Challenge answers those verified pushes that only ask whether somebody is there,
	// with status 200 and a text. See [SlackChallenge]. Nil means that there are none.
	Challenge func(Message) (answer string, ok bool)
	// Origins are those that may push CloudEvents here, such as
	// "eventemitter.example.com", as they say it when they ask for permission: the
	// handshake with OPTIONS. They are compared exactly. None means that who asks is
	// refused.
	Origins []string
	// AllowedRate is how many requests a minute those are told that they may send. 0
	// means any number.
	AllowedRate int

	// Observer is told of the events listed in the package comment. May be nil.
	Observer antiphon.Observer
	// Clock is the source of time. Nil means the real one.
	Clock clock.Clock
}

// configure fills the defaults in, and reports what cannot be meant.
func (o *ReceiverOptions) configure() error {
	for _, f := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"ReadTimeout", &o.ReadTimeout, 5 * time.Second},
		{"Inline", &o.Inline, 2500 * time.Millisecond},
		{"Lease", &o.Lease, time.Minute},
	} {
		if err := orDefault("ReceiverOptions."+f.name, f.value, f.def); err != nil {
			return err
		}
	}
	if err := orDefault("ReceiverOptions.MaxBody", &o.MaxBody, 1<<20); err != nil {
		return err
	}
	if err := orDefault("ReceiverOptions.MaxRunning", &o.MaxRunning, 1024); err != nil {
		return err
	}
	if o.AllowedRate == 0 {
		o.AllowedRate = math.MaxInt
	}
	if o.AllowedRate < 0 {
		return misuse("options", "ReceiverOptions.AllowedRate is negative")
	}
	o.MaxBody = min(o.MaxBody, 1<<30)
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	if o.Seen == nil {
		o.Seen = NewMemorySeen(&MemorySeenOptions{Clock: o.Clock})
	}
	return nil
}

// orDefault fills in the default of an option that must not be negative.
func orDefault[N int | int64 | time.Duration](name string, value *N, def N) error {
	switch {
	case *value < 0:
		return misuse("options", name+" is negative")
	case *value == 0:
		*value = def
	}
	return nil
}
