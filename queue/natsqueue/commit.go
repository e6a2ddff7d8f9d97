package natsqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/antiphon-go/antiphon"
)

// A write is a message that is stored if its subject is still of a revision.
type write struct {
	subject string
	rev     uint64 // 0 is that there is none
	data    []byte
	lives   time.Duration // 0 is for good
	seq     uint64        // that was given to it
}

// gateTTL is how long a gate is there: longer than any call takes.
const gateTTL = time.Minute

// job is the write of r, whose record is of its revision.
func (q *replica) job(r *record) (write, error) {
	data, err := r.encode()
	if err == nil && int64(len(data)) > q.b.nc.MaxPayload()-1024 {
		err = antiphon.Errorf(antiphon.CodeResourceExhausted, "natsqueue: a record of %d bytes: %w", len(data), antiphon.ErrTooLarge)
	}
	return write{subject: q.b.subject(q.name, "j", r.ID), rev: r.rev, data: data, lives: r.lives(q.b.now())}, err
}

func (w *write) message(name string) *nats.Msg {
	m := nats.NewMsg(w.subject)
	m.Data = w.data
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(w.rev, 10))
	m.Header.Set(nameHeader, name)
	if w.lives > 0 {
		m.Header.Set("Nats-TTL", strconv.FormatInt(int64((w.lives+time.Second-1)/time.Second), 10))
	}
	return m
}

// answer reads the server's.
func answer(m *nats.Msg) (uint64, error) {
	var a struct {
		Seq   uint64              `json:"seq"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return 0, fmt.Errorf("an answer that cannot be read: %w", err)
	}
	switch {
	case a.Error == nil && a.Seq > 0:
		return a.Seq, nil
	case a.Error == nil:
		return 0, errors.New("an answer without a number")
	case a.Error.ErrorCode == 10071: // wrong last sequence
		return 0, errConflict
	case a.Error.ErrorCode == 10164: // it cannot be told yet which is the last
		return 0, errUnderWay
	}
	return 0, a.Error
}

// commit makes all writes or none, and returns the number of the last.
func (b *Backend) commit(ctx context.Context, name string, all []write) (uint64, error) {
	if len(all) == 1 {
		m, err := b.nc.RequestMsgWithContext(ctx, all[0].message(name))
		if err != nil {
			return 0, err
		}
		return answer(m)
	}
	select {
	case b.batches <- struct{}{}:
		defer func() { <-b.batches }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	id := nuid.Next()
	for i := range all {
		m := all[i].message(name)
		m.Header.Set("Nats-Batch-Id", id)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		if i < len(all)-1 {
			if err := b.nc.PublishMsg(m); err != nil {
				return 0, err
			}
			continue
		}
		m.Header.Set("Nats-Batch-Commit", "1")
		m, err := b.nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			return 0, err
		}
		seq, err := answer(m)
		var api *jetstream.APIError
		if errors.As(err, &api) && api.ErrorCode == 10176 { // too many batches were under way
			err = errConflict
		}
		return seq, err
	}
	return 0, nil
}

// store makes all writes or none, and waits until the replica has them. It takes no
// context of a caller, whose end does not end a write that was begun.
func (q *replica) store(all ...write) (uint64, error) {
	b := q.b
	ctx, cancel := context.WithTimeout(b.life, b.opts.Timeout)
	defer cancel()
	name := nuid.Next()
	seq, lost, err := b.surely(ctx, name, all)
	if err == errConflict {
		seq, err = q.correct(ctx, name, all)
		switch {
		case err == nil && seq == 0:
			return 0, errConflict
		case err != nil && !lost:
			return 0, b.readError(ctx, err)
		}
	}
	switch {
	case err != nil && lost:
		return 0, b.storeError(ctx, err, antiphon.ClassUnknown)
	case err != nil:
		return 0, b.writeError(ctx, err)
	}
	if err := q.reach(ctx, seq); err != nil {
		return 0, b.writeError(ctx, err)
	}
	return seq, nil
}

// longWait is the longest pause before a server is asked for what it has not yet.
const longWait = 50 * time.Millisecond

// pause lets d pass, and reports false if ctx ended before.
func (b *Backend) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// correct learns of what the server has forgotten, which it tells nobody. If the writes
// were made, and only their answer was lost, it returns the number of the last.
func (q *replica) correct(ctx context.Context, name string, all []write) (made uint64, err error) {
	for i := range all {
		m, err := q.b.last(ctx, all[i].subject, all[i].rev)
		switch {
		case err != nil:
			return 0, err
		case m != nil && m.Header.Get(nameHeader) == name:
			made = max(made, m.Sequence)
		case m == nil:
			q.forgotten(all[i].subject, all[i].rev, 0)
		case m.Sequence != all[i].rev:
			q.forgotten(all[i].subject, all[i].rev, m.Sequence)
		}
	}
	return made, nil
}

// last returns what is stored of a subject of which rev was, or nil if that has been
// forgotten. Of three servers the one that feeds a replica can be ahead of the one that
// leads, which answers: what it has not stored yet it has not forgotten.
func (b *Backend) last(ctx context.Context, subject string, rev uint64) (*jetstream.RawStreamMsg, error) {
	has := uint64(0)
	for wait := time.Millisecond; ; wait = min(2*wait, longWait) {
		m, err := b.stream.GetLastMsgForSubject(ctx, subject)
		switch {
		case err == nil && m.Sequence >= rev:
			return m, nil
		case err != nil && !errors.Is(err, jetstream.ErrMsgNotFound):
			return nil, err
		case rev <= has:
			return nil, nil
		}
		info, err := b.stream.Info(ctx)
		if err != nil {
			return nil, err
		}
		if has = info.State.LastSeq; has < rev && !b.pause(ctx, wait) {
			return nil, ctx.Err()
		}
	}
}

// storeEach makes each of the writes, or fails to, and waits until the replica has them.
func (q *replica) storeEach(all []write) []error {
	errs := make([]error, len(all))
	if len(all) == 1 {
		all[0].seq, errs[0] = q.store(all[0])
		return errs
	}
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() { all[i].seq, errs[i] = q.store(all[i]) })
	}
	wait.Wait()
	return errs
}
