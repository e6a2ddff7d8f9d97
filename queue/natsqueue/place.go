package natsqueue

import (
	"sort"
	"time"
)

// place puts j where it belongs by now.
func (q *replica) place(j *job, now int64) {
	q.count[j.class]--
	q.gen++
	j.gen = q.gen
	v := j.view(now)
	live := v.Phase == waiting || v.Phase == leased
	if live {
		q.joinGroup(j)
	} else {
		defer q.goOn(q.leaveGroup(j), now)
	}
	if j.Key != "" && v.Phase != gone {
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
	case gone:
		q.drop(j)
		return
	case leased:
		j.class = isLeased
	case ended:
		j.class = isEnded
	case dead:
		j.class = isDead
	case waiting:
		switch {
		case v.At > now:
			j.class = isDelayed
		case j.group != nil && j.group.jobs[0] != j:
			j.class = isBlocked
		default:
			j.class = isReady
			if !j.busy {
				q.ready.push(entry{job: j, gen: j.gen, at: v.At})
			}
		}
	}
	q.count[j.class]++
	at := v.next()
	if v.Phase == waiting && v.At <= now {
		at = v.Expires
	}
	if at > 0 {
		q.times.push(entry{job: j, gen: j.gen, at: at})
		if q.times.all[0].job == j {
			select {
			case q.kick <- struct{}{}:
			default:
			}
		}
	}
}

// drop forgets j. It has been taken out of the counts and its group.
func (q *replica) drop(j *job) {
	j.class = none
	q.count[none]++
	if q.jobs[j.ID] == j {
		delete(q.jobs, j.ID)
	}
	if q.keys[j.Key] == j {
		delete(q.keys, j.Key)
	}
	if q.uniques[j.Unique] == j {
		delete(q.uniques, j.Unique)
	}
	q.gen++
	j.gen = q.gen
}

func (q *replica) joinGroup(j *job) {
	if j.Group == "" || j.group != nil {
		return
	}
	g := q.groups[j.Group]
	if g == nil {
		g = &group{}
		q.groups[j.Group] = g
	}
	at := sort.Search(len(g.jobs), func(i int) bool { return g.jobs[i].Seq > j.Seq })
	g.jobs = append(g.jobs, nil)
	copy(g.jobs[at+1:], g.jobs[at:])
	g.jobs[at], j.group = j, g
}

// leaveGroup takes j out of its group, and returns that.
func (q *replica) leaveGroup(j *job) *group {
	g := j.group
	if g == nil {
		return nil
	}
	j.group = nil
	for i := range g.jobs {
		if g.jobs[i] == j {
			g.jobs = append(g.jobs[:i:i], g.jobs[i+1:]...)
			break
		}
	}
	if len(g.jobs) == 0 && q.groups[j.Group] == g {
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
	for len(q.times.all) > 0 && q.times.all[0].at <= now {
		e := q.times.pop()
		if e.gen != e.job.gen {
			continue
		}
		was := e.job.class
		v := e.job.view(now)
		q.place(e.job, now)
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
