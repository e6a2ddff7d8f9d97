package natsqueue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A leader is the server that answers, which has what was stored up to a number. It
// stores one more each time that it is asked how far it is.
type leader struct {
	jetstream.Stream
	store *store
	has   uint64
	rests bool // and stores nothing
}

func (l *leader) GetLastMsgForSubject(_ context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	m, ok := l.store.has[subject]
	if !ok || m.seq > l.has {
		return nil, jetstream.ErrMsgNotFound
	}
	return &jetstream.RawStreamMsg{Subject: subject, Sequence: m.seq, Data: m.data, Time: m.at}, nil
}

func (l *leader) Info(context.Context, ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	if !l.rests {
		l.has++
	}
	return &jetstream.StreamInfo{State: jetstream.StreamState{LastSeq: l.has}}, nil
}

// What the server that leads has not stored yet it has not forgotten, though a process
// that is fed by another server knows of it. What it has forgotten is.
func TestQ1_WhatALeaderHasNotYetIsNotForgotten(t *testing.T) {
	for name, tt := range map[string]struct {
		rests, forgets, knows, fails bool
	}{
		"it comes":        {knows: true},
		"it does not":     {rests: true, knows: true, fails: true},
		"it is forgotten": {forgets: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := alone(nil)
				defer q.b.die()
				s := &store{has: map[string]message{}, seq: 4}
				l := &leader{store: s, has: 1, rests: tt.rests}
				q.b.stream = l
				data, err := (&record{ID: "1"}).encode()
				if err != nil {
					t.Fatal(err)
				}
				subject := q.b.subject("q", "j", "1")
				m := s.write(subject, data)
				q.receive(m)
				if tt.forgets {
					delete(s.has, subject)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := q.correct(ctx, "", []write{{subject: subject, rev: m.seq}}); (err != nil) != tt.fails {
					t.Errorf("it failed: %v, and that is wanted: %v", err, tt.fails)
				}
				if any, _ := q.anything(); any != tt.knows {
					t.Errorf("the job can be handed out: %v, want %v", any, tt.knows)
				}
			})
		})
	}
}

// A write of a record that another is writing is no failure, and not one of another: it
// is made again when that is settled.
func TestQ3_UnderWay(t *testing.T) {
	for text, want := range map[string]error{
		`{"stream":"s","seq":7}`: nil,
		`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"}}`: errConflict,
		`{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}`:    errUnderWay,
	} {
		if _, err := answer(&nats.Msg{Data: []byte(text)}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}
