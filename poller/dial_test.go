package poller_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

func TestDialSends(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Cut: true}, {Status: 503}, {Header: hinted("1")}}}, func(s *stage) {
		ask := poller.Dial[report, report](s.net.URL+"/reports", &s.opts)
		ctx := antiphon.WithInfo(s.ctx, antiphon.Info{Header: map[string]string{"traceparent": "00-1", "tracestate": "a=b", "x-other": "no"}})
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		for i := range 2 {
			if v, err := ask(ctx, report{i}).Await(s.ctx); err != nil || v != (report{1}) {
				t.Fatal(v, err)
			}
		}
		keys, last := make(map[string]int), int64(math.MaxInt64)
		for i, q := range s.script.Requests("start") {
			h := q.Header
			key := h.Get("Idempotency-Key")
			if keys[key]++; len(key) != 24 || key[0] != '"' || key[23] != '"' {
				t.Errorf("key %s", key)
			}
			var ms int64
			if _, err := fmt.Sscan(h.Get("Antiphon-Timeout-Ms"), &ms); err != nil || ms > 60_000 || ms > last || ms <= 0 || i > 0 && ms > 59_000 {
				t.Errorf("timeout %q after %d", h.Get("Antiphon-Timeout-Ms"), last)
			}
			last = ms
			if h.Get("Traceparent") != "00-1" || h.Get("Tracestate") != "a=b" || h.Get("X-Other") != "" || h.Get("Content-Type") != "application/json" {
				t.Errorf("%v", h)
			}
			if want := fmt.Sprintf(`{"pages":%d}`, i/3); string(q.Body) != want {
				t.Errorf("body %s, want %s", q.Body, want)
			}
		}
		if len(keys) != 2 {
			t.Errorf("%v", keys)
		}
	})
}

func TestX5_DialWithNothing(t *testing.T) {
	s := poller.ServeFunc(func(_ context.Context, q int) (int, error) { return q + 1, nil }, nil)
	h := httptest.NewServer(s)
	defer h.Close()
	defer stop(t, s)
	if v, err := poller.Dial[int, int](h.URL, nil)(none, 1).Await(none); err != nil || v != 2 {
		t.Error(v, err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestDialRefuses(t *testing.T) {
	for _, url := range []string{"", "reports", "http://%zz", "ftp://server.example/", "http://me:secret@server.example/"} {
		_, err := poller.Dial[int, int](url, nil)(t.Context(), 1).Await(t.Context())
		if antiphon.ClassOf(err) != antiphon.ClassNotAccepted || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	_, err := poller.Dial[func(), int]("http://server.example/", nil)(t.Context(), nil).Await(t.Context())
	if antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
		t.Error(err)
	}
	_, err = poller.Dial[int, int]("http://server.example/", &poller.HTTPOptions{Final: "x"})(t.Context(), 1).Await(t.Context())
	if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Error(err)
	}
}

// A farEnd is a function that is served on a network in memory.
type farEnd struct {
	*testing.T
	net    *pollertest.Network
	server *poller.Server
	polls  *poller.Scheduler
	opts   poller.HTTPOptions
	calls  atomic.Int64
}

// serve runs a test against f, in a bubble.
func withServer(t *testing.T, f future.Func[int, int], o *poller.ServerOptions, test func(*farEnd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &farEnd{T: t, polls: &poller.Scheduler{}}
		s.server = poller.ServeFunc(func(ctx context.Context, q int) (int, error) {
			s.calls.Add(1)
			return f(ctx, q)
		}, o)
		s.net = pollertest.Serve(s.server)
		s.opts = poller.HTTPOptions{Client: s.net.Client(), Scheduler: s.polls, Poll: &poller.Options{PerPoll: 3 * time.Second}}
		defer func() {
			stop(t, s.server)
			s.polls.Close()
			_ = s.net.Close()
		}()
		test(s)
	})
}

// X8: wherever the connection breaks, or goes silent, the asker gets its answer, and the
// work is done once.
func TestX8_ConnectionsBreakAtEveryPoint(t *testing.T) {
	work := func(_ context.Context, q int) (int, error) {
		time.Sleep(2 * time.Second)
		return q * q, nil
	}
	step := int64(13)
	if testing.Short() {
		step = 97
	}
	for name, inline := range map[string]time.Duration{"inline": 5 * time.Second, "later": -1} {
		for where, end := range map[pollertest.Where]int64{pollertest.Dialing: 1, pollertest.Requests: 700, pollertest.Responses: 1600} {
			for _, stall := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d %t", name, where, stall), func(t *testing.T) {
					for after := int64(0); after < end; after += step {
						withServer(t, work, &poller.ServerOptions{Inline: inline}, func(s *farEnd) {
							s.opts.Poll.PerPoll = 10 * time.Second
							s.net.Fail(func(i int) pollertest.Fault {
								if i > 1 {
									return pollertest.Fault{}
								}
								return pollertest.Fault{Where: where, After: after, Stall: stall}
							})
							v, err := poller.Dial[int, int](s.net.URL, &s.opts)(s.Context(), 7).Await(s.Context())
							if err != nil || v != 49 {
								t.Fatalf("after %d: %d, %v", after, v, err)
							}
							if n := s.calls.Load(); n != 1 {
								t.Fatalf("after %d: %d calls", after, n)
							}
						})
					}
				})
			}
		}
	}
}

