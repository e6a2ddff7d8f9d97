package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The test binary is the program when it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("THERMOSTAT_TEST") == "main" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patience is how long something may take that has to happen.
const patience = 2 * time.Minute

// A process is the program, running.
type process struct {
	*exec.Cmd
	lines chan string // of its standard output

	mu   sync.Mutex
	said bytes.Buffer // on its standard error
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// start starts the program, which is killed with the test if it has not ended.
func start(t testing.TB, token string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...), lines: make(chan string, 16)}
	p.Env = append(os.Environ(), "THERMOSTAT_TEST=main", "THERMOSTAT_TOKEN="+token)
	p.Stderr = p
	p.WaitDelay = time.Second
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-read
		_ = p.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(args, " "), p.log())
		}
	})
	return p
}

// url waits for the line that says where a program listens.
func (p *process) url(t testing.TB, before, after string) string {
	t.Helper()
	select {
	case line := <-p.lines:
		_, rest, _ := strings.Cut(line, before)
		url, _, _ := strings.Cut(rest, after)
		return strings.TrimSpace(url)
	case <-time.After(patience):
		t.Fatalf("it does not say where it listens; it said\n%s", p.log())
		return ""
	}
}

// interrupt ends p politely, and waits for it.
func (p *process) interrupt(t testing.TB) {
	t.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	state := make(chan *os.ProcessState, 1)
	go func() {
		s, _ := p.Process.Wait()
		state <- s
	}()
	select {
	case s := <-state:
		if !s.Success() {
			t.Errorf("interrupted, it ended with %s; it said\n%s", s, p.log())
		}
	case <-time.After(patience):
		t.Errorf("interrupted, it goes on; it said\n%s", p.log())
	}
}

// stats are what a hub tells.
type stats struct {
	tally
	View     View
	Commands int
	P50, P99 time.Duration
}

func statsOf(t testing.TB, url string) (s stats) {
	t.Helper()
	res, err := http.Get(url + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	if s.Oldest > fresh {
		t.Fatalf("a reading was acted on that was %v old", s.Oldest)
	}
	return s
}

// until waits until the hub's account is so.
func until(t testing.TB, url, what string, so func(stats) bool) stats {
	t.Helper()
	limit := time.Now().Add(patience)
	for {
		s := statsOf(t, url)
		if so(s) {
			return s
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: not within %v, but %+v", what, patience, s)
		}
		pause := time.NewTimer(50 * time.Millisecond)
		<-pause.C
	}
}

func startHub(t testing.TB, token string) (*process, string) {
	p := start(t, token, "hub", "-listen", "127.0.0.1:0")
	return p, p.url(t, "listening on ", "\n")
}

func TestDemo_RunsAndEndsPolitely(t *testing.T) {
	p := start(t, "", "demo", "-listen", "127.0.0.1:0")
	url := p.url(t, "open ", " in")
	s := until(t, url, "telemetry and commands", func(s stats) bool { return s.Acted > 1000 && s.Commands > 50 && s.View.Online })
	t.Logf("%d readings acted on, %d stale, %d lost; %d commands, p50 %v, p99 %v", s.Acted, s.Stale, s.Lost, s.Commands, s.P50, s.P99)
	p.interrupt(t)
	if _, err := http.Get(url); err == nil {
		t.Error("the hub is still there")
	}
	if log := p.log(); !strings.Contains(log, "the heater is off") || !strings.Contains(log, "closing") {
		t.Errorf("not both have said goodbye:\n%s", log)
	}
}

func TestProcesses_KeptWarmThroughACrash(t *testing.T) {
	hub, url := startHub(t, "secret")
	for _, c := range []struct {
		token string
		want  int
	}{{"", http.StatusUnauthorized}, {"Bearer wrong", http.StatusUnauthorized}, {"Bearer secret", http.StatusUpgradeRequired}} {
		r, _ := http.NewRequest(http.MethodGet, url+"/device", nil)
		r.Header.Set("Authorization", c.token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("a device with %q got status %d, want %d", c.token, res.StatusCode, c.want)
		}
	}

	device := start(t, "secret", "device", "-hub", url)
	until(t, url, "the device is kept warm", func(s stats) bool { return s.View.Celsius > 20.5 && s.Switched > 0 })
	if err := device.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, url, "the crash is noticed", func(s stats) bool { return !s.View.Online })
	another := start(t, "secret", "device", "-hub", url)
	until(t, url, "another is kept warm", func(s stats) bool { return s.View.Online && s.View.Heating })
	another.interrupt(t)
	hub.interrupt(t)
}

