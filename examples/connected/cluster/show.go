package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A show is what is known of the numbers.
type show struct {
	t           *troupe
	leader      string
	asked       map[string]string // number: who asked
	answered    map[string]bool
	begun, done map[string]int             // how often
	under       map[string]map[string]bool // worker: what it has begun and not done
	last        time.Time                  // the latest answer
	silence     time.Duration              // the longest time between two
}

func newShow(t *troupe, leader string) *show {
	return &show{
		t: t, leader: leader, asked: map[string]string{}, answered: map[string]bool{},
		begun: map[string]int{}, done: map[string]int{}, under: map[string]map[string]bool{},
		last: time.Now(),
	}
}

// watch follows what the processes say until all is answered. It kills a worker when a
// fifth is, and the server that leads when two fifths are.
func (s *show) watch(ctx context.Context) error {
	defer s.sum()
	if err := s.until(ctx, func() bool { return len(s.answered) >= 2*each/5 && s.busy() != "" }); err != nil {
		return err
	}
	worker := s.busy()
	s.t.kill(worker)
	fmt.Printf("%s is killed in the middle of %s\n", worker, strings.Join(slices.Sorted(maps.Keys(s.under[worker])), " and "))
	if err := s.until(ctx, func() bool { return len(s.answered) >= 4*each/5 }); err != nil {
		return err
	}
	s.t.kill(s.leader)
	fmt.Printf("server %s is killed: %d were asked by now, and %d answered\n", s.leader, len(s.asked), len(s.answered))
	return s.until(ctx, func() bool { return len(s.answered) == 2*each })
}

// busy is a worker that is in the middle of several jobs.
func (s *show) busy() string {
	for who, n := range s.under {
		if len(n) > 1 {
			return who
		}
	}
	return ""
}

// until listens until it is so.
func (s *show) until(ctx context.Context, so func() bool) error {
	for !so() {
		select {
		case l := <-s.t.said:
			if err := s.hear(l); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s *show) hear(l line) error {
	switch l.word {
	case "asked":
		s.asked[l.number] = l.who
	case "begun":
		s.begun[l.number]++
		if s.under[l.who] == nil {
			s.under[l.who] = map[string]bool{}
		}
		s.under[l.who][l.number] = true
	case "done":
		s.done[l.number]++
		delete(s.under[l.who], l.number)
	case "answered":
		n, err := strconv.Atoi(l.number)
		if err != nil || l.answer != strconv.Itoa(n*n) || s.asked[l.number] != l.who || s.answered[l.number] {
			return fmt.Errorf("%s asked %s, and was answered %s", l.who, l.number, l.answer)
		}
		s.answered[l.number] = true
		s.silence, s.last = max(s.silence, time.Since(s.last)), time.Now()
	case "failed":
		return fmt.Errorf("%s failed: %s", l.who, l.answer)
	}
	return nil
}

// sum says how it ended.
func (s *show) sum() {
	again := func(n map[string]int) (more int) {
		for _, times := range n {
			if times > 1 {
				more++
			}
		}
		return more
	}
	fmt.Printf("for %v nobody was answered, while the other servers chose a leader\n", s.silence.Round(100*time.Millisecond))
	fmt.Printf("%d asked, %d answered, %d begun again, %d done twice, %d lost\n",
		len(s.asked), len(s.answered), again(s.begun), again(s.done), len(s.asked)-len(s.answered))
}
