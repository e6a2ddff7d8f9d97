package callbacktest

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// bentTalks are mistakes that peers show.
var bentTalks = []mistake{
	{name: "cuts an answer", rule: "Echo", open: changes(func(m *callback.Message) { m.Body = m.Body[:min(len(m.Body), 64<<10)] })},
	{name: "loses an answer", rule: "OwnAnswer", open: loses(every(1000, isKind(callback.Reply)))},
	{name: "sends an answer twice", rule: "OwnAnswer", open: bentPipe(func(_ testing.TB, b *bent) {
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if m.Kind == callback.Reply {
				_ = next(ctx, clone(m))
			}
			return next(ctx, m)
		}
	})},
	{name: "sends an answer to the wrong asker", rule: "OwnAnswer", open: swapping()},
	{name: "holds Close up when nobody reads", rule: "DeadReader", open: bentPipe(func(_ testing.TB, b *bent) {
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			return next(context.WithoutCancel(ctx), m)
		}
		b.close = func() error {
			if deaf(b) {
				hang()
			}
			return b.Transport.Close()
		}
	})},
	{name: "lets the last answer win", rule: "FirstAnswerWins", open: lastWins()},
	{name: "drops an answer that comes again, without a word", rule: "FirstAnswerWins", open: loses(repeated(callback.Reply))},
	{name: "drops answers that nobody waits for, without a word", rule: "Orphans", open: loses(unasked())},
	{name: "gives an answer the id that is waited for", rule: "Forged", open: mending()},
	{name: "drops a request that comes again", rule: "AsksAgain", open: loses(repeated(callback.Request))},
	{name: "gives each request an id of its own", rule: "RepeatedRequest", open: renaming()},
	{name: "forgets the deadline of a request", rule: "DeadlineTravels", open: changes(func(m *callback.Message) { m.Deadline = time.Time{} })},
	{name: "loses progress", rule: "Idle", open: loses(isKind(callback.Progress))},
	{name: "loses a part", rule: "Stream", open: loses(every(500, isKind(callback.Part)))},
	{name: "lets parts overtake each other", rule: "Stream", open: holding(callback.Part)},
	{name: "loses credit", rule: "Stream", open: loses(isKind(callback.Credit))},
	{name: "makes credit of nothing", rule: "StreamWaits", open: changes(func(m *callback.Message) {
		if m.Kind == callback.Credit || m.Kind == callback.Request {
			m.Seq *= 50
		}
	})},
	{name: "loses the cancel of a stream", rule: "StreamWaits", open: loses(isKind(callback.Cancel))},
	{name: "numbers parts by itself", rule: "StreamOddities", open: numbering()},
	{name: "asks one at a time", rule: "Concurrency", open: oneAtATime()},
	{name: "loses refusals", rule: "Overload", open: loses(func(m *callback.Message) bool { return m.Err != nil })},
	{name: "lets one end ask at a time", rule: "AskBack", open: halfDuplex()},
	{name: "drops at Close what it has accepted", rule: "Shutdown", open: lazily()},
	{name: "carries no header", rule: "Header", open: changes(func(m *callback.Message) { m.Header = nil })},
	{name: "loses an event", rule: "Events", open: loses(every(400, isKind(callback.Event)))},
	{name: "lets events overtake each other", rule: "Events", open: holding(callback.Event)},
}

// swapping has each fifth answer carry the id of the fourth, and the other way round.
func swapping() func(testing.TB) *Ends {
	return bentPipe(func(_ testing.TB, b *bent) {
		var mu sync.Mutex
		var kept *callback.Message
		n := 0
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if m.Kind == callback.Reply {
				mu.Lock()
				n++
				switch {
				case n%10 == 4:
					kept = m
					mu.Unlock()
					return nil
				case kept != nil:
					first := kept
					kept = nil
					mu.Unlock()
					first.ID, m.ID = m.ID, first.ID
					_ = next(ctx, first)
					return next(ctx, m)
				}
				mu.Unlock()
			}
			return next(ctx, m)
		}
	})
}

// deaf reports whether b sends more than its other end takes.
func deaf(b *bent) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	return b.Transport.Send(ctx, &callback.Message{Kind: callback.Request, ID: newID(), To: "x"}) != nil
}

// lastWins holds answers up for a moment, and has the last of an id go first.
func lastWins() func(testing.TB) *Ends {
	return receives(func(held *[]callback.Delivery, next receiver, ctx context.Context) (callback.Delivery, error) {
		if n := len(*held); n > 0 {
			d := (*held)[n-1]
			*held = (*held)[:n-1]
			return d, nil
		}
		d, err := next(ctx)
		for err == nil && d.Kind == callback.Reply {
			*held = append(*held, d)
			moment, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			more, late := next(moment)
			cancel()
			if late != nil {
				n := len(*held)
				d = (*held)[n-1]
				*held = (*held)[:n-1]
				return d, nil
			}
			d = more
		}
		return d, err
	})
}

