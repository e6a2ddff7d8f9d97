package callback

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
)

// A thing is an entry that does what it is told when it is due.
type thing struct {
	do func(id ID, now moment)
}

func (e *thing) due(id ID, now moment) {
	if e.do != nil {
		e.do(id, now)
	}
}

// tableOf makes a table of things.
func tableOf(clk clock.Clock, limit int) *table {
	return newTable(clk, limit, func(e entry, id ID, now moment) { e.(*thing).due(id, now) })
}

// forMany gives t all the shards that it may have.
func forMany(t *table) *table {
	for t.live.Load() < uint32(len(t.shards)) {
		t.grow()
	}
	return t
}

// sound fails the test unless what t keeps fits together.
func sound(t *testing.T, tb *table) {
	t.Helper()
	total := 0
	for k := range tb.live.Load() {
		sh := tb.shards[k].Load()
		used, scheduled := 0, 0
		for c := range sh.chunks {
			ch := &sh.chunks[c]
			free := map[uint32]bool{}
			for i := ch.free; i != 0; i = ch.slots[i-1].at {
				if free[i] || ch.slots[i-1].entry != nil {
					t.Fatalf("slot %d of chunk %d is not free, or free twice", i-1, c)
				}
				free[i] = true
			}
			in := uint32(0)
			for i := range ch.slots {
				s := &ch.slots[i]
				if s.entry == nil {
					continue
				}
				in++
				if s.at != 0 {
					scheduled++
					if d := sh.heap.get(int(s.at - 1)); d.slot != uint32(c)<<chunkBits|uint32(i) {
						t.Fatalf("slot %d of chunk %d has the deadline of another", i, c)
					}
				}
			}
			if in != ch.used || int(in)+len(free) != len(ch.slots) {
				t.Fatalf("chunk %d: %d used, counted %d; %d free of %d", c, in, ch.used, len(free), len(ch.slots))
			}
			if ch.place != 0 && sh.open[ch.place-1] != uint32(c) {
				t.Fatalf("chunk %d is not where it says", c)
			}
			gone := slices.Contains(sh.spare, uint32(c))
			if room := ch.free != 0 || !gone && len(ch.slots) < 1<<chunkBits; room && ch.place == 0 {
				t.Fatalf("chunk %d has room, and is not open", c)
			}
			if gone && (ch.slots != nil || ch.place != 0) {
				t.Fatalf("chunk %d was let go, and is there", c)
			}
			used += int(in)
		}
		if used != sh.used {
			t.Fatalf("shard %d has %d, counts %d", k, used, sh.used)
		}
		if scheduled != sh.heap.n {
			t.Fatalf("shard %d: %d are scheduled, %d in the heap", k, scheduled, sh.heap.n)
		}
		for i := range sh.heap.n {
			if sh.heap.get(i).at < sh.heap.get((i-1)/4).at {
				t.Fatalf("shard %d: %d is due before %d", k, i, (i-1)/4)
			}
		}
		total += used
	}
	if n := int(tb.count.Load()); n != total {
		t.Fatalf("%d are in, counted %d", total, n)
	}
}

