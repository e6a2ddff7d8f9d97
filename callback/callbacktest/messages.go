package callbacktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

func checkCarries(t *trial) {
	l := t.line()
	rich := map[string]string{
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"tracestate":  "vendor=a:b;c, other=1",
		"Name":        "ἀντίφωνος · 応答 · \U0001F501 · \" \\ \n\t %0A < & >",
		"empty":       "",
		"a b:c=d":     "odd name",
		"long":        strings.Repeat("8 KiB ", 8<<10/6),
	}
	whole := make([]byte, 256)
	for i := range whole {
		whole[i] = byte(i)
	}
	failure := &antiphon.Error{
		Code:       "a_code_from_the_future",
		Class:      antiphon.ClassNotAccepted,
		Reason:     "callbacktest.sold_out",
		Message:    "sold out · 売り切れ",
		Details:    map[string]string{"sku": "7", "empty": ""},
		Marks:      []string{"io.eof"},
		Permanent:  true,
		RetryAfter: 1500 * time.Millisecond,
	}
	for i, m := range []callback.Message{
		{Kind: callback.Request},
		{Kind: callback.Request, Body: whole, Header: rich, Deadline: time.Now().Add(time.Hour), Seq: 7},
		{Kind: callback.Request, Body: []byte(`{"json":"as it stands"}`), Header: map[string]string{"a": "b"}},
		{Kind: callback.Request, Deadline: time.Now().Add(200 * 24 * time.Hour), Seq: 1<<32 - 1},
		{Kind: callback.Reply},
		{Kind: callback.Reply, Body: whole, Header: rich, Deadline: time.Now().Add(time.Hour), Seq: 1000},
		{Kind: callback.Reply, Err: failure},
		{Kind: callback.Part, Seq: 1, Body: whole},
		{Kind: callback.Part, Seq: 1<<32 - 1},
		{Kind: callback.Progress, Seq: 3, Body: []byte(`{"percent":50}`)},
		{Kind: callback.Cancel},
		{Kind: callback.Credit, Seq: 64},
		{Kind: callback.Event, Body: whole, Header: rich, Deadline: time.Now().Add(time.Hour)},
		{Kind: callback.Event},
		{Kind: callback.Ping},
		{Kind: callback.Pong},
	} {
		if (m.Kind == callback.Ping || m.Kind == callback.Pong) && !l.A.Caps().PointToPoint {
			continue // they are for the connection of two
		}
		from, in := l.A, l.atB
		base := l.message(m.Kind, 0)
		if m.To, m.ReplyTo, m.ID = base.To, base.ReplyTo, base.ID; base.To == l.atA.Addr() {
			from, in = l.B, l.atA
		}
		sent := m // which shares nothing that the wire may keep
		sent.Header, sent.Body = maps.Clone(m.Header), bytes.Clone(m.Body)
		t.send(from, &sent)
		l.same(fmt.Sprintf("message %d, a %v,", i, m.Kind), &m, t.receive(in))
	}
}

// same compares what was sent with what came.
func (l *line) same(what string, want, got *callback.Message) {
	l.t.Helper()
	differs := func(field string, want, got any) {
		l.t.Helper()
		l.t.Errorf("%s was sent with %s %.60v and came with %.60v", what, field, want, got)
	}
	if got.Kind != want.Kind {
		differs("the kind", want.Kind, got.Kind)
		return
	}
	if got.ID != want.ID {
		differs("the id", want.ID, got.ID)
	}
	if got.To != want.To && !l.A.Caps().PointToPoint {
		differs("the address", want.To, got.To)
	}
	if got.ReplyTo != want.ReplyTo {
		differs("the address for answers", want.ReplyTo, got.ReplyTo)
	}
	if got.Seq != want.Seq {
		differs("the number", want.Seq, got.Seq)
	}
	if !bytes.Equal(got.Body, want.Body) {
		differs("the body", want.Body, got.Body)
	}
	if len(got.Header)+len(want.Header) > 0 && !maps.Equal(got.Header, want.Header) {
		differs("the header", want.Header, got.Header)
	}
	if off := got.Deadline.Sub(want.Deadline); got.Deadline.IsZero() != want.Deadline.IsZero() ||
		off < -2*time.Millisecond-l.t.wire.Slack || off > l.t.wire.Slack {
		differs("the deadline", want.Deadline, got.Deadline)
	}
	l.sameError(what, want.Err, got.Err)
}

