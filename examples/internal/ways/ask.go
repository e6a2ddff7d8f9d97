package ways

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// Every way is put the same questions, some of them at a time.
const (
	Questions = 100
	Lanes     = 10
)

// patience is that of who asks. It is over for nobody, unless something hangs.
const patience = 20 * time.Second

// An Account is what became of the questions.
type Account struct {
	Way      string
	Answered int                    // with the right price
	Wrong    int                    // with another
	Errors   map[antiphon.Class]int // ended badly
	Hung     int                    // did not end

	P50, P99 time.Duration
	Requests int64 // of HTTP
	Bytes    int64 // both ways

	Cut string // what was cut, in the middle
}

// put puts the questions to a way; if cut is set, all that connects the ends is cut when
// half of them have ended.
func put(ctx context.Context, w Way, cut bool) Account {
	s := newStage(ctx, false)
	defer s.end()
	ask := w.Open(s, (&shop{}).Price)

	a := Account{Way: w.Name, Errors: map[antiphon.Class]int{}}
	var (
		next, ended atomic.Int64
		lanes       sync.WaitGroup
		mu          sync.Mutex // guards a and took
		took        []time.Duration
	)
	for range Lanes {
		lanes.Go(func() {
			for n := int(next.Add(1)); n <= Questions; n = int(next.Add(1)) {
				item, begun := itemNo(n), time.Now()
				price, err := within(ctx, ask, item)
				mu.Lock()
				took = append(took, time.Since(begun))
				a.enter(item, price, err)
				mu.Unlock()
				if ended.Add(1) == Questions/2 && cut {
					a.Cut = s.cut()
				}
			}
		})
	}
	lanes.Wait()
	slices.Sort(took)
	a.P50, a.P99 = took[len(took)/2], took[len(took)*99/100]
	a.Requests, a.Bytes = s.requests.Load(), s.bytes()
	return a
}

// within asks with patience, and waits a little longer than that: a future that has not
// settled then never will.
func within(ctx context.Context, ask Asker, item Item) (Price, error) {
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	waiting, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	return ask(asking, item).Await(waiting)
}

// ended is how many questions have ended.
func (a *Account) ended() int {
	n := a.Answered + a.Wrong
	for _, m := range a.Errors {
		n += m
	}
	return n
}

func (a *Account) enter(item Item, price Price, err error) {
	switch {
	case errors.Is(err, future.ErrPending):
		a.Hung++
	case err != nil:
		a.Errors[antiphon.ClassOf(err)]++
	case price != Price{item.No, cents(item)}:
		a.Wrong++
	default:
		a.Answered++
	}
}
