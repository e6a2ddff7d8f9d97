package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// A plan is where the servers of a cluster listen.
type plan struct{ clients, routes []string }

// newPlan finds ports that are free.
func newPlan() (plan, error) {
	var p plan
	for i := range 6 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return p, err
		}
		defer l.Close() // when all are chosen
		if i < 3 {
			p.clients = append(p.clients, "nats://"+l.Addr().String())
		} else {
			p.routes = append(p.routes, "nats://"+l.Addr().String())
		}
	}
	return p, nil
}

// urls is of all servers.
func (p plan) urls() string { return strings.Join(p.clients, ",") }

// args are what the process of a server is told.
func (p plan) args(i int, dir string) []string {
	name := fmt.Sprint("n", i+1)
	all := append([]string{p.clients[i], p.routes[i]}, p.routes...)
	return append([]string{"serve", name, filepath.Join(dir, name)}, all...)
}

// serve is the whole of such a process: at[0] is where it listens to clients, at[1] to the
// other servers, and the rest are the routes to all.
func serve(ctx context.Context, name, dir string, at []string) error {
	client, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(at[0], "nats://"))
	if err != nil {
		return err
	}
	route, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(at[1], "nats://"))
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: name, Host: client.IP.String(), Port: client.Port, NoSigs: true,
		JetStream: true, StoreDir: dir,
		Cluster: server.ClusterOpts{Name: "antiphon", Host: route.IP.String(), Port: route.Port},
		Routes:  server.RoutesFromStr(strings.Join(at[2:], ",")),
	})
	if err != nil {
		return err
	}
	go s.Start()
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