func (l *line) sameError(what string, want, got *antiphon.Error) {
	l.t.Helper()
	if want == nil || got == nil {
		if want != got {
			l.t.Errorf("%s was sent with the error %v and came with %v", what, want, got)
		}
		return
	}
	if got.Code != want.Code || got.Class != want.Class || got.Reason != want.Reason || got.Message != want.Message ||
		!maps.Equal(got.Details, want.Details) || !slices.Equal(got.Marks, want.Marks) ||
		got.Permanent != want.Permanent || got.RetryAfter != want.RetryAfter {
		l.t.Errorf("%s was sent with the error %+v and came with %+v", what, *want, *got)
	}
}

// largest is the body up to which the suite tries: a wire may allow more than is
// good for a test.
const largest = 64 << 20

func checkMaxBody(t *trial) {
	l := t.line()
	limit := l.A.Caps().MaxBody
	sizes := []int{0, 1, 200, 64 << 10, 1 << 20}
	if limit > 0 && limit <= largest {
		sizes = append(slices.DeleteFunc(sizes, func(n int) bool { return n > limit }), limit-1, limit)
	}
	for _, n := range sizes {
		body := bytes.Repeat([]byte{0xA5}, n)
		m := l.message(callback.Request, 0)
		m.Body = bytes.Clone(body)
		sent := make(chan error, 1)
		go func() {
			err, _ := t.sendFor(l.A, m, t.wire.Patience)
			sent <- err
		}()
		if got := t.receive(l.atB); !bytes.Equal(got.Body, body) {
			t.Errorf("a body of %d bytes was sent, one of %d came", n, len(got.Body))
		}
		if err := <-sent; err != nil {
			t.Errorf("a body of %d bytes was not accepted: %v", n, err)
		}
	}
	if limit == 0 || limit > largest {
		return
	}
	l.refused("a body larger than Caps.MaxBody", antiphon.CodeResourceExhausted, func(m *callback.Message) {
		m.Body = make([]byte, limit+1)
	})
	l.works(1)
}

func checkLimits(t *trial) {
	l := t.line()
	many := func(m *callback.Message) {
		m.Header = map[string]string{}
		for i := range callback.MaxHeaders + 1 {
			m.Header[fmt.Sprint(i)] = ""
		}
	}
	large := func(m *callback.Message) {
		m.Header = map[string]string{"large": strings.Repeat("x", callback.MaxHeaderSize)}
	}
	l.refused("a header of more than MaxHeaders entries", antiphon.CodeInvalidArgument, many)
	l.refused("a header of more than MaxHeaderSize bytes", antiphon.CodeInvalidArgument, large)
	l.refused("an address of more than MaxAddress bytes", antiphon.CodeInvalidArgument, func(m *callback.Message) {
		m.To = strings.Repeat("x", callback.MaxAddress+1)
	})
	l.works(1)
}

// refused finds out that what spoil makes of a message is not sent.
func (l *line) refused(what string, code antiphon.Code, spoil func(*callback.Message)) {
	t := l.t
	t.Helper()
	bad := func() *callback.Message {
		m := l.message(callback.Request, -1)
		spoil(m)
		return m
	}
	err, _ := t.sendFor(l.A, bad(), t.wire.Patience)
	l.mustRefuse("Send", what, code, err)
	if try, ok := l.A.(callback.TrySender); ok {
		if took, err := try.TrySend(bad()); took { // else it leaves that to Send
			l.mustRefuse("TrySend", what, code, err)
		}
	}
	t.silent(l.atB, what+" was refused")
}