// Against a map: whatever is done, what is found is what was put in.
func TestTableAgainstAMap(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		tb := tableOf(clock.NewMock(), 1<<20)
		if seed%2 == 0 {
			forMany(tb)
		}
		have := map[ID]*thing{}
		var ids []ID
		ended := map[ID]error{}
		for phase := range 6 {
			adding := 3 // of 8: it grows and shrinks
			if phase%2 == 0 {
				adding = 6
			}
			for range 4000 {
				switch op := rng.IntN(8); {
				case op < adding:
					e := new(thing)
					id, err := tb.add(e, rng.Int64N(1000)+1)
					if err != nil || have[id] != nil || ended[id] != nil {
						t.Fatal(id, err)
					}
					have[id], ids = e, append(ids, id)
				case len(ids) == 0:
				case op == 7:
					if err := tb.touch(ids[rng.IntN(len(ids))], func() moment { return rng.Int64N(1000) + 1 }); err != nil {
						t.Fatal(err)
					}
				default:
					i := rng.IntN(len(ids))
					id := ids[i]
					ids[i] = ids[len(ids)-1]
					ids = ids[:len(ids)-1]
					h := how(rng.IntN(2))
					e, err := tb.remove(id, h)
					if err != nil || e != have[id] {
						t.Fatal(id, e, err)
					}
					delete(have, id)
					ended[id] = []error{ErrLate, ErrDuplicate}[h]
				}
			}
			sound(t, tb)
			for id, e := range have {
				if got, err := tb.get(id); err != nil || got != e {
					t.Fatal(id, got, err)
				}
			}
			for id, why := range ended {
				if _, err := tb.get(id); err != why && err != ErrUnknownID {
					t.Fatal(id, err)
				}
			}
		}
		all := tb.all(func(entry) bool { return true })
		if len(all) != len(have) {
			t.Fatal(len(all), "of", len(have))
		}
		for _, p := range all {
			if have[p.id] != p.entry {
				t.Fatal("the id of another")
			}
		}
		if left := tb.close(); len(left) != len(have) {
			t.Fatal(len(left), "of", len(have))
		}
	}
}

func TestC1_NoIDIsUsedTwice(t *testing.T) {
	seen := map[ID]bool{}
	slots := map[[4]byte]bool{}
	tables := []*table{tableOf(clock.NewMock(), math.MaxInt), tableOf(clock.NewMock(), math.MaxInt)}
	for i := range 200_000 {
		tb := tables[i%2]
		id, err := tb.add(new(thing), never)
		if err != nil || seen[id] {
			t.Fatal(id, err)
		}
		seen[id] = true
		slots[[4]byte(id[12:])] = true
		if _, err := tb.remove(id, answered); err != nil {
			t.Fatal(err)
		}
		if _, err := tb.get(id); err != ErrDuplicate {
			t.Fatal(err)
		}
	}
	if len(slots) > 16 {
		t.Fatal("slots are not used again:", len(slots))
	}
}

func TestC1_NinetySixBitsAreRandom(t *testing.T) {
	const n = 8 * reseed
	var ones [128]int
	tb := tableOf(clock.NewMock(), math.MaxInt)
	for range n {
		id, _ := tb.add(new(thing), never)
		_, _ = tb.remove(id, gone)
		for i := range ones {
			ones[i] += int(id[i/8]>>(i%8)) & 1
		}
	}
	for i := range 96 {
		// Ten standard deviations: this does not fail by chance.
		if d := math.Abs(float64(ones[i]) - n/2); d > 10*math.Sqrt(n)/2 {
			t.Errorf("bit %d is set in %d of %d", i, ones[i], n)
		}
	}
}

func next(n *nonces) key {
	lo, hi := n.next()
	return key{lo: lo, hi: hi}
}

func TestC1_GeneratorsAreSeededApart(t *testing.T) {
	var a, b nonces
	seen := map[key]bool{}
	for i := range 4 * reseed {
		x, y := next(&a), next(&b)
		if want := reseed - 1 - i%reseed; a.left != want {
			t.Fatal(a.left, "are left, want", want)
		}
		if seen[x] || seen[y] || x == y {
			t.Fatal("again")
		}
		seen[x], seen[y] = true, true
	}
	a.seed()
	if a.left != reseed || next(&a) == next(&b) {
		t.Fatal("not seeded")
	}
}

