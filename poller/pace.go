package poller

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
)

// Delays are computed from Options as they are given: whatever they or a server say,
// no delay is below the floor, and none is negative.

const (
	floor      = time.Millisecond // the least Min
	defaultMin = 100 * time.Millisecond
	defaultMax = 30 * time.Second

	forever time.Duration = math.MaxInt64
)

var (
	defaultPoll  = antiphon.EqualJitter(antiphon.Geometric(time.Second, 30*time.Second, 1.5))
	defaultError = antiphon.Exponential(500*time.Millisecond, 30*time.Second)
)

// bounds are Min and Max.
func (o *Options) bounds() (least, most time.Duration) {
	least, most = o.Min, o.Max
	if least == 0 {
		least = defaultMin
	}
	if most == 0 {
		most = defaultMax
	}
	least = max(least, floor)
	return least, max(most, least)
}

func (o *Options) clamp(d time.Duration) time.Duration {
	least, most := o.bounds()
	return min(max(d, least), most)
}

// first is how long to wait before the first poll, or 0.
func (o *Options) first() time.Duration {
	if o.First != 0 {
		return max(o.First, 0)
	}
	least, _ := o.bounds()
	return rand.N(least)
}

// quiet is how long to wait after n polls since something changed.
func (o *Options) quiet(n int) time.Duration {
	if o.Poll == nil {
		return o.clamp(defaultPoll(n))
	}
	return o.clamp(o.Poll(n))
}

// trouble is how long to wait after n polls in a row that failed.
func (o *Options) trouble(n int) time.Duration {
	if o.Error == nil {
		return o.clamp(defaultError(n))
	}
	return o.clamp(o.Error(n))
}

// hinted is how long to wait where the wish is not to be asked before d, which is
// within the bounds. A crowd that is told the same must not come back as one: it is up
// to a tenth longer, at most a second.
func (o *Options) hinted(d time.Duration) time.Duration {
	_, most := o.bounds()
	return d + rand.N(min(d/10, time.Second, most-d)+1)
}

// perPoll is how long a poll may take, or forever.
func (o *Options) perPoll() time.Duration { return limit(o.PerPoll, 30*time.Second) }

// elapsed is how long to go on asking, or forever.
func (o *Options) elapsed() time.Duration { return limit(o.Elapsed, 24*time.Hour) }

func limit(d, zero time.Duration) time.Duration {
	switch {
	case d < 0:
		return forever
	case d == 0:
		return zero
	}
	return d
}

// A speed tells from where and when progress began to be seen how long it takes.
type speed struct {
	known   bool
	percent float64
	at      time.Duration
}

// saw returns half of the time that remains if it goes on as it did since the first
// observation, or false if it did not go on.
func (s *speed) saw(percent float64, at time.Duration) (half time.Duration, ok bool) {
	if percent = percentage(percent); !s.known || percent < s.percent {
		*s = speed{true, percent, at}
		return 0, false
	}
	if percent == s.percent || at <= s.at {
		return 0, false
	}
	left := float64(at-s.at) * (100 - percent) / (percent - s.percent) / 2
	if left >= float64(forever) {
		return forever, true
	}
	return time.Duration(left), true
}

// percentage holds p within 0 to 100; what is not a number counts as 0.
func percentage(p float64) float64 {
	if math.IsNaN(p) {
		return 0
	}
	return min(max(p, 0), 100)
}

// after is d after at, at most forever.
func after(at, d time.Duration) time.Duration { return time.Duration(alarm.After(int64(at), d)) }
