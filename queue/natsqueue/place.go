package natsqueue

import (
	"slices"
	"sort"
	"time"
)

// A class is what a job counts as.
type class uint8

const (
	none class = iota // is not counted
	isReady
	isDelayed
	isBlocked // behind others of its group
	isLeased
	isEnded
	isDead
	isUnread
	classes
)

// A group is its jobs that have not ended, in the order in which they were put.
type group struct{ jobs []*job }

// place puts j where it belongs by now.
func (q *replica) place(j *job, now int64) {
	q.lift(j)
	v := j.view(now)
	if v.Phase == gone {
		g := q.leaveGroup(j)
		q.drop(j)
		q.goOn(g, now)
		return
	}
	live := v.Phase == waiting || v.Phase == leased
	if live {
		if second := q.joinGroup(j); second != nil {
			defer q.place(second, now)
		}
	} else {
		defer q.goOn(q.leaveGroup(j), now)
	}
	if j.Key != "" {
		q.keys[j.Key] = j
	}
	if j.Unique != "" {
		if live {
			q.uniques[j.Unique] = j
		} else if q.uniques[j.Unique] == j {
			delete(q.uniques, j.Unique)
		}
	}
	switch v.Phase {
	case leased:
		j.class = isLeased
	case ended:
		j.class = isEnded
	case dead:
		j.class = isDead
	case unread:
		j.class = isUnread
	case waiting:
		switch {
		case v.At > now:
			j.class = isDelayed
		case j.group != nil && j.group.jobs[0] != j:
			j.class = isBlocked
		default:
			j.class = isReady
			if j.busy != j.rev {
				q.ready.push(j, v.At)
			}
		}
	}
	q.count[j.class]++
	at := v.next()
	if v.Phase == waiting && v.At <= now {
		at = v.Expires
	}
	if at > 0 {
		q.times.push(j, at)
		if q.times.all[0] == j {
			select {
			case q.kick <- struct{}{}:
			default:
			}
		}
	}
}

// lift takes j out of what depends on the time.
func (q *replica) lift(j *job) {
	q.ready.remove(j)
	q.times.remove(j)
	if j.class != none {
		q.count[j.class]--
		j.class = none
	}
}

// drop forgets j, which was lifted and has left its group.
func (q *replica) drop(j *job) {
	q.unname(j)
	if q.jobs[j.ID] == j {
		delete(q.jobs, j.ID)
	}
}

// unname takes from j the names that its record gives it.
func (q *replica) unname(j *job) {
	if q.keys[j.Key] == j {
		delete(q.keys, j.Key)
	}
	if q.uniques[j.Unique] == j {
		delete(q.uniques, j.Unique)
	}
}

// joinGroup takes j into its group, and returns the one that was the first there, and
// has to wait now: that a record was changed late does not make its job a late one.
func (q *replica) joinGroup(j *job) *job {
	if j.Group == "" || j.group != nil {
		return nil
	}
	g := q.groups[j.Group]
	if g == nil {
		g = &group{}
		q.groups[j.Group] = g
	}
	at := sort.Search(len(g.jobs), func(i int) bool { return g.jobs[i].Seq > j.Seq })
	g.jobs, j.group = slices.Insert(g.jobs, at, j), g
	if at == 0 && len(g.jobs) > 1 {
		return g.jobs[1]
	}
	return nil
}

// leaveGroup takes j out of its group, and returns that.
func (q *replica) leaveGroup(j *job) *group {
	g := j.group
	if g == nil {
		return nil
	}
	j.group = nil
	at := sort.Search(len(g.jobs), func(i int) bool { return g.jobs[i].Seq >= j.Seq })
	at += slices.Index(g.jobs[at:], j)
	g.jobs = slices.Delete(g.jobs, at, at+1)
	if len(g.jobs) == 0 {
		delete(q.groups, j.Group)
	}
	return g
}

// goOn lets the first of g be handed out.
func (q *replica) goOn(g *group, now int64) {
	if g != nil && len(g.jobs) > 0 {
		q.place(g.jobs[0], now)
	}
}

// promote places those whose time has come.
func (q *replica) promote(now int64) {
	told := false
	for len(q.times.all) > 0 && q.times.all[0].due.at <= now {
		j := q.times.pop()
		was := j.class
		v := j.view(now)
		q.place(j, now)
		if v.passed && was != isEnded && v.Phase != waiting {
			q.tell(v.change())
		}
		told = true
	}
	if told {
		q.tellNews()
	}
	if now-q.swept > int64(time.Minute) {
		q.swept = now
		for s, g := range q.gates {
			if g.until <= now {
				delete(q.gates, s)
			}
		}
		for n, h := range q.holds {
			if h.until <= now {
				delete(q.holds, n)
			}
		}
	}
}
