package natsd

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// patience is how long anything here may take.
const patience = 30 * time.Second

// Options are how a server runs.
type Options struct {
	Dir        string // where JetStream keeps what it has; none, and there is no JetStream
	SyncAlways bool   // write to the disk before anything is answered
	Process    bool   // in a process of its own, which ends by SIGKILL

	// Set changes what else a server of this process is told.
	Set func(*server.Options)
}

// A Server is a NATS server that ends with a test, and that can be stopped and started
// before. Its methods are for one goroutine at a time.
type Server struct {
	tb      testing.TB
	config  config
	set     func(*server.Options)
	process bool

	embedded *server.Server
	child    *child
}

// Run runs a server until the test ends.
func Run(tb testing.TB, o *Options) *Server {
	tb.Helper()
	if o == nil {
		o = &Options{}
	}
	s := newServer(tb, o, config{Dir: o.Dir, SyncAlways: o.SyncAlways, Port: server.RANDOM_PORT})
	s.Start()
	return s
}

func newServer(tb testing.TB, o *Options, c config) *Server {
	s := &Server{tb: tb, config: c, set: o.Set, process: o.Process}
	tb.Cleanup(s.Stop)
	return s
}

// URL is where clients connect to. It stays the same.
func (s *Server) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.config.Port) }

// Name is the name that the server has in a cluster.
func (s *Server) Name() string { return s.config.Name }

// Embedded is the server itself, if it is of this process and runs.
func (s *Server) Embedded() *server.Server { return s.embedded }

// Running says whether the server has been started and not stopped.
func (s *Server) Running() bool { return s.embedded != nil || s.child != nil }

// Start starts the server, if it does not run, and returns when it takes clients.
func (s *Server) Start() {
	s.tb.Helper()
	if err := s.begin(); err != nil {
		s.tb.Fatal("the server did not start: ", err)
	}
}

func (s *Server) begin() (err error) {
	if s.Running() {
		return nil
	}
	var at ports
	if s.process {
		s.child, at, err = startChild(s.config)
	} else {
		s.embedded, at, err = s.config.run(s.set)
	}
	if err == nil {
		s.config.Port, s.config.ClusterPort = at.Client, at.Cluster
	}
	return err
}

// Stop ends the server, and returns when it has ended. One of this process shuts down;
// one of its own is killed, and says goodbye to nobody.
func (s *Server) Stop() {
	if s.embedded != nil {
		s.embedded.Shutdown()
		s.embedded.WaitForShutdown()
		s.embedded = nil
	}
	if s.child != nil {
		s.child.kill()
		s.child = nil
	}
}

// A config is what a server of either kind is told.
type config struct {
	Dir         string
	SyncAlways  bool
	Port        int
	Name        string   `json:",omitempty"` // of a member of a cluster
	ClusterPort int      `json:",omitempty"`
	Routes      []string `json:",omitempty"`
}

// ports are where a server listens.
type ports struct{ Client, Cluster int }

// run runs a server in this process.
func (c config) run(set func(*server.Options)) (*server.Server, ports, error) {
	o := &server.Options{
		Host: "127.0.0.1", Port: c.Port, NoSigs: true, NoLog: true,
		JetStream: c.Dir != "", StoreDir: c.Dir, SyncAlways: c.SyncAlways,
	}
	if c.Name != "" {
		o.ServerName = c.Name
		o.Cluster = server.ClusterOpts{
			Name: "natsd", Host: "127.0.0.1", Port: c.ClusterPort, NoAdvertise: true, PoolSize: -1,
			Advertise: nowhere, // so that no route goes around the proxies
		}
		o.Routes = server.RoutesFromStr(join(c.Routes))
	}
	if set != nil {
		set(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, ports{}, err
	}
	go s.Start()
	if !s.ReadyForConnections(patience) {
		s.Shutdown()
		return nil, ports{}, fmt.Errorf("port %d: it does not listen", c.Port)
	}
	at := ports{Client: s.Addr().(*net.TCPAddr).Port}
	if a := s.ClusterAddr(); a != nil {
		at.Cluster = a.Port
	}
	return s, at, nil
}