// A device that is there before the hub waits for it; when the hub goes and comes
// again, the device finds it.
func TestProcesses_HubComesLateAndAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	device := start(t, "", "device", "-hub", "http://"+at)
	for range 2 {
		hub := start(t, "", "hub", "-listen", at)
		url := hub.url(t, "listening on ", "\n")
		until(t, url, "the device connects", func(s stats) bool { return s.View.Online })
		hub.interrupt(t)
	}
	device.interrupt(t)
}

// A slow network makes readings old on the way, where no TTL counts: none of them is
// acted on until it is fast again. After a stall the newest of what has piled up are
// acted on, and the others are lost.
func TestProcesses_SlowNetwork(t *testing.T) {
	_, url := startHub(t, "")
	line := newLine(t, strings.TrimPrefix(url, "http://"))
	start(t, "", "device", "-hub", "http://"+line.addr())
	until(t, url, "telemetry", func(s stats) bool { return s.Acted > 500 })

	line.delay.Store(int64(fresh + fresh/2))
	first := until(t, url, "stale readings", func(s stats) bool { return s.Stale > 300 })
	second := until(t, url, "more of them", func(s stats) bool { return s.Stale > first.Stale+300 })
	if second.Acted != first.Acted {
		t.Errorf("%d readings were acted on that came over a line that takes %v", second.Acted-first.Acted, fresh+fresh/2)
	}
	line.delay.Store(0)
	third := until(t, url, "fresh readings again", func(s stats) bool { return s.Acted > second.Acted+500 })

	line.delay.Store(int64(time.Second)) // what is said now takes a second, and what follows comes with it
	until(t, url, "silence", func(s stats) bool { return !s.View.Online || s.View.Readings == 0 })
	line.delay.Store(0)
	last := until(t, url, "fresh readings after a stall", func(s stats) bool { return s.Acted > third.Acted+500 })
	if last.Lost <= third.Lost && last.Stale <= third.Stale {
		t.Errorf("nothing was lost or stale after a stall: %+v", last)
	}
	t.Logf("%d acted on, none older than %v; %d stale, %d lost", last.Acted, last.Oldest, last.Stale, last.Lost)
}

// A line leads to a hub, and can be made to take its time with what the device says.
type line struct {
	l     net.Listener
	to    string
	delay atomic.Int64
}

func newLine(t testing.TB, to string) *line {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &line{l: l, to: to}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.carry(ctx, c) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		all.Wait()
	})
	return s
}

func (s *line) addr() string { return s.l.Addr().String() }

// carry carries one connection. What is said waits at a place of its own for as long
// as it has to, and what follows waits behind it.
func (s *line) carry(ctx context.Context, device net.Conn) {
	defer device.Close()
	hub, err := net.Dial("tcp", s.to)
	if err != nil {
		return
	}
	defer hub.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = device.Close(), hub.Close() })
	defer stop()
	go func() {
		_, _ = io.Copy(device, hub)
		_ = device.Close()
	}()
	type said struct {
		what []byte
		due  time.Time
	}
	way := make(chan said, 1<<16)
	defer close(way)
	go func() {
		for s := range way {
			pause := time.NewTimer(time.Until(s.due))
			<-pause.C
			_, _ = hub.Write(s.what)
		}
	}()
	for {
		b := make([]byte, 4<<10)
		n, err := device.Read(b)
		if err != nil {
			return
		}
		way <- said{b[:n], time.Now().Add(time.Duration(s.delay.Load()))}
	}
}