// The same, and the asker leaves in the middle: work that was begun is cancelled, and what
// is said not to be accepted was not done.
func TestX8_TheAskerLeavesAtEveryPoint(t *testing.T) {
	for _, where := range []pollertest.Where{pollertest.Nowhere, pollertest.Dialing, pollertest.Requests, pollertest.Responses} {
		for _, stall := range []bool{false, true} {
			for after := int64(0); after < 1000; after += 61 {
				var ended atomic.Int64
				work := func(ctx context.Context, q int) (int, error) {
					<-ctx.Done()
					ended.Add(1)
					return 0, ctx.Err()
				}
				withServer(t, work, nil, func(s *farEnd) {
					s.net.Fail(func(i int) pollertest.Fault {
						if i > 0 {
							return pollertest.Fault{}
						}
						return pollertest.Fault{Where: where, After: after, Stall: stall}
					})
					ctx, cancel := context.WithCancel(s.Context())
					f := poller.Dial[int, int](s.net.URL, &s.opts)(ctx, 7)
					time.Sleep(time.Duration(after)*4*time.Millisecond + 1) // not at the very moment at which it is cut
					left := time.Now()
					cancel()
					_, err := f.Await(s.Context())
					if time.Since(left) != 0 || !errors.Is(err, context.Canceled) {
						t.Errorf("%v after %v", err, time.Since(left))
					}
					time.Sleep(11 * time.Second) // lastWords
					switch calls := s.calls.Load(); {
					case calls > 1, calls != ended.Load():
						t.Errorf("%v %t after %d: %d calls, %d ended (%v)", where, stall, after, calls, ended.Load(), err)
					case calls > 0 && antiphon.ClassOf(err) == antiphon.ClassNotAccepted:
						t.Errorf("%v %t after %d: it was done, in spite of %v", where, stall, after, err)
					}
				})
			}
		}
	}
}

// Who leaves between two attempts to start learns that it was for that, and what went wrong
// before.
func TestTheAskerLeavesBetweenAttempts(t *testing.T) {
	play(t, &pollertest.Script{}, func(s *stage) {
		refused := errors.New("refused")
		sure := true
		s.opts.Client = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			if sure {
				return nil, &net.OpError{Op: "dial", Err: refused}
			}
			return nil, refused
		})}
		for _, sure = range []bool{true, false} {
			ctx, cancel := context.WithCancel(s.ctx)
			time.AfterFunc(500*time.Millisecond, cancel)
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.net.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = poller.Begin[report](req, &s.opts)
			want := antiphon.ClassUnknown
			if sure {
				want = antiphon.ClassNotAccepted
			}
			if !errors.Is(err, context.Canceled) || !errors.Is(err, refused) || antiphon.ClassOf(err) != want || antiphon.CodeOf(err) != antiphon.CodeCanceled {
				t.Errorf("%v, class %s, want %s", err, antiphon.ClassOf(err), want)
			}
		}
	})
}

