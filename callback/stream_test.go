package callback_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// collect loops over s to its end.
func collect[R any](s iter.Seq2[R, error]) (all []R, err error) {
	for r, e := range s {
		if e != nil {
			err = e
			continue
		}
		all = append(all, r)
	}
	return all, err
}

// part is a part of the stream of m.
func part(m *callback.Message, seq uint32, body string) callback.Message {
	return callback.Message{Kind: callback.Part, ID: m.ID, Seq: seq, Body: []byte(body)}
}

// loop loops on a goroutine of its own.
func loop(s iter.Seq2[int, error]) <-chan error {
	c := make(chan error, 1)
	go func() {
		n := 0
		for v, err := range s {
			if err != nil {
				c <- err
				return
			}
			if n++; v != n {
				c <- fmt.Errorf("%d came as number %d", v, n)
				return
			}
		}
		c <- nil
	}()
	return c
}

// Parts come in order, whatever the window.
func TestStreamOrder(t *testing.T) {
	for _, window := range []int{1, 2, 3, 64, 0} {
		bubble(t, func(t *testing.T) {
			a, b := pair(t, nil, nil)
			callback.ServeStream(b, "count", count, nil)
			all, err := collect(callback.DialStream[int, int](a, "count", &callback.DialOptions{Window: window})(none, 500))
			if err != nil || len(all) != 500 {
				t.Fatal(len(all), err)
			}
			for i, v := range all {
				if i != v {
					t.Fatalf("%d came as %d", v, i)
				}
			}
			if all, err := collect(callback.DialStream[int, int](a, "count", nil)(none, 0)); len(all) != 0 || err != nil {
				t.Error(all, err)
			}
		})
	}
}

// The work is never further ahead than the window, and a stream that nobody takes
// from holds no more than that.
func TestStreamCredit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		made := 0
		callback.ServeStream(b, "count", func(context.Context, int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for made = 1; yield(made, nil); made++ {
				}
			}
		}, nil)
		taken := 0
		for _, err := range callback.DialStream[int, int](a, "count", &callback.DialOptions{Window: 8, Timeout: time.Hour})(none, 0) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if taken++; made > taken+8 {
				t.Fatalf("%d made, %d taken", made, taken)
			}
			if taken == 100 {
				break
			}
		}
		synctest.Wait()
		if made > 110 {
			t.Error(made)
		}
	})
}

// Leaving the loop, in any way, ends the work: its yield returns false, and its
// context is over.
func TestStreamLeft(t *testing.T) {
	for _, how := range []string{"break", "panic", "cancel", "timeout"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a, b := pair(t, nil, nil)
				over := make(chan error, 1)
				callback.ServeStream(b, "count", func(ctx context.Context, _ int) iter.Seq2[int, error] {
					return func(yield func(int, error) bool) {
						for yield(1, nil) {
						}
						over <- ctx.Err()
					}
				}, nil)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var err error
				func() {
					defer func() { _ = recover() }()
					for _, err = range callback.DialStream[int, int](a, "count", &callback.DialOptions{Timeout: time.Second})(ctx, 1) {
						switch {
						case err != nil:
						case how == "break":
							return
						case how == "panic":
							panic(how)
						case how == "cancel":
							cancel()
							synctest.Wait()
						default:
							time.Sleep(time.Second)
							synctest.Wait()
						}
					}
				}()
				synctest.Wait()
				ended := <-over
				if how == "timeout" {
					if !errors.Is(err, context.DeadlineExceeded) || ended != context.DeadlineExceeded {
						t.Error(err, ended)
					}
				} else if ended != context.Canceled || how == "cancel" && !errors.Is(err, context.Canceled) {
					t.Error(err, ended)
				}
				if n := a.Pending(); n != 0 {
					t.Error(n, "pending")
				}
			})
		})
	}
}

// Parts that wait are dropped when the asker has given up, or has run out of time;
// they are handed out when it is the other end that is gone.
func TestStreamPartsThatWait(t *testing.T) {
	for how, want := range map[string]int{"cancel": 1, "timeout": 1, "break": 3} {
		bubble(t, func(t *testing.T) {
			p, f := alone(t, nil)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() {
				m := f.next(callback.Request)
				for seq := range uint32(3) {
					f.send(part(m, seq+1, "1"))
				}
			}()
			n := 0
			for _, err := range callback.DialStream[int, int](p, "f", nil)(ctx, 1) {
				if err != nil {
					break
				}
				n++
				synctest.Wait()
				switch how {
				case "cancel":
					cancel()
				case "timeout":
					time.Sleep(time.Minute)
				default:
					_ = f.wire.Close()
				}
				synctest.Wait()
			}
			if n != want {
				t.Errorf("%s: %d parts", how, n)
			}
		})
	}
}

