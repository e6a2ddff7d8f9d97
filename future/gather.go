package future

import "sync/atomic"

// A gathering hangs a link on each of n futures for a combinator, and takes
// them off again once the combinator has decided, so that a long-lived loser
// holds nothing of a race that is over. All links are one slab.
//
// Futures may settle while links are still being hung. Whoever comes second,
// the goroutine that hangs them or the one that decides, takes them off.
//
// What arrives is left where it is, in the future: the slab is all that leads
// there, and it goes when the combinator has decided.
type gathering[T any] struct {
	phase atomic.Int32
	links []gathered[T]
	c     combinator
}

// A combinator is told that the future at position i, a *Future[T], has
// settled. Where it settles its own, it publishes and returns what to notify.
type combinator interface {
	arrived(i int, src any) (ring *link, of any)
}

type gathered[T any] struct {
	link
	g *gathering[T]
	f *Future[T]
	i int
}

const (
	linking int32 = iota
	linked
	decided
)

func (l *gathered[T]) settled(src any) (*link, any) { return l.g.c.arrived(l.i, src) }

// hang links all of fs. Those that have settled arrive at once, in order; a nil
// one arrives as failed.
func (g *gathering[T]) hang(fs []*Future[T], c combinator) {
	links := make([]gathered[T], len(fs))
	g.links, g.c = links, c
	for i := range links {
		l, f := &links[i], fs[i]
		if f == nil {
			f = Failed[T](errNilFuture)
		}
		l.g, l.f, l.i = g, f, i
	}
	for i := range links {
		l := &links[i]
		if !l.f.link(&l.link, l) {
			c.arrived(i, l.f)
		}
		if g.phase.Load() == decided {
			break
		}
	}
	if !g.phase.CompareAndSwap(linking, linked) {
		g.takeOff()
	}
}

// decide is called by the combinator, once, when it needs no more arrivals.
// Later ones may still be under way.
func (g *gathering[T]) decide() {
	if g.phase.Swap(decided) == linked {
		g.takeOff()
	}
}

func (g *gathering[T]) takeOff() {
	for i := range g.links {
		l := &g.links[i]
		l.f.unlink(&l.link)
	}
	g.links = nil
}
