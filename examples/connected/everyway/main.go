// Everyway is the example of the same name, with the ways that need a client or a store
// of others besides: WebSocket, SQLite and NATS, whose server runs in this process.
//
//	go run ./everyway
//
// Run it in examples/connected of a clone.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	_ "modernc.org/sqlite"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/examples/internal/ways"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

func main() {
	all := slices.Concat(ways.Core, connected)
	if err := ways.Report(context.Background(), os.Stdout, all...); err != nil {
		log.Fatal(err)
	}
}

// What ways.Core is to the ways that need no more than the core.
var connected = []ways.Way{
	{Name: "WebSocket", Open: webSocket(0)},
	{Name: "WebSocket, session", Open: webSocket(time.Minute), Outlasts: true},
	{Name: "queue on SQLite", Open: sqlite, Outlasts: true},
	{Name: "NATS", Open: overNATS(1)},
	{Name: "NATS, asked again", Open: overNATS(20), Outlasts: true},
	{Name: "queue on NATS", Open: natsJobs, Outlasts: true},
}

// webSocket is a callback as over the pipe. Sessions outlive their connections for so
// long.
func webSocket(resume time.Duration) func(*ways.Stage, ways.Func) ways.Asker {
	return func(s *ways.Stage, price ways.Func) ways.Asker {
		o := &wscallback.Options{Resume: resume}
		shops := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
			shop := callback.NewPeer(c, nil)
			callback.Serve(shop, "price", price, nil)
			return shop.Run(ctx)
		}, o)
		s.Defer(func() { _ = shops.Close() })

		customer := callback.NewPeer(ways.Must(wscallback.Dial(context.Background(), s.Serve(shops), o)), nil)
		s.Go(customer.Run)
		return callback.Dial[ways.Item, ways.Price](customer, "price", nil)
	}
}

// overNATS is a callback as over the pipe, too. What is not answered is asked so often.
func overNATS(attempts int) func(*ways.Stage, ways.Func) ways.Asker {
	return func(s *ways.Stage, price ways.Func) ways.Asker {
		dial := natsServer(s)
		shop := callback.NewPeer(ways.Must(natscallback.New(dial(), nil)), nil)
		customer := callback.NewPeer(ways.Must(natscallback.New(dial(), nil)), nil)

		callback.Serve(shop, "price", price, nil)
		s.Go(shop.Run)
		s.Go(customer.Run)
		if err := shop.Listening(context.Background()); err != nil {
			panic(err)
		}
		return callback.Dial[ways.Item, ways.Price](customer, "price", &callback.DialOptions{
			Attempts: attempts, Backoff: antiphon.Constant(50 * time.Millisecond),
		})
	}
}

func natsJobs(s *ways.Stage, price ways.Func) ways.Asker {
	js := ways.Must(jetstream.New(natsServer(s)()))
	store := ways.Must(natsqueue.Open(context.Background(), js, &natsqueue.Options{Timeout: 2 * time.Second}))
	return keyed(ways.Queue(s, store, price))
}

// keyed asks again when it is not known whether a job was stored: under the same key it
// is the same job.
func keyed(prices *queue.Queue[ways.Item, ways.Price]) ways.Asker {
	submit := future.Lift(func(ctx context.Context, item ways.Item) (*queue.Job[ways.Price], error) {
		return prices.Submit(ctx, item, &queue.SubmitOptions{Key: fmt.Sprint(item)})
	}, &future.Policy{Attempts: 5, Concurrency: ways.Lanes})
	return func(ctx context.Context, item ways.Item) *future.Future[ways.Price] {
		return future.Then(submit(ctx, item), (*queue.Job[ways.Price]).Future)
	}
}

func sqlite(s *ways.Stage, price ways.Func) ways.Asker {
	db := ways.Must(sql.Open("sqlite", filepath.Join(directory(s), "jobs.db")))
	s.Defer(func() { _ = db.Close() })
	return ways.Queue(s, ways.Must(sqlitequeue.Open(context.Background(), db, nil)), price).Asker(nil)
}

// natsServer runs a server, and returns what connects to it.
func natsServer(s *ways.Stage) (dial func() *nats.Conn) {
	n := ways.Must(server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: directory(s), NoSigs: true, NoLog: true,
	}))
	s.Defer(n.WaitForShutdown, n.Shutdown)
	n.Start()
	if !n.ReadyForConnections(time.Minute) {
		panic(errors.New("the NATS server did not start"))
	}
	url := "nats://" + s.Wire(n.Addr().(*net.TCPAddr).String())
	return func() *nats.Conn {
		nc := ways.Must(nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
		s.Defer(nc.Close)
		return nc
	}
}

// directory is one that is there as long as the stage.
func directory(s *ways.Stage) string {
	dir := ways.Must(os.MkdirTemp("", "everyway"))
	s.Defer(func() { _ = os.RemoveAll(dir) })
	return dir
}
