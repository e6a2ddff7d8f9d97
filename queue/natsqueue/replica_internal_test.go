package natsqueue

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// message is what a server sends of a record.
type message struct {
	jetstream.Msg
	subject string
	data    []byte
	seq     uint64
	at      time.Time
}

func (m message) Subject() string { return m.subject }
func (m message) Data() []byte    { return m.data }
func (m message) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Stream: m.seq}, Timestamp: m.at}, nil
}

// alone is a replica without a server.
func alone(o antiphon.Observer) *replica {
	b := &Backend{prefix: "$KV.b.", began: time.Now(), queues: map[string]*replica{}, opts: Options{Observer: o}}
	b.life, b.die = context.WithCancel(context.Background())
	b.hears(time.Now().UnixNano())
	return b.newReplica("q")
}

// A store has what was last written of each subject.
type store struct {
	seq uint64
	has map[string]message
}

func (s *store) write(subject string, data []byte) message {
	s.seq++
	m := message{subject: subject, data: data, seq: s.seq, at: time.Now()}
	s.has[subject] = m
	return m
}

// records are those of all jobs that are known now, as somebody would find them who
// reads the bucket.
func (s *store) records(q *replica) map[string]record {
	all := map[string]record{}
	for subject, m := range s.has {
		r, _ := read(untoken(subject[len(q.prefix)+2:]), m.data, m.seq, m.at.UnixNano())
		if v := r.view(q.b.now()); v.Phase != gone {
			all[r.ID] = v
		}
	}
	return all
}

// expect is what a job counts as, by looking at all of them.
func expect(v record, all map[string]record, now int64) class {
	switch v.Phase {
	case leased:
		return isLeased
	case ended:
		return isEnded
	case dead:
		return isDead
	case unread:
		return isUnread
	}
	if v.At > now {
		return isDelayed
	}
	for _, o := range all {
		if v.Group != "" && o.Group == v.Group && o.Seq < v.Seq && (o.Phase == waiting || o.Phase == leased) {
			return isBlocked
		}
	}
	return isReady
}

// sound fails the test if q is not what all says, or has something that belongs to
// nobody.
func sound(t *testing.T, q *replica, all map[string]record) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.b.now()
	q.promote(now)
	if got, want := slices.Sorted(maps.Keys(q.jobs)), slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Fatalf("it has %q, want %q", got, want)
	}
	var count [classes]int
	ready, due, keys, uniques, grouped := 0, 0, 0, 0, 0
	for id, v := range all {
		j := q.jobs[id]
		want := expect(v, all, now)
		count[want]++
		if j.class != want || j.rev != v.rev {
			t.Fatalf("%s counts as %d in revision %d, want %d in %d: %+v", id, j.class, j.rev, want, v.rev, v)
		}
		if in := j.ready.place > 0; in != (want == isReady && j.busy != j.rev) || in && q.ready.all[j.ready.place-1] != j {
			t.Fatalf("%s of class %d can be handed out: %v", id, want, in)
		}
		if in := j.due.place > 0; in && (q.times.all[j.due.place-1] != j || j.due.at <= now) {
			t.Fatalf("%s is due at %d, and it is %d", id, j.due.at, now)
		} else if in {
			due++
		} else if want == isLeased || want == isDelayed || want == isEnded {
			t.Fatalf("%s of class %d is never looked at again", id, want)
		}
		if want == isReady && j.busy != j.rev {
			ready++
		}
		live := v.Phase == waiting || v.Phase == leased
		if v.Key != "" {
			keys++
			if q.keys[v.Key] != j {
				t.Fatalf("the key of %s is that of %v", id, q.keys[v.Key])
			}
		}
		if v.Unique != "" && live {
			uniques++
			if q.uniques[v.Unique] != j {
				t.Fatalf("the unique name of %s is that of %v", id, q.uniques[v.Unique])
			}
		}
		if v.Group != "" && live {
			grouped++
			if q.groups[v.Group] == nil || !slices.Contains(q.groups[v.Group].jobs, j) {
				t.Fatalf("%s is not in its group", id)
			}
		}
	}
	for name, g := range q.groups {
		grouped -= len(g.jobs)
		if len(g.jobs) == 0 || !slices.IsSortedFunc(g.jobs, func(a, b *job) int { return int(a.Seq) - int(b.Seq) }) {
			t.Fatalf("group %s has no jobs, or not in their order", name)
		}
	}
	if q.count != count {
		t.Fatalf("counted %v, want %v", q.count, count)
	}
	if len(q.ready.all) != ready || len(q.times.all) != due || len(q.keys) != keys || len(q.uniques) != uniques || grouped != 0 {
		t.Fatalf("ready %d of %d, due %d of %d, keys %d of %d, unique names %d of %d, %d too few in groups: something belongs to nobody",
			len(q.ready.all), ready, len(q.times.all), due, len(q.keys), keys, len(q.uniques), uniques, grouped)
	}
}

