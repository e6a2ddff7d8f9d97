package ways

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
)

// An Item is what is asked about, and a Price the answer.
type (
	Item struct {
		No   int    `json:"no"`
		Name string `json:"name"`
	}
	Price struct {
		No    int `json:"no"`
		Cents int `json:"cents"`
	}
)

// What the shop says when it gives no price: one error of each class.
var (
	errUnheardOf = &antiphon.Error{Code: antiphon.CodeNotFound, Reason: "everyway.unheard_of", Message: "nobody has heard of it", Permanent: true}
	errClosed    = &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassNotAccepted, Reason: "everyway.closed", Message: "that counter is closed", Permanent: true}
	errGone      = &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassUnknown, Reason: "everyway.gone", Message: "the clerk went away with the order", Permanent: true}
)

// takes is how long the shop looks for an ordinary price.
const takes = 2 * time.Millisecond

// A shop knows its prices. It has never heard of futures, callbacks, queues or webhooks.
type shop struct {
	came    atomic.Int64
	opinion chan struct{} // closed when there is one on antiques
}

func (s *shop) Price(ctx context.Context, item Item) (Price, error) {
	s.came.Add(1)
	switch item.Name {
	case "unicorn":
		return Price{}, errUnheardOf
	case "stamp":
		return Price{}, errClosed
	case "cheese":
		return Price{}, errGone
	case "antique":
		select {
		case <-s.opinion:
		case <-ctx.Done():
			return Price{}, ctx.Err()
		}
	default:
		look := time.NewTimer(takes)
		defer look.Stop()
		select {
		case <-look.C:
		case <-ctx.Done():
			return Price{}, ctx.Err()
		}
	}
	return Price{item.No, cents(item)}, nil
}

func cents(item Item) int { return 100 + 7*item.No }

// itemNo is what question number n is about: of a hundred, twelve end badly.
func itemNo(n int) Item {
	switch {
	case n%20 == 3:
		return Item{n, "unicorn"}
	case n%20 == 11:
		return Item{n, "stamp"}
	case n%50 == 17:
		return Item{n, "cheese"}
	}
	return Item{n, "pear"}
}