// An error of the work is the end of the stream, after its parts.
func TestStreamError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.ServeStream(b, "f", func(_ context.Context, n int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				_ = yield(1, nil) && yield(2, nil)
				if n == 1 {
					panic("secret")
				}
				if yield(0, antiphon.Errorf(antiphon.CodeNotFound, "no more")) {
					t.Error("an error is not the end")
				}
			}
		}, nil)
		for n, code := range map[int]antiphon.Code{0: antiphon.CodeNotFound, 1: antiphon.CodeInternal} {
			all, err := collect(callback.DialStream[int, int](a, "f", nil)(none, n))
			if len(all) != 2 || antiphon.CodeOf(err) != code {
				t.Error(all, err)
			}
		}
	})
}

// Duplicates are dropped; a gap, a flood and an end that comes too early are errors,
// after what came before.
func TestStreamsThatBreakTheRules(t *testing.T) {
	for name, c := range map[string]struct {
		play func(f *far, m *callback.Message)
		want error
		code antiphon.Code
	}{
		"duplicate": {func(f *far, m *callback.Message) {
			f.send(part(m, 1, "1"))
			f.send(part(m, 1, "1"))
			f.send(part(m, 2, "2"))
			f.send(part(m, 1, "1"))
			f.send(callback.Message{Kind: callback.Reply, ID: m.ID, Seq: 2})
		}, nil, ""},
		"gap": {func(f *far, m *callback.Message) {
			f.send(part(m, 1, "1"))
			f.send(part(m, 3, "3"))
		}, callback.ErrGap, antiphon.CodeDataLoss},
		"the last is missing": {func(f *far, m *callback.Message) {
			f.send(part(m, 1, "1"))
			f.send(callback.Message{Kind: callback.Reply, ID: m.ID, Seq: 2})
		}, callback.ErrGap, antiphon.CodeDataLoss},
		"wrap": {func(f *far, m *callback.Message) {
			f.send(part(m, 1, "1"))
			f.send(part(m, 1<<32-1, "2"))
		}, callback.ErrGap, antiphon.CodeDataLoss},
		"too large": {func(f *far, m *callback.Message) {
			f.send(part(m, 1, strings.Repeat("1", 101)))
		}, antiphon.ErrTooLarge, antiphon.CodeResourceExhausted},
		"no value": {func(f *far, m *callback.Message) {
			f.send(part(m, 1, "x"))
		}, nil, antiphon.CodeInvalidArgument},
		"an answer after parts": {func(f *far, m *callback.Message) {
			f.send(part(m, 1, "1"))
			f.send(callback.Message{Kind: callback.Reply, ID: m.ID, Body: []byte("2")})
		}, callback.ErrGap, antiphon.CodeDataLoss},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var es events
				p, f := alone(t, &callback.PeerOptions{MaxBody: 100, Observer: es.observe})
				looped := loop(callback.DialStream[int, int](p, "f", nil)(none, 1))
				m := f.next(callback.Request)
				if m.Seq != 64 {
					t.Error("window", m.Seq)
				}
				c.play(f, m)
				err := <-looped
				if (err == nil) != (c.code == "") || !errors.Is(err, c.want) && c.want != nil || antiphon.CodeOf(err) != c.code {
					t.Error(err)
				}
				if antiphon.ClassOf(err) == antiphon.ClassNotAccepted {
					t.Error("it was:", err)
				}
				if name == "duplicate" && es.count("callback.duplicate") != 2 {
					t.Errorf("%+v", es.take())
				}
				synctest.Wait()
				if n := p.Pending(); n != 0 {
					t.Error(n, "pending")
				}
			})
		})
	}
}

