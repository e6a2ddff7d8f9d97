package callback

// expireBatch is how many entries are taken out of the heaps at a time.
const expireBatch = 256

// A round tells all of a table that is due.
type round struct {
	*table
	batch []placed
	told  int    // how many of them have been told
	from  uint32 // the shard to begin with: none has to wait for all of another
	now   moment // when it began: what is due later is for another round
	more  bool   // there was no room in the batch for all that is due
	ended bool
}

func (t *table) expire() {
	r := &round{table: t, now: t.now(), more: true}
	r.run()
}

func (r *round) run() {
	defer func() {
		if !r.ended { // what hangs on a future has ended the goroutine: the others must not suffer
			go r.run()
		}
	}()
	for {
		for r.told < len(r.batch) {
			d := r.batch[r.told]
			r.batch[r.told] = placed{}
			r.told++
			r.tell(d.entry, d.id, r.now)
		}
		if !r.more {
			break
		}
		r.fill()
	}
	r.ended = true
}

// fill makes a batch of what is due. If it is the last, the alarm is set before
// anything in it is told: that may take long.
func (r *round) fill() {
	r.batch, r.told, r.more = r.batch[:0], 0, false
	next, n := never, r.live.Load()
	for k := range n {
		next = min(next, r.take((r.from+k)%n))
	}
	r.from++
	if !r.more {
		r.alarm.Set(next)
	}
}

// take takes out of the heap of shard k what is due, as far as there is room in
// the batch. It returns when the next one will be due.
func (r *round) take(k uint32) moment {
	sh := r.shards[k].Load()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for sh.heap.n > 0 {
		first := sh.heap.get(0).at
		if first > r.now {
			return first
		}
		if len(r.batch) == expireBatch {
			r.more = true
			break
		}
		i := sh.heap.n - 1
		d := *sh.heap.get(i)
		if d.at > r.now { // else many are due, and this one is the easiest to take out
			i, d = 0, *sh.heap.get(0)
		}
		sh.heap.remove(sh, i)
		s := sh.slot(d.slot)
		s.at = 0
		r.batch = append(r.batch, placed{s.entry, s.id(r.ref(k, d.slot))})
	}
	return never
}
