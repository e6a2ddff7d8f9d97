package queue

import (
	"hash/maphash"
	"math/bits"
)

// An index finds entries by their ids: a hash table of chains that run through the
// entries themselves. It grows and shrinks by one chain at a time (linear hashing): no
// call pays for all the others, and an entry costs two words, where a map of Go's
// costs six.
//
// Several entries may have the same id. Zero value: empty.
type index[E any, P entry[E]] struct {
	seed   maphash.Seed
	parts  []*part[E]
	chains int // how many are in use
	n      int // entries
}

// An entry is what an index holds.
type entry[E any] interface {
	*E
	name() string
	link() **E // to the next of its chain
}

// A part of an index is some of its chains.
type part[E any] [1 << partBits]*E

const partBits = 6

// chain returns the place of the first entry of the chain of id.
func (x *index[E, P]) chain(id string) **E { return x.at(x.place(id)) }

func (x *index[E, P]) at(i int) **E { return &x.parts[i>>partBits][i&(1<<partBits-1)] }

// place returns the number of the chain of id: as many low bits of its hash as there
// are chains for, or one bit less.
func (x *index[E, P]) place(id string) int {
	h := int(maphash.String(x.seed, id) >> 1)
	size := highBit(x.chains)
	if i := h & (2*size - 1); i < x.chains {
		return i
	}
	return h & (size - 1)
}

// highBit returns the greatest power of two that is not greater than n.
func highBit(n int) int { return 1 << (bits.Len(uint(n)) - 1) }

// find returns an entry of id, or nil.
func (x *index[E, P]) find(id string) *E {
	if x.n == 0 {
		return nil
	}
	return same[E, P](*x.chain(id), id)
}

// after returns another entry of the id of e, which was found before, or nil.
func (x *index[E, P]) after(e *E) *E { return same[E, P](*P(e).link(), P(e).name()) }

// same returns the first entry of id from e on.
func same[E any, P entry[E]](e *E, id string) *E {
	for e != nil && P(e).name() != id {
		e = *P(e).link()
	}
	return e
}

// add enters e, which is not in yet.
func (x *index[E, P]) add(e *E) {
	if x.n >= x.chains {
		x.split()
	}
	c := x.chain(P(e).name())
	*P(e).link(), *c = *c, e
	x.n++
}

// remove takes e out, and reports whether it was in.
func (x *index[E, P]) remove(e *E) bool {
	if x.n == 0 {
		return false
	}
	c := x.chain(P(e).name())
	for *c != e {
		if *c == nil {
			return false
		}
		c = P(*c).link()
	}
	*c, *P(e).link() = *P(e).link(), nil
	x.n--
	x.shrink()
	return true
}

// removeAll takes those of id out, and returns them, linked.
func (x *index[E, P]) removeAll(id string) (all *E) {
	if x.n == 0 {
		return nil
	}
	for c := x.chain(id); *c != nil; {
		e := *c
		if P(e).name() != id {
			c = P(e).link()
			continue
		}
		*c, *P(e).link(), all = *P(e).link(), all, e
		x.n--
	}
	x.shrink()
	return all
}

// fewChains are kept, whatever becomes of the entries.
const fewChains = 512

// shrink gives back what is not needed: not at once, as entries come and go, and then
// faster than they do.
func (x *index[E, P]) shrink() {
	for i := 0; i < 8 && x.n < x.chains/4 && x.chains > fewChains; i++ {
		x.merge()
	}
}

// split makes another chain, of some of the entries of the one that has been theirs.
func (x *index[E, P]) split() {
	if x.parts == nil {
		x.seed = maphash.MakeSeed()
	}
	last := x.chains
	if last>>partBits == len(x.parts) {
		x.parts = append(x.parts, new(part[E]))
	}
	x.chains++
	if last == 0 {
		return
	}
	from, to := x.at(last-highBit(last)), x.at(last)
	for *from != nil {
		e := *from
		if x.place(P(e).name()) != last {
			from = P(e).link()
			continue
		}
		*from = *P(e).link()
		*P(e).link(), *to = *to, e
	}
}

// merge undoes the last split.
func (x *index[E, P]) merge() {
	last := x.chains - 1
	from, to := x.at(last), x.at(last-highBit(last))
	for *to != nil {
		to = P(*to).link()
	}
	*to, *from = *from, nil
	x.chains = last
	if keep := (last-1)>>partBits + 2; keep < len(x.parts) { // one more, for who comes and goes
		x.parts[keep] = nil
		x.parts = x.parts[:keep]
	}
}

// each calls do for all entries until it reports false, beginning with those of chain
// from, and returns the number of the chain to go on with. do changes nothing.
func (x *index[E, P]) each(from int, do func(*E) bool) (next int) {
	if from >= x.chains {
		from = 0
	}
	for i := range x.chains {
		c := from + i
		if c >= x.chains {
			c -= x.chains
		}
		for e := *x.at(c); e != nil; e = *P(e).link() {
			if !do(e) {
				return c
			}
		}
	}
	return from
}