// repeated is true of the second message of a kind with one id, and all after it.
func repeated(kind callback.Kind) func(*callback.Message) bool {
	var mu sync.Mutex
	seen := map[callback.ID]bool{}
	return func(m *callback.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		again := m.Kind == kind && seen[m.ID]
		seen[m.ID] = seen[m.ID] || m.Kind == kind
		return again
	}
}

// unasked is true of answers to what was not asked.
func unasked() func(*callback.Message) bool {
	var mu sync.Mutex
	asked := map[callback.ID]bool{}
	return func(m *callback.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		if m.Kind == callback.Request {
			asked[m.ID] = true
		}
		return m.Kind == callback.Reply && !asked[m.ID]
	}
}

// mending gives every answer the id of the last request.
func mending() func(testing.TB) *Ends {
	return func(tb testing.TB) *Ends {
		var mu sync.Mutex
		var last callback.ID
		return changes(func(m *callback.Message) {
			mu.Lock()
			defer mu.Unlock()
			switch m.Kind {
			case callback.Request:
				last = m.ID
			case callback.Reply:
				m.ID = last
			}
		})(tb)
	}
}

// renaming gives each request another id on the way, and its answer the first one.
func renaming() func(testing.TB) *Ends {
	return func(tb testing.TB) *Ends {
		var mu sync.Mutex
		names := map[callback.ID]callback.ID{}
		return changes(func(m *callback.Message) {
			mu.Lock()
			defer mu.Unlock()
			switch m.Kind {
			case callback.Request:
				id := newID()
				names[id] = m.ID
				m.ID = id
			case callback.Reply:
				m.ID = names[m.ID]
			}
		})(tb)
	}
}

// holding has each tenth message of a kind go after the next.
func holding(kind callback.Kind) func(testing.TB) *Ends {
	return bentPipe(func(_ testing.TB, b *bent) {
		var mu sync.Mutex
		var kept *callback.Message
		n := 0
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if m.Kind != kind {
				return next(ctx, m)
			}
			mu.Lock()
			n++
			first := kept
			kept = nil
			if n%10 == 5 {
				kept = m
			}
			mu.Unlock()
			if n%10 == 5 {
				return nil
			}
			err := next(ctx, m)
			if first != nil {
				_ = next(ctx, first)
			}
			return err
		}
	})
}

// numbering numbers parts anew, and drops those that have the body of the last.
func numbering() func(testing.TB) *Ends {
	return func(tb testing.TB) *Ends {
		var mu sync.Mutex
		seqs := map[callback.ID]uint32{}
		var body []byte
		return loses(func(m *callback.Message) bool {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case m.Kind == callback.Part && bytes.Equal(body, m.Body):
				return true
			case m.Kind == callback.Part:
				seqs[m.ID]++
				m.Seq, body = seqs[m.ID], bytes.Clone(m.Body)
			case m.Kind == callback.Reply && m.Err == nil:
				m.Seq = seqs[m.ID]
			}
			return false
		})(tb)
	}
}

// oneAtATime has a request wait for the answer to the one before.
func oneAtATime() func(testing.TB) *Ends {
	return func(tb testing.TB) *Ends {
		turn := make(chan struct{}, 1)
		return sends(func(next sender, ctx context.Context, m *callback.Message) error {
			switch m.Kind {
			case callback.Request:
				select {
				case turn <- struct{}{}:
				case <-ctx.Done():
					return gaveUp(ctx)
				}
			case callback.Reply:
				select {
				case <-turn:
				default:
				}
			}
			return next(ctx, m)
		})(tb)
	}
}

// halfDuplex has an end wait that asks while the other's request is not answered.
func halfDuplex() func(testing.TB) *Ends {
	return func(tb testing.TB) *Ends {
		var mu sync.Mutex
		asking := map[*bent]int{}
		freed := make(chan struct{})
		return bentPipe(func(_ testing.TB, b *bent) {
			b.send = func(next sender, ctx context.Context, m *callback.Message) error {
				for {
					mu.Lock()
					others := 0
					for o, n := range asking {
						if o != b {
							others += n
						}
					}
					if m.Kind == callback.Request && others == 0 {
						asking[b]++
					}
					wait := m.Kind == callback.Request && others > 0
					if m.Kind == callback.Reply {
						for o := range asking {
							if o != b && asking[o] > 0 {
								asking[o]--
							}
						}
						close(freed)
						freed = make(chan struct{})
					}
					c := freed
					mu.Unlock()
					if !wait {
						return next(ctx, m)
					}
					select {
					case <-c:
					case <-ctx.Done():
						return gaveUp(ctx)
					}
				}
			}
		})(tb)
	}
}

// lazily sends answers a little later than it says.
func lazily() func(testing.TB) *Ends {
	return bentPipe(func(_ testing.TB, b *bent) {
		b.send = func(next sender, ctx context.Context, m *callback.Message) error {
			if m.Kind == callback.Reply && m.Err == nil && len(m.Body) == 1 && m.Body[0] != '1' {
				time.AfterFunc(2*time.Second, func() { _ = next(context.WithoutCancel(ctx), m) })
				return nil
			}
			return next(ctx, m)
		}
	})
}
