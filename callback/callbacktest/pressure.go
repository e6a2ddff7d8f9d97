package callbacktest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// most is how many bytes a transport may hold for somebody who takes nothing, with
// what the network holds beneath it.
const most = 64 << 20

// chunk is a body that fills buffers soon.
const chunk = 32 << 10

// stall sees to it that nothing is taken from the wire any more.
func (e *Ends) stall() {
	if e.Stall != nil {
		e.Stall()
	}
}

func (e *Ends) flow() {
	if e.Flow != nil {
		e.Flow()
	}
}

// heavy makes a message whose body is large and says its number.
func (l *line) heavy(kind callback.Kind, n int) *callback.Message {
	m := l.message(kind, n)
	m.Body = bytes.Repeat(binary.BigEndian.AppendUint32(nil, uint32(n)), chunkOf(l.A)/4)
	return m
}

// chunkOf is chunk, or what tr can carry.
func chunkOf(tr callback.Transport) int {
	if limit := tr.Caps().MaxBody; limit > 0 && limit < chunk {
		return max(limit&^3, 4)
	}
	return chunk
}

// weighed returns n of a heavy message, which has to be whole.
func (l *line) weighed(m *callback.Message) int {
	l.t.Helper()
	if len(m.Body) < 4 || !bytes.Equal(m.Body[4:], m.Body[:len(m.Body)-4]) || len(m.Body) != chunkOf(l.A) {
		l.t.Fatalf("a message came mangled: %v of %d bytes", m.Kind, len(m.Body))
	}
	return int(binary.BigEndian.Uint32(m.Body))
}

// fill sends messages of a kind to B until no more are accepted, and returns how
// many were, and which one was refused in which way.
func (l *line) fill(kind callback.Kind, from int) (accepted int, refusal error) {
	l.t.Helper()
	late := 0
	for n := from; ; n++ {
		err, stuck := l.t.sendFor(l.A, l.heavy(kind, n), l.t.While())
		switch {
		case stuck && err == nil: // at the last moment, which may be the scheduler's fault
			if late++; late == 10 {
				return n + 1 - from, nil
			}
		case stuck:
			return n - from, err
		case err != nil:
			l.t.Fatalf("Send failed: %v", err)
		case (n-from)*chunkOf(l.A) > most:
			l.t.Fatalf("the wire holds %d MiB of what nobody takes, and accepts more", most>>20)
		default:
			late = 0
		}
	}
}

var errCalledOff = errors.New("callbacktest: called off")

func checkSendEnds(t *trial) {
	l := t.line()
	l.stall()
	n, refusal := l.fill(callback.Request, 0)
	refused := map[int]error{}
	if refusal != nil {
		refused[n] = refusal
		n++
	}
	for range 5 {
		ctx, cancel := context.WithCancelCause(t.Context())
		returned := make(chan error, 1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			returned <- l.A.Send(ctx, l.heavy(callback.Request, n))
		}()
		t.Pause(t.While() / 10)
		cancel(errCalledOff)
		t.Within("Send was stuck, its context ended, and it did not return", done)
		if err := <-returned; err != nil { // or there was room after all
			refused[n] = err
			if !errors.Is(err, errCalledOff) {
				t.Errorf("the context of Send ended, and it failed with %q, which is not what ended it", err)
			}
			if code := antiphon.CodeOf(err); code != antiphon.CodeCanceled {
				t.Errorf("the context of Send was cancelled, and it failed with %q of code %s", err, code)
			}
		}
		n++
	}
	l.flow()
	came := map[int]int{}
	last := -1
	for _, m := range t.drain(l.atB) {
		i := l.weighed(m)
		came[i]++
		if i < last && !t.wire.NoOrder {
			t.Errorf("message %d came after message %d", i, last)
		}
		last = i
		if err := refused[i]; antiphon.ClassOf(err) == antiphon.ClassNotAccepted {
			t.Errorf("Send said of message %d that it was not accepted (%v), and it came", i, err)
		}
	}
	for i := range refused {
		came[i] = 1 // it may have come, or not
	}
	t.once(n, came)
	l.works(7)
}

func checkLanes(t *trial) {
	for _, kind := range []callback.Kind{callback.Reply, callback.Part, callback.Progress, callback.Cancel, callback.Credit} {
		l := t.line()
		inbox, at := l.atB, l.atB.Addr()
		if !l.B.Caps().PointToPoint { // answers have an inbox of their own
			inbox = t.listen(l.B, "")
			at = inbox.Addr()
		}
		m := l.message(kind, 0)
		if m.To != l.name {
			m.To = at
		} else {
			inbox = l.atB
		}
		l.lanes(m, inbox)
		t.close("Close", l.A)
	}
}