// The answer to what was in a slot is not given to what is in it now.
func TestC2_SlotsKnowTheirTenants(t *testing.T) {
	tb := tableOf(clock.NewMock(), math.MaxInt)
	first, _ := tb.add(new(thing), never)
	_, _ = tb.remove(first, gone)
	second, _ := tb.add(new(thing), never)
	if [4]byte(first[12:]) != [4]byte(second[12:]) {
		t.Fatal("it is in another slot")
	}
	for bit := range 96 { // and every bit of the nonce counts
		wrong := second
		wrong[bit/8] ^= 1 << (bit % 8)
		if _, err := tb.remove(wrong, answered); err != ErrUnknownID {
			t.Fatal(bit, err)
		}
	}
	if _, err := tb.remove(first, answered); err != ErrLate {
		t.Fatal(err)
	}
	if tb.removeDue(first) {
		t.Fatal("what was due is somebody else")
	}
	if err := tb.touch(first, func() moment { return 1 }); err != ErrLate {
		t.Fatal(err)
	}
	if tb.hold(first, func() { t.Fatal("held") }) {
		t.Fatal("held")
	}
	if _, err := tb.remove(second, answered); err != nil {
		t.Fatal(err)
	}
}

// memory returns how many chunks t has, for slots and for deadlines.
func memoryOf(tb *table) (slots, deadlines int) {
	for k := range tb.live.Load() {
		sh := tb.shards[k].Load()
		for _, c := range sh.chunks {
			if c.slots != nil {
				slots++
			}
		}
		deadlines += len(sh.heap.chunks)
	}
	return slots, deadlines
}

func TestMemoryIsGivenBackAfterAFlood(t *testing.T) {
	const n = 20 << chunkBits
	for name, order := range map[string]func([]ID){
		"first first": func([]ID) {},
		"last first":  slices.Reverse[[]ID],
		"any": func(ids []ID) {
			rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		},
	} {
		for _, shards := range []int{1, 2} {
			tb := tableOf(clock.NewMock(), math.MaxInt)
			if shards > 1 {
				tb.grow()
			}
			ids := make([]ID, n)
			flood := func() {
				for i := range ids {
					ids[i], _ = tb.add(new(thing), moment(i+1))
				}
			}
			for range 3 { // it comes again
				flood()
				if s, d := memoryOf(tb); s > n>>chunkBits+2*shards || d > n>>chunkBits+2*shards {
					t.Fatalf("%s: %d and %d chunks for %d", name, s, d, n>>chunkBits)
				}
				sound(t, tb)
				order(ids)
				for i, id := range ids {
					if _, err := tb.remove(id, answered); err != nil {
						t.Fatal(err)
					}
					if left := (n - i - 1) >> chunkBits; i%1024 == 0 && name != "any" {
						if s, _ := memoryOf(tb); s > 2*left+4*shards {
							t.Fatalf("%s: %d chunks for %d", name, s, left)
						}
					}
				}
				sound(t, tb)
				if s, d := memoryOf(tb); s > shards || d > 2*shards {
					t.Errorf("%s: %d and %d chunks for nothing", name, s, d)
				}
			}
		}
	}
}

// At the edge of a chunk, none is made and let go by turns.
func TestMemoryIsNotGivenBackTooSoon(t *testing.T) {
	tb := tableOf(clock.NewMock(), math.MaxInt)
	var ids []ID
	e := new(thing)
	add := func() {
		id, _ := tb.add(e, 5)
		ids = append(ids, id)
	}
	remove := func() {
		_, _ = tb.remove(ids[len(ids)-1], answered)
		ids = ids[:len(ids)-1]
	}
	for range 3<<chunkBits + 1 {
		add()
	}
	for edge := range 4 {
		if allocs := testing.AllocsPerRun(1000, func() { remove(); remove(); add(); add() }); allocs != 0 {
			t.Errorf("%d: %v allocations", edge, allocs)
		}
		for range 1 << chunkBits {
			if len(ids) > 2 {
				remove()
			}
		}
	}
}

