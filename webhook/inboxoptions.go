package webhook

import (
	"net/url"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// InboxOptions are the policy and the limits of an [Inbox]. A zero field means its
// default, and nil options mean all of them. A negative field is a mistake: Expect fails
// with it, and every push is answered with 500.
type InboxOptions struct {
	// Name is the Kind of events, and Message.Endpoint.
	Name string
	// Verifier checks what is pushed. Nil means that whoever knows the URL may answer:
	// it cannot be guessed.
	Verifier Verifier

	// TTL is how long an answer is waited for, where Expect is given none. 0 means an
	// hour.
	TTL time.Duration
	// MaxPending is how many answers may be waited for at once. 0 means 1048576. It
	// bounds the memory: about 300 bytes each.
	MaxPending int

	// MaxBody is how many bytes an answer may have. 0 means 1 MiB, and 1 GiB is the most.
	MaxBody int64
	// ReadTimeout is how long a body may take to come. 0 means 5 s.
	ReadTimeout time.Duration

	// Forward is given what comes to a URL that another Inbox gave out: another replica
	// behind the same address, to which it passes the message on. The message's ID is
	// the last part of the URL's path. It is a [Handler], in its errors too. Nil means
	// that there is none, and that such a message is asked for again, until Grace. Whoever
	// pushes can make such a URL up: pass a message on to where it is not passed on again.
	Forward Handler
	// Grace is for how long after a URL was given out an answer that this Inbox does not
	// know is asked for again: it may come to the right replica next time. After that it
	// is 410. 0 means a minute.
	Grace time.Duration

	// Codec decodes answers. Nil means antiphon.JSON{}, with MaxBody as its limit.
	Codec antiphon.Codec
	// Observer is told of the events listed in the package comment. May be nil.
	Observer antiphon.Observer
	// Clock is the source of time. Nil means the real one.
	Clock clock.Clock
}

func (o *InboxOptions) configure() error {
	for _, f := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"TTL", &o.TTL, time.Hour},
		{"ReadTimeout", &o.ReadTimeout, 5 * time.Second},
		{"Grace", &o.Grace, time.Minute},
	} {
		if err := orDefault("InboxOptions."+f.name, f.value, f.def); err != nil {
			return err
		}
	}
	if err := orDefault("InboxOptions.MaxBody", &o.MaxBody, 1<<20); err != nil {
		return err
	}
	if err := orDefault("InboxOptions.MaxPending", &o.MaxPending, 1<<20); err != nil {
		return err
	}
	o.MaxBody = min(o.MaxBody, 1<<30)
	if o.Codec == nil {
		o.Codec = antiphon.JSON{MaxSize: int(o.MaxBody)}
	}
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	return nil
}

// baseOf returns the URL that those of answers begin with.
func baseOf(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", misuse("base_url", "the base URL of an Inbox is no absolute http or https URL, or has more than a path")
	}
	return strings.TrimRight(text, "/") + "/", nil
}