func (l *line) mustRefuse(call, what string, code antiphon.Code, err error) {
	l.t.Helper()
	switch {
	case err == nil:
		l.t.Errorf("%s accepted %s", call, what)
	case antiphon.CodeOf(err) != code:
		l.t.Errorf("%s refused %s with %q of code %s, want code %s", call, what, err, antiphon.CodeOf(err), code)
	}
}

func checkOrder(t *trial) {
	l := t.line()
	const n = 500
	for _, way := range []struct {
		kind callback.Kind
		from callback.Transport
		to   callback.Inbox
	}{
		{callback.Request, l.A, l.atB},
		{callback.Event, l.A, l.atB},
		{callback.Part, l.B, l.atA},
	} {
		sent := make(chan error, 1)
		go func() {
			for i := range n {
				if err, _ := t.sendFor(way.from, l.message(way.kind, i), t.wire.Patience); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for i := range n {
			if got := t.number(t.receive(way.to)); got != i {
				t.Fatalf("%v %d came when %d was next", way.kind, got, i)
			}
		}
		if err := <-sent; err != nil {
			t.Errorf("Send failed: %v", err)
		}
	}
}

func checkEachOnce(t *trial) {
	l := t.line()
	const senders, each = 8, 100
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for i := range each {
				kind := []callback.Kind{callback.Request, callback.Event, callback.Cancel}[i%3]
				if err, _ := t.sendFor(l.A, l.message(kind, s*each+i), t.wire.Patience); err != nil {
					t.Errorf("Send failed: %v", err)
				}
			}
		})
	}
	came := map[int]int{}
	for range senders * each {
		came[t.number(t.receive(l.atB))]++
	}
	all.Wait()
	t.once(senders*each, came)
	t.silent(l.atB, "everything has come")
}

func checkOwnership(t *trial) {
	l := t.line()
	const n = 64
	body := func(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 50+i) }
	sent := make(chan error, 1)
	go func() { // together, so that what shares a buffer on the way does
		var all error
		for i := range n {
			m := l.message(callback.Request, i)
			m.Header, m.Body = map[string]string{"n": fmt.Sprint(i)}, body(i)
			err, _ := t.sendFor(l.A, m, t.wire.Patience)
			all = errors.Join(all, err)
		}
		sent <- all
	}()
	var kept []*callback.Message
	for i := range n {
		m := t.receive(l.atB)
		if m.Header["n"] != fmt.Sprint(i) && !t.wire.NoOrder {
			t.Fatalf("message %s came when %d was next", m.Header["n"], i)
		}
		kept = append(kept, m)
		for k := range m.Body { // it is ours
			m.Body[k] ^= 0xFF
		}
		_ = append(m.Body, "and what we append to it is ours as well"...)
		m.Header["mine"] = "yes"
	}
	if err := <-sent; err != nil {
		t.Fatalf("Send failed: %v", err)
	}
	l.works(n) // whatever is used again is used again now
	for _, m := range kept {
		var i int
		_, _ = fmt.Sscan(m.Header["n"], &i)
		want := body(i)
		for k := range want {
			want[k] ^= 0xFF
		}
		if !bytes.Equal(m.Body, want) || len(m.Header) != 2 {
			t.Errorf("message %d changed after it had been received", i)
		}
	}
}

func checkReceiveLosesNothing(t *trial) {
	l := t.line()
	const n = 300
	for i := range n {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		sent := make(chan error, 1)
		go func() {
			err, _ := t.sendFor(l.A, l.message(callback.Request, i), t.wire.Patience)
			sent <- err
		}()
		m, err := t.take(ctx, l.atB)
		if err != nil {
			if !ended(ctx, err) {
				t.Fatalf("Receive failed: %v", err)
			}
			m = t.receive(l.atB)
		}
		if got := t.number(m); got != i {
			t.Fatalf("message %d came when %d was next", got, i)
		}
		if err := <-sent; err != nil {
			t.Fatalf("Send failed: %v", err)
		}
	}
}