// next is some record that may follow r.
func next(rnd *rand.Rand, r *record, id string, serial int) *record {
	some := func() time.Duration { return time.Duration(rnd.IntN(4)) * time.Second }
	if r == nil || r.Phase == gone {
		r = &record{ID: id, Priority: rnd.IntN(2), TTL: int64(some()), Keep: int64(some())}
		if rnd.IntN(2) == 0 {
			r.Group = fmt.Sprint("g", rnd.IntN(2))
		}
		if rnd.IntN(2) == 0 {
			r.Key, r.Unique = fmt.Sprint("k", serial), fmt.Sprint("u", serial)
		}
		r.in(some())
		return r
	}
	c := r.copy()
	switch r.Phase {
	case waiting:
		if rnd.IntN(8) == 0 {
			c.ends(antiphon.StateCanceled, antiphon.FromError(driver.ErrCanceled), 0)
			return c
		}
		c.Phase = leased
		c.Attempt++
		c.Fence++
		c.in(some())
	case leased:
		x := &driver.Settlement{Lease: driver.Lease{ID: id, Fence: r.Fence}, State: antiphon.StateFailed, Delay: some()}
		x.Outcome = []driver.Outcome{driver.Done, driver.Retry, driver.Release, driver.Bury}[rnd.IntN(4)]
		if rnd.IntN(4) == 0 {
			c.Cancel = true
			return c
		}
		return settled(r, x)
	case dead:
		if rnd.IntN(2) == 0 {
			return &record{ID: id, Phase: gone, Seq: r.Seq}
		}
		c.Phase, c.Seq, c.Created, c.Expires, c.TTL = waiting, 0, 0, 0, 0
		c.in(0)
	case ended:
		return &record{ID: id, Phase: gone, Seq: r.Seq}
	}
	return c
}

// Whatever follows whatever, and however much time passes, a replica knows of each job
// what its record says, counts it once, and keeps nothing of one that is gone. One that
// reads the bucket later knows the same.
func TestQ6_Q8_Replica(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			q := alone(nil)
			defer q.b.die()
			s := &store{has: map[string]message{}}
			for i := range 300 {
				id := fmt.Sprint("job ", rnd.IntN(6))
				subject := q.b.subject("q", "j", id)
				var r *record
				if v, ok := s.records(q)[id]; ok {
					r = &v
				}
				data := []byte{1, 2, 3}
				switch n := rnd.IntN(16); {
				case n == 0: // by somebody else
				case n == 1: // by hand
					data = nil
				case n == 2: // forgotten by the server, and nobody was told
					if rev := s.has[subject].seq; rev > 0 {
						delete(s.has, subject)
						q.forgotten(subject, rev, 0)
					}
					continue
				case n < 6:
					time.Sleep(time.Duration(rnd.IntN(3)) * 700 * time.Millisecond)
					continue
				default:
					if r != nil && r.Phase == unread {
						r = nil
					}
					var err error
					if data, err = next(rnd, r, id, i).encode(); err != nil {
						t.Fatal(err)
					}
				}
				q.receive(s.write(subject, data))
				sound(t, q, s.records(q))
			}
			later := alone(nil)
			defer later.b.die()
			latest := slices.SortedFunc(maps.Values(s.has), func(a, b message) int { return int(a.seq) - int(b.seq) })
			for _, m := range latest {
				later.receive(m)
			}
			sound(t, later, s.records(later))
		})
	}
}