func TestNothingIsSentForOneWhoHasLeft(t *testing.T) {
	play(t, &pollertest.Script{}, func(s *stage) {
		dialing := make(chan struct{})
		s.opts.Client = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			close(dialing)
			time.Sleep(time.Second) // whatever its context says
			return s.net.Client().Transport.RoundTrip(r.WithContext(s.ctx))
		})}
		ctx, cancel := context.WithCancelCause(s.ctx)
		f := poller.Dial[report, report](s.net.URL, &s.opts)(ctx, report{})
		<-dialing
		why := errors.New("left")
		cancel(why)
		_, err := f.Await(s.ctx)
		if antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, class %s", err, antiphon.ClassOf(err))
		}
		time.Sleep(time.Minute)
		for _, q := range s.script.Requests("start") {
			if len(q.Body) > 0 {
				t.Errorf("%s was sent", q.Body)
			}
		}
	})
}

// A start that was put off is not made for one who has left: it would begin what is to be
// cancelled at once.
func TestNothingIsBegunForOneWhoHasLeft(t *testing.T) {
	play(t, &pollertest.Script{Start: []pollertest.Step{{Status: 503, Header: hinted("20")}, {}}}, func(s *stage) {
		ctx, cancel := context.WithCancel(s.ctx)
		f := poller.Dial[report, report](s.net.URL, &s.opts)(ctx, report{})
		time.Sleep(5 * time.Second)
		cancel()
		if _, err := f.Await(s.ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		s.asked("start", 1)
	})
}

func TestACancelThatCannotBeSent(t *testing.T) {
	for _, step := range []pollertest.Step{{Status: 403}, {Cut: true}} {
		play(t, &pollertest.Script{Monitor: []pollertest.Step{goesOn}, Cancel: []pollertest.Step{step}}, func(s *stage) {
			ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
			defer cancel()
			_, err := poller.Dial[report, report](s.net.URL, &s.opts)(ctx, report{}).Await(s.ctx)
			if e := s.gaveUp(err); !errors.Is(e, context.DeadlineExceeded) {
				t.Error(e)
			}
			time.Sleep(11 * time.Second)
			if s.told("poller.unsent") != 1 {
				t.Errorf("told %d times", s.told("poller.unsent"))
			}
			want := 1
			if step.Cut {
				want = 3
			}
			s.asked("cancel", want)
		})
	}
}

func TestX7_PanicsOfTheUser(t *testing.T) {
	for name, fall := range map[string]func(){"panic": func() { panic("a mistake") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			want := map[string]error{"panic": future.ErrPanic, "Goexit": future.ErrGoexit}[name]
			play(t, &pollertest.Script{Value: report{1}}, func(s *stage) { // in the start
				s.opts.Authorize = func(*http.Request, bool) error { fall(); return nil }
				if _, err := poller.Dial[report, report](s.net.URL, &s.opts)(s.ctx, report{}).Await(s.ctx); !errors.Is(err, want) {
					t.Error(err)
				}
			})
			play(t, &pollertest.Script{Value: report{1}}, func(s *stage) { // in a poll
				n := 0
				s.opts.Authorize = func(*http.Request, bool) error {
					if n++; n == 2 {
						fall()
					}
					return nil
				}
				if _, err := poller.Dial[report, report](s.net.URL, &s.opts)(s.ctx, report{}).Await(s.ctx); !errors.Is(err, want) {
					t.Error(err)
				}
			})
		})
	}
}

func TestTooMuchForTheScheduler(t *testing.T) {
	play(t, &pollertest.Script{Monitor: []pollertest.Step{goesOn}}, func(s *stage) {
		s.opts.Scheduler = &poller.Scheduler{}
		s.opts.Scheduler.Close()
		e := s.gaveUp(s.fails())
		if !errors.Is(e, poller.ErrClosed) {
			t.Error(e)
		}
	})
}

