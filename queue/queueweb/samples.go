package queueweb

import (
	"sync"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// minutes is how far back throughput is drawn.
const minutes = 60

// samples are the totals of each queue at the end of each of the last minutes in which
// somebody looked. Between two looks, what was done counts for all minutes between
// alike.
type samples struct {
	mu     sync.Mutex
	queues map[string]*series
}

type series struct {
	last  int64 // the minute that at[0] is of
	total int64 // at the last look
	seen  bool
	done  [minutes]float64 // of the minute last-i at i
	when  time.Time
}

func (s *samples) init(names []string) {
	s.queues = make(map[string]*series, len(names))
	for _, n := range names {
		s.queues[n] = &series{}
	}
}

// take notes what st says at now, and returns the last minutes, the oldest first.
func (s *samples) take(name string, now time.Time, st driver.Stats) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	total := st.Succeeded + st.Failed + st.Canceled + st.Expired
	q.note(now, total)
	perMinute := make([]int, minutes)
	for i, n := range q.done {
		perMinute[minutes-1-i] = int(n + 0.5)
	}
	return perMinute
}

func (q *series) note(now time.Time, total int64) {
	minute := now.Unix() / 60
	if !q.seen || total < q.total || minute < q.last {
		*q = series{last: minute, total: total, seen: true, when: now}
		return
	}
	q.shift(minute - q.last)
	q.last = minute
	done, span := float64(total-q.total), now.Sub(q.when)
	from := q.when
	q.total, q.when = total, now
	if span <= 0 {
		q.done[0] += done
		return
	}
	for i := range q.done { // spread over the minutes since the last look
		start := time.Unix((minute-int64(i))*60, 0)
		begin := start
		if from.After(begin) {
			begin = from
		}
		end := start.Add(time.Minute)
		if now.Before(end) {
			end = now
		}
		if d := end.Sub(begin); d > 0 {
			q.done[i] += done * float64(d) / float64(span)
		}
		if !start.After(from) {
			return
		}
	}
}

// shift moves all back by n minutes.
func (q *series) shift(n int64) {
	if n >= minutes {
		q.done = [minutes]float64{}
		return
	}
	copy(q.done[n:], q.done[:minutes-n])
	clear(q.done[:n])
}