// What is being leased is handed out to nobody else, and is ready again if that fails.
func TestQ3_Pick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := alone(nil)
		defer q.b.die()
		s := &store{has: map[string]message{}}
		for i := range 3 {
			data, err := (&record{ID: fmt.Sprint(i), Priority: i}).encode()
			if err != nil {
				t.Fatal(err)
			}
			q.receive(s.write(q.b.subject("q", "j", fmt.Sprint(i)), data))
		}
		one, _ := q.pick(1, time.Second)
		rest, _ := q.pick(5, time.Second)
		if len(one) != 1 || one[0].ID != "2" || len(rest) != 2 || rest[0].ID != "1" || rest[1].ID != "0" {
			t.Fatalf("picked %v, then %v", one, rest)
		}
		if any, _ := q.anything(); any {
			t.Error("all is picked, and there is more to pick")
		}
		sound(t, q, s.records(q))
		q.unpick(one)
		if again, _ := q.pick(5, time.Second); len(again) != 1 || again[0].ID != "2" {
			t.Errorf("picked %v", again)
		}
		// What others have written while it was being leased, and is ready yet, can be
		// leased as it is now, and is not what was picked before.
		for i, phase := range []phase{waiting, leased, waiting} {
			q.receive(s.write(q.b.subject("q", "j", fmt.Sprint(i)), encoded(t, &record{ID: fmt.Sprint(i), Phase: phase, In: int64(time.Hour) * int64(phase), Attempt: 7, Fence: 8})))
		}
		sound(t, q, s.records(q))
		if all, _ := q.pick(5, time.Second); len(all) != 2 || all[0].Attempt != 8 || all[0].Fence != 9 {
			t.Errorf("picked %+v", all)
		}
		q.unpick(rest)
		if any, _ := q.anything(); any {
			t.Error("who was late has made ready what another has picked")
		}
		sound(t, q, s.records(q))
	})
}

// A lease that is stored when the job's time to live is over is nobody's, wherever it is
// read; one that was extended since is.
func TestLeaseTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		edit  func(*record)
		want  antiphon.State
	}{
		"in time":   {time.Second - 1, func(*record) {}, antiphon.StateRunning},
		"too late":  {time.Second, func(*record) {}, antiphon.StateExpired},
		"extended":  {time.Hour, func(r *record) { r.At = after(r.Expires, int64(2*time.Hour)) }, antiphon.StateRunning},
		"no limits": {time.Hour, func(r *record) { r.Expires, r.TTL = 0, 0 }, antiphon.StateRunning},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := alone(nil)
				s := &store{has: map[string]message{}}
				put := func(r *record) {
					b, err := r.encode()
					if err != nil {
						t.Fatal(err)
					}
					q.receive(s.write(q.b.subject("q", "j", r.ID), b))
				}
				put(&record{ID: "a", Phase: waiting, TTL: int64(time.Second), Keep: int64(time.Hour)})
				picked, _ := q.pick(1, 2*time.Hour)
				if len(picked) != 1 {
					t.Fatal("nothing is ready")
				}
				c.edit(picked[0])
				time.Sleep(c.after)
				put(picked[0])
				got := q.jobs["a"].view(q.b.now())
				if wasRun := c.want == antiphon.StateRunning; got.state() != c.want || q.tooLate(picked[0]) == wasRun || (got.Attempt == 1) != wasRun {
					t.Errorf("the job is %s at attempt %d; want %s", got.state(), got.Attempt, c.want)
				}
			})
		})
	}
}