// Parts for which there was no credit end the stream, and are not kept.
func TestStreamFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		next, stop := iter.Pull2(callback.DialStream[int, int](p, "f", &callback.DialOptions{Window: 4})(none, 1))
		defer stop()
		got := make(chan error, 1)
		go func() { _, err, _ := next(); got <- err }()
		m := f.next(callback.Request)
		for seq := range uint32(100) {
			f.send(part(m, seq+1, "1"))
		}
		if err := <-got; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if c := f.next(callback.Cancel); c.ID != m.ID {
			t.Errorf("%+v", c)
		}
		n := 1
		for ; ; n++ {
			_, err, ok := next()
			if !ok {
				t.Fatal("no error")
			}
			if err != nil {
				ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassUnknown)
				break
			}
		}
		if n > 6 {
			t.Error(n, "parts were kept")
		}
	})
}

// Credits that make no sense are of no use: no number of parts is allowed twice.
func TestCreditsThatMakeNoSense(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		callback.ServeStream(p, "count", count, nil)
		id := callback.ID{1, 1}
		credit := func(n uint32) int {
			f.send(callback.Message{Kind: callback.Credit, ID: id, Seq: n})
			return len(f.all())
		}
		f.send(callback.Message{Kind: callback.Request, ID: id, To: "count", Seq: 2, Deadline: time.Now().Add(time.Hour), Body: []byte("1000")})
		if n := len(f.all()); n != 2 {
			t.Error(n)
		}
		for _, c := range []struct {
			credit uint32
			parts  int
		}{{2, 0}, {0, 0}, {1, 0}, {3, 1}, {3, 0}, {10, 7}, {9, 0}, {1<<32 - 1, 991}, {1, 0}} {
			if n := credit(c.credit); n != c.parts { // and the end, of the last
				t.Errorf("credit %d: %d parts, want %d", c.credit, n, c.parts)
			}
		}
		f.send(callback.Message{Kind: callback.Credit, ID: callback.ID{9}, Seq: 2})
		f.request("count", 2, "1") // without credit
		m := f.next(callback.Reply)
		ended(t, m.Err, antiphon.CodeFailedPrecondition, antiphon.ClassNotAccepted)
	})
}

// A credit that is less than one before takes nothing back.
func TestCreditIsNotTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		callback.ServeStream(p, "slow", func(_ context.Context, n int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for i := range n {
					time.Sleep(time.Second)
					if !yield(i, nil) {
						return
					}
				}
			}
		}, nil)
		id := callback.ID{1, 1}
		f.send(callback.Message{Kind: callback.Request, ID: id, To: "slow", Seq: 1, Body: []byte("5")})
		synctest.Wait()
		f.send(callback.Message{Kind: callback.Credit, ID: id, Seq: 5})
		f.send(callback.Message{Kind: callback.Credit, ID: id, Seq: 2})
		for range 5 {
			f.next(callback.Part)
		}
		f.next(callback.Reply)
	})
}

// A stream asked as one answer, and an answer asked as a stream.
func TestStreamsAndAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.ServeStream(b, "count", count, nil)
		callback.Serve(b, "echo", echo, nil)
		_, err := await(t, callback.Dial[int, int](a, "count", nil)(none, 1))
		ended(t, err, antiphon.CodeFailedPrecondition, antiphon.ClassNotAccepted)
		if all, err := collect(callback.DialStream[int, int](a, "echo", nil)(none, 7)); fmt.Sprint(all) != "[7]" || err != nil {
			t.Error(all, err)
		}
		p, f := alone(t, nil)
		fu := callback.Dial[int, int](p, "f", nil)(none, 1)
		f.send(part(f.next(callback.Request), 1, "1"))
		_, err = await(t, fu)
		ended(t, err, antiphon.CodeFailedPrecondition, antiphon.ClassUnknown)
		f.next(callback.Cancel)
	})
}

// Idle is from part to part, Timeout for the whole.
func TestStreamIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.ServeStream(b, "f", func(_ context.Context, n int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for i := 0; yield(i, nil) && i < 100; i++ {
					time.Sleep(time.Duration(n+i) * time.Second)
				}
			}
		}, nil)
		for n, want := range map[int]time.Duration{0: time.Minute, 9: 29500 * time.Millisecond} {
			start := time.Now()
			_, err := collect(callback.DialStream[int, int](a, "f", &callback.DialOptions{Timeout: time.Minute, Idle: 10500 * time.Millisecond})(none, n))
			if d := time.Since(start); !errors.Is(err, callback.ErrExpired) || d != want {
				t.Errorf("%v after %v, want %v", err, d, want)
			}
		}
		time.Sleep(time.Minute) // the work does not look at its context
	})
}
