package natsd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// nowhere is an address on which nobody listens.
const nowhere = "127.0.0.1:1"

// A Cluster is of three servers, which hear of each other through proxies alone.
type Cluster struct {
	Servers [3]*Server

	tb     testing.TB
	routes [3][3]*Proxy // from, to
}

// RunCluster runs a cluster until the test ends, and returns when it takes streams of
// three replicas. Each server has a directory of its own in o.Dir.
func RunCluster(tb testing.TB, o *Options) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	for from := range c.Servers {
		for to := range c.Servers {
			if from != to {
				c.routes[from][to] = newProxy(tb, nowhere, true)
			}
		}
	}
	for i := range c.Servers {
		conf := config{SyncAlways: o.SyncAlways, Port: server.RANDOM_PORT, Name: fmt.Sprint("n", i), ClusterPort: server.RANDOM_PORT}
		if o.Dir != "" {
			conf.Dir = filepath.Join(o.Dir, conf.Name)
		}
		for _, p := range c.routes[i] {
			if p != nil {
				conf.Routes = append(conf.Routes, p.URL())
			}
		}
		s := newServer(tb, o, conf)
		c.Servers[i] = s
		s.Start()
		for from := range c.Servers {
			if p := c.routes[from][i]; p != nil {
				p.To(fmt.Sprintf("127.0.0.1:%d", s.config.ClusterPort))
			}
		}
	}
	if o.Dir != "" {
		c.AwaitReady()
	}
	return c
}

// URL is of all servers: a client goes from one to another.
func (c *Cluster) URL() string {
	var all []string
	for _, s := range c.Servers {
		all = append(all, s.URL())
	}
	return join(all)
}

// Part parts a server from the others, as if the cables were cut but nobody told: what
// is sent is held. Clients reach it all the same.
func (c *Cluster) Part(s *Server) { c.each(s, (*Proxy).Freeze) }

// Cut ends the routes of a server, and lets none be made.
func (c *Cluster) Cut(s *Server) { c.each(s, (*Proxy).Cut) }

// Heal undoes Part and Cut.
func (c *Cluster) Heal(s *Server) { c.each(s, (*Proxy).Heal) }

func (c *Cluster) each(s *Server, do func(*Proxy)) {
	for from := range c.Servers {
		for to := range c.Servers {
			if p := c.routes[from][to]; p != nil && (c.Servers[from] == s || c.Servers[to] == s) {
				do(p)
			}
		}
	}
}

// AwaitReady waits until streams of as many replicas as there are servers can be made.
func (c *Cluster) AwaitReady() {
	c.tb.Helper()
	c.ask(func(ctx context.Context, js jetstream.JetStream) error {
		const name = "natsd-ready"
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{name}, Replicas: len(c.Servers), Storage: jetstream.MemoryStorage,
		})
		if err != nil {
			return err
		}
		return js.DeleteStream(ctx, name)
	})
}

// Leader is the server that leads a stream; it waits until there is one and the other
// replicas follow it.
func (c *Cluster) Leader(stream string) *Server {
	c.tb.Helper()
	var leader *Server
	c.ask(func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		in := s.CachedInfo().Cluster
		if in == nil {
			return errors.New("the stream is of no cluster")
		}
		for _, r := range in.Replicas {
			if !r.Current || r.Offline {
				return fmt.Errorf("replica %s does not follow", r.Name)
			}
		}
		for _, s := range c.Servers {
			if s.Name() == in.Leader && s.Running() {
				leader = s
				return nil
			}
		}
		return fmt.Errorf("%q leads the stream", in.Leader)
	})
	return leader
}

// ask asks the servers until there is no error.
func (c *Cluster) ask(what func(context.Context, jetstream.JetStream) error) {
	c.tb.Helper()
	nc, err := nats.Connect(c.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		c.tb.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		c.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		once, stop := context.WithTimeout(ctx, 5*time.Second)
		err := what(once, js)
		stop()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.tb.Fatal("the cluster is not ready: ", err)
		}
	}
}

func join(urls []string) string { return strings.Join(urls, ",") }