func TestC5_ATableWithHugeLimits(t *testing.T) {
	tb := tableOf(clock.NewMock(), math.MaxInt)
	if s, d := memoryOf(tb); s+d != 0 {
		t.Fatal("it is large before anything is in it")
	}
	tb.chunks = 2 // as if slots had 11 bits for their numbers
	var ids []ID
	for range 2 << chunkBits {
		id, err := tb.add(new(thing), never)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for range 3 {
		if _, err := tb.add(new(thing), never); err != ErrFull {
			t.Fatal(err)
		}
		sound(t, tb)
		if _, err := tb.remove(ids[7], gone); err != nil {
			t.Fatal(err)
		}
		ids[7], _ = tb.add(new(thing), never)
	}
	if got, want := tableOf(clock.NewMock(), 1), uint64(1)<<32; uint64(len(got.shards))*uint64(got.chunks)<<chunkBits != want {
		t.Fatal("not all numbers are used")
	}
}

func TestShardsComeWithContention(t *testing.T) {
	tb := tableOf(clock.New(), math.MaxInt)
	if tb.live.Load() != 1 {
		t.Fatal(tb.live.Load())
	}
	var ids []ID
	add := func() {
		id, err := tb.add(new(thing), never)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	add()
	for tb.live.Load() < uint32(len(tb.shards)) {
		before := tb.live.Load()
		for range patience { // somebody waits
			sh := tb.shards[0].Load()
			sh.mu.Lock()
			waits := tb.waits.Load()
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = tb.hold(ids[0], func() {})
			}()
			for tb.waits.Load() == waits {
				runtime.Gosched()
			}
			sh.mu.Unlock()
			<-done
		}
		if n := tb.live.Load(); n != 2*before {
			t.Fatal(before, "became", n)
		}
		for range 2000 {
			add()
		}
		sound(t, tb)
	}
	for range 2 * patience {
		tb.grow() // enough
	}
	if n := tb.live.Load(); int(n) != len(tb.shards) || n > 1<<maxBits {
		t.Fatal(n)
	}
	for k := range tb.live.Load() {
		if tb.shards[k].Load().used == 0 {
			t.Errorf("nothing is in shard %d", k)
		}
	}
	for _, id := range ids {
		if _, err := tb.remove(id, gone); err != nil {
			t.Fatal(err)
		}
	}
	sound(t, tb)
	late := tableOf(clock.New(), 10)
	late.close()
	late.grow()
	if _, err := late.add(new(thing), 1); err != ErrClosed || late.live.Load() != 1 {
		t.Fatal("it grew after its end")
	}
}

// Everything at once, from many goroutines; for the race detector too.
func TestX1_ManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := tableOf(nil, 5000)
		var expired, removed, closed sync.Map
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(g), 3))
				for i := range 3000 {
					e := new(thing)
					e.do = func(id ID, _ moment) {
						if tb.removeDue(id) {
							if _, again := expired.LoadOrStore(e, id); again {
								t.Error("expired twice")
							}
						}
					}
					id, err := tb.add(e, tb.in(time.Duration(rng.IntN(1000)+1)*time.Microsecond))
					if err == ErrClosed {
						return
					}
					if err != nil {
						t.Error(err)
					}
					switch i % 5 {
					case 0:
						if _, err := tb.remove(id, answered); err == nil {
							removed.Store(e, id)
						}
					case 1:
						_ = tb.touch(id, func() moment { return 1 })
					case 2:
						tb.hold(id, func() {})
					case 3:
						_, _ = tb.get(id)
					case 4:
						if i%1000 == 4 {
							tb.all(func(entry) bool { return false })
							tb.grow()
						}
						time.Sleep(time.Duration(rng.IntN(100)) * time.Microsecond)
					}
				}
			})
		}
		wg.Go(func() {
			time.Sleep(20 * time.Millisecond)
			for _, e := range tb.close() {
				closed.Store(e, true)
			}
		})
		wg.Wait()
		synctest.Wait()
		sound(t, tb)
		if tb.count.Load() != 0 {
			t.Fatal(tb.count.Load(), "left")
		}
		n := 0
		expired.Range(func(e, _ any) bool {
			n++
			if _, both := removed.Load(e); both {
				t.Error("removed, and expired")
			}
			if _, both := closed.Load(e); both {
				t.Error("expired, and closed")
			}
			return true
		})
		if n == 0 {
			t.Error("nothing expired")
		}
	})
}