// lanes floods the wire with events and requests, and has m overtake them.
func (l *line) lanes(m *callback.Message, at callback.Inbox) {
	t := l.t
	t.Helper()
	l.stall()
	l.fill(callback.Event, 0)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	defer func() { cancel(); t.Watch("Send did not return when its context ended", done) }()
	go func() { // somebody waits, as somebody always does
		defer close(done)
		_ = l.A.Send(ctx, l.heavy(callback.Event, -1))
	}()
	t.Pause(t.While() / 10)
	if err, _ := t.sendFor(l.A, l.message(callback.Request, 1), t.wire.Patience); err != nil {
		t.Fatalf("requests wait behind events: %v", err)
	}
	l.fill(callback.Request, 2)
	kind := m.Kind
	if err, _ := t.sendFor(l.A, m, t.wire.Patience); err != nil {
		t.Fatalf("a %v waits behind requests and events: %v", kind, err)
	}
	l.flow()
	for {
		if got := t.receive(at); got.Kind == kind {
			return
		}
	}
}

func checkTrySend(t *trial) {
	l := t.line()
	try := l.A.(callback.TrySender)
	l.stall()
	n := 0
	var m *callback.Message
	for ; ; n++ {
		m = l.heavy(callback.Request, n)
		before := *m
		returned := make(chan struct{})
		var took bool
		var err error
		go func() {
			defer close(returned)
			took, err = try.TrySend(m)
		}()
		t.Within("TrySend waited, and did not return", returned)
		switch {
		case took && err != nil:
			t.Fatalf("TrySend failed: %v", err)
		case took && n*chunkOf(l.A) > most:
			t.Fatalf("the wire holds %d MiB of what nobody takes, and accepts more", most>>20)
		case took:
			continue
		case err != nil:
			t.Errorf("TrySend did not take the message, and yet failed: %v", err)
		}
		after := *m
		if after.ID != before.ID || after.To != before.To || after.ReplyTo != before.ReplyTo || !bytes.Equal(after.Body, before.Body) {
			t.Errorf("TrySend did not take the message, and changed it")
		}
		break
	}
	sent := make(chan error, 1)
	go func() {
		err, _ := t.sendFor(l.A, m, t.wire.Patience)
		sent <- err
	}()
	l.flow()
	came := map[int]int{}
	for _, m := range t.drain(l.atB) {
		came[l.weighed(m)]++
	}
	if err := <-sent; err != nil {
		t.Fatalf("Send failed: %v", err)
	}
	t.once(n+1, came)
}

func checkExpiry(t *trial) {
	l := t.line()
	short := 50 * time.Millisecond
	if !t.wire.Bubble {
		short = t.While()
	}
	for i := range 3 {
		m := l.message(callback.Request, i)
		m.Deadline = time.Now().Add(short)
		t.send(l.A, m)
	}
	t.Pause(short + t.wire.Slack + time.Millisecond)
	m := l.message(callback.Request, 3)
	m.Deadline = time.Now().Add(time.Hour)
	t.send(l.A, m)
	if got := t.number(t.receive(l.atB)); got != 3 {
		t.Errorf("message %d was handed out after its deadline", got)
	}
}

func checkGarbage(t *trial) {
	l := t.line()
	l.works(0)
	valid, err := callback.AppendMessage(nil, &callback.Message{Kind: callback.Reply, ID: newID(), Body: []byte("x")}, time.Now())
	if err != nil {
		t.Fatalf("AppendMessage failed: %v", err)
	}
	flood := []byte(strings.Repeat("\xff", 200))
	for i, b := range [][]byte{nil, {0}, {0xFF}, []byte("GET / HTTP/1.1\r\n\r\n"), []byte("{}"), []byte("{"), valid[:1], valid[:len(valid)/2], flood} {
		l.Garbage(b)
		t.recovers(l, i)
	}
}

// recovers takes what garbage has led to, and finds out that the wire works again.
func (t *trial) recovers(l *line, n int) {
	t.Helper()
	for broke := false; ; {
		ctx, cancel := context.WithTimeout(t.Context(), t.While())
		_, err := t.take(ctx, l.atA)
		over := ended(ctx, err)
		cancel()
		switch {
		case over:
			l.works(n)
			return
		case err == nil, errors.Is(err, callback.ErrMalformed):
		case errors.Is(err, callback.ErrDisconnected) && !broke && l.Heal != nil:
			broke = true // lengths that make no sense end a connection
			if l.Again != nil {
				l.B = l.Again()
				l.atB = t.serving(l.B, l.name)
			}
		default:
			t.Fatalf("garbage %d made Receive fail: %v", n, err)
		}
	}
}