func TestProgressOverTheWire(t *testing.T) {
	var ran atomic.Int64
	withServer(t, func(ctx context.Context, q int) (int, error) {
		for i := 1; i < q; i++ {
			antiphon.Report(ctx, float64(i), "on it", i)
			time.Sleep(2 * time.Second)
		}
		ran.Add(1)
		return q, nil
	}, nil, func(s *farEnd) {
		var heard []int
		ctx := antiphon.WithProgress(s.Context(), func(p antiphon.Progress) {
			i, err := antiphon.DataAs[int](p, nil)
			if err != nil || p.Percent != float64(i) || p.Message != "on it" {
				t.Errorf("%+v: %v", p, err)
			}
			heard = append(heard, i)
		})
		if v, err := poller.Dial[int, int](s.net.URL, &s.opts)(ctx, 10).Await(s.Context()); v != 10 || err != nil {
			t.Fatal(v, err)
		}
		if got := fmt.Sprint(heard); got != "[1 2 3 4 5 6 7 8 9]" {
			t.Error(got)
		}
	})
}

// Our two ends: what Begin, Updates and Cancel make of our own server.
func TestRemoteOfServer(t *testing.T) {
	withServer(t, func(ctx context.Context, q int) (int, error) {
		for i := range q {
			antiphon.Report(ctx, float64(i), "", nil)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		return q, nil
	}, nil, func(s *farEnd) {
		begin := func(q string) *poller.Remote[int] {
			req, err := http.NewRequestWithContext(s.Context(), "POST", s.net.URL, strings.NewReader(q))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			r, err := poller.Begin[int](req, &s.opts)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := begin("5")
		n, last := 0, antiphon.Operation{}
		for op, err := range r.Updates(s.Context()) {
			if n++; err != nil || op.Version <= last.Version || op.ID != r.ID() {
				t.Errorf("%+v after %+v, %v", op, last, err)
			}
			last = op
		}
		if n < 5 || last.State != antiphon.StateSucceeded {
			t.Errorf("%d updates, the last %+v", n, last)
		}
		if v, err := r.Future().Await(s.Context()); v != 5 || err != nil {
			t.Error(v, err)
		}
		if err := r.Delete(s.Context()); err != nil {
			t.Error(err)
		}
		again, err := poller.Resume[int](s.Context(), r.Token(), &s.opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.Future().Await(s.Context()); !errors.Is(err, poller.ErrGone) {
			t.Error(err)
		}
		r = begin("500")
		if err := r.Cancel(s.Context()); err != nil {
			t.Error(err)
		}
		if _, err := r.Future().Await(s.Context()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Our server's other face, of AIP-151, is followed too.
func TestRemoteOfAIP(t *testing.T) {
	sold := &antiphon.Error{Code: antiphon.CodeFailedPrecondition, Reason: "poller_test.sold_out", Message: "sold out", Details: map[string]string{"shelf": "7"}}
	withServer(t, func(ctx context.Context, q int) (int, error) {
		select {
		case <-time.After(time.Duration(q) * time.Second):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if q == 4 {
			return 0, sold
		}
		return q, nil
	}, nil, func(s *farEnd) {
		n := pollertest.Serve(s.server.AIP())
		defer n.Close()
		s.opts.Client = n.Client()
		begin := func(q string) *poller.Remote[int] {
			req, err := http.NewRequestWithContext(s.Context(), "POST", n.URL+"/v1/squares", strings.NewReader(q))
			if err != nil {
				s.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			r, err := poller.Begin[int](req, &s.opts)
			if err != nil {
				s.Fatal(err)
			}
			return r
		}
		if v, err := begin("5").Future().Await(s.Context()); v != 5 || err != nil {
			s.Error(v, err)
		}
		if _, err := begin("4").Future().Await(s.Context()); !errors.Is(err, sold) || antiphon.FromError(err).Details["shelf"] != "7" {
			s.Error(err)
		}
		r := begin("5000")
		if err := r.Cancel(s.Context()); err != nil {
			s.Error(err)
		}
		if _, err := r.Future().Await(s.Context()); antiphon.CodeOf(err) != antiphon.CodeCanceled {
			s.Error(err)
		}
	})
}
