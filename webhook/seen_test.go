package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/webhook"
)

// The contract of Seen is checked by package webhooktest. Here is what is special about
// the one in memory.

func TestMemorySeenIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		s := webhook.NewMemorySeen(&webhook.MemorySeenOptions{Max: 3})
		claim := func(key string, want webhook.SeenState) {
			t.Helper()
			if got, err := s.Claim(ctx, key, "me", time.Minute); got != want || err != nil {
				t.Errorf("Claim(%s) is %v %v", key, got, err)
			}
		}
		for _, key := range []string{"a", "b", "c"} {
			claim(key, webhook.SeenNew)
		}
		if _, err := s.Claim(ctx, "d", "me", time.Minute); antiphon.CodeOf(err) != antiphon.CodeResourceExhausted {
			t.Errorf("a fourth claim: %v", err)
		}
		if err := s.Done(ctx, "d"); antiphon.CodeOf(err) != antiphon.CodeResourceExhausted {
			t.Errorf("a fourth that is done: %v", err)
		}
		_ = s.Done(ctx, "b")
		_ = s.Done(ctx, "a")
		claim("d", webhook.SeenNew)  // in the place of b, which was done first
		claim("a", webhook.SeenDone) // and not of a
		if _ = s.Done(ctx, "c"); s.Len() != 3 {
			t.Errorf("%d are remembered", s.Len())
		}
		claim("b", webhook.SeenNew) // of a
		claim("e", webhook.SeenNew) // of c
		time.Sleep(time.Minute)     // all leases are over
		if s.Len() != 0 {
			t.Errorf("%d are remembered", s.Len())
		}
	})
}

// A claim that is over makes room, whatever longer ones were made before it.
func TestMemorySeenOfSeveralLeases(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := context.Background()
		s := webhook.NewMemorySeen(&webhook.MemorySeenOptions{Max: 4})
		for i, lease := range []time.Duration{3, 1, 4, 2} {
			if got, err := s.Claim(ctx, fmt.Sprint(i), "me", lease*time.Minute); got != webhook.SeenNew || err != nil {
				t.Fatal(got, err)
			}
		}
		for left := 3; left >= 0; left-- {
			time.Sleep(time.Minute)
			if s.Len() != left {
				t.Errorf("%d are remembered, not %d", s.Len(), left)
			}
		}
	})
}

func TestX5_MemorySeenZeroValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s webhook.MemorySeen
		if st, err := s.Claim(noContext, "a", "me", time.Minute); st != webhook.SeenNew || err != nil {
			t.Error(st, err)
		}
		_ = s.Done(noContext, "a")
		time.Sleep(72*time.Hour - 1)
		if st, _ := s.Claim(noContext, "a", "me", time.Minute); st != webhook.SeenDone {
			t.Error(st)
		}
		time.Sleep(time.Nanosecond)
		if st, _ := s.Claim(noContext, "a", "me", time.Minute); st != webhook.SeenNew {
			t.Error(st)
		}
		if s := webhook.NewMemorySeen(&webhook.MemorySeenOptions{Max: -1, Window: -1}); s.Len() != 0 {
			t.Error("not empty")
		}
	})
}

func TestX6_MemorySeenMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const most = 20_000
	before := heap()
	s := webhook.NewMemorySeen(&webhook.MemorySeenOptions{Max: most})
	for i := range 3 * most {
		key := webhook.Message{ID: fmt.Sprint(i), IDSigned: true}.Key()
		if _, err := s.Claim(noContext, key, "me", time.Minute); err != nil {
			t.Fatal(err)
		}
		_ = s.Done(noContext, key)
	}
	each := (heap() - before) / most
	t.Logf("%d bytes each", each)
	if s.Len() != most || each > 350 {
		t.Errorf("%d messages, %d bytes each", s.Len(), each)
	}
	runtime.KeepAlive(s)
}

func TestMessageKey(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	m := webhook.Message{ID: "a", Endpoint: "e", Body: []byte("x"), IDSigned: true}
	same := func(a, b webhook.Message) bool { return a.Key() == b.Key() }
	other := m
	other.Body, other.Time, other.Type, other.KeyID = []byte("y"), at, "t", "k"
	if !same(m, other) || len(m.Key()) != 43 {
		t.Errorf("the same signed id is another message: %s %s", m.Key(), other.Key())
	}
	loose := m
	loose.IDSigned = false
	swapped := loose
	swapped.ID = "b"
	if !same(loose, swapped) || same(m, loose) {
		t.Error("an id that is not signed makes another message")
	}
	loose.Time, swapped.Time = at, at
	if same(loose, swapped) {
		t.Error("of messages with a time, the id counts")
	}
	// Nothing runs into anything else.
	if a, b := (webhook.Message{Endpoint: "e\x00x", ID: "2", IDSigned: true}), (webhook.Message{Endpoint: "e", ID: "x\x002", IDSigned: true}); same(a, b) {
		t.Error("endpoint and id run into each other")
	}
	if same(webhook.Message{IDSigned: true, Body: []byte("x")}, webhook.Message{IDSigned: true, Body: []byte("y")}) {
		t.Error("an empty id is an id")
	}
}

// What reads like a sentinel is one after a wire, too.
func TestSentinelsCrossWires(t *testing.T) {
	for _, err := range []error{webhook.ErrUnhandled, webhook.ErrOverrun, webhook.ErrClosed} {
		text, _ := antiphon.FromError(fmt.Errorf("so: %w", err)).MarshalJSON()
		var e antiphon.Error
		if json := e.UnmarshalJSON(text); json != nil || !errors.Is(&e, err) {
			t.Errorf("%v is lost", err)
		}
	}
	if webhook.Gone(nil) != nil || webhook.Discard(nil) != nil {
		t.Error("a verdict on nothing")
	}
	sad := errors.New("sad")
	if g := webhook.Gone(sad); g.Error() != "sad" || !errors.Is(g, sad) {
		t.Error("a verdict hides its error")
	}
}
