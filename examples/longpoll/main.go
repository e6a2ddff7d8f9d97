// Longpoll makes an HTTP API of a function that takes a while: whoever asks is answered at
// once that it was accepted, and follows it: a Go program, curl, and a page in a browser,
// which shows a progress bar, survives a reload, and can cancel.
//
//	go run ./examples/longpoll           # shows itself in a browser, at the address it prints
//	go run ./examples/longpoll -once     # ends when its own reports are done
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

func main() {
	once := flag.Bool("once", false, "end when its own reports are done")
	addr := flag.String("addr", "localhost:8080", "where to serve")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *addr, *once); err != nil {
		log.Fatal(err)
	}
}

// An Order is what is asked for, and a Report what comes of it.
type (
	Order struct {
		Title string `json:"title"`
		Pages int    `json:"pages"`
	}
	Report struct {
		Title string `json:"title"`
		Words int    `json:"words"`
	}
)

// write is a function as you have it: it answers when it is done, ends when its context
// does, and tells how far it is.
func write(ctx context.Context, o Order) (Report, error) {
	if o.Pages < 1 || o.Pages > 100 {
		return Report{}, antiphon.Errorf(antiphon.CodeInvalidArgument, "a report has 1 to 100 pages, not %d", o.Pages)
	}
	for page := range o.Pages {
		antiphon.Report(ctx, float64(100*page/o.Pages), fmt.Sprintf("page %d of %d", page+1, o.Pages), nil)
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return Report{}, ctx.Err()
		}
	}
	return Report{Title: o.Title, Words: 300 * o.Pages}, nil
}

func run(ctx context.Context, out io.Writer, addr string, once bool) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	url := "http://" + l.Addr().String()
	reports := poller.ServeFunc(write, nil) // this line makes the API
	mux := http.NewServeMux()
	reports.Mount(mux, "/reports")
	mux.Handle("/", page())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // until it is shut down

	fmt.Fprintf(out, "look at %s/\n\nor use curl:\n\n%s\n", url, commands(url+"/reports"))
	err = ask(ctx, out, url+"/reports")
	if err == nil {
		err = watch(ctx, out, url+"/reports")
	}
	if err == nil && !once {
		<-ctx.Done()
		fmt.Fprintln(out, "finishing what is under way")
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, reports.Shutdown(patience), server.Shutdown(patience))
}

// ask asks as if it were a function: in the next line, it could be one.
func ask(ctx context.Context, out io.Writer, url string) error {
	report := poller.Dial[Order, Report](url, nil)
	told := antiphon.WithProgress(ctx, func(p antiphon.Progress) {
		fmt.Fprintf(out, "the report on whales: %v %%, %s\n", p.Percent, p.Message)
	})
	whales := report(told, Order{"whales", 8})
	blank := report(ctx, Order{"nothing", 0})
	got, err := whales.Await(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the report on whales has %d words\n", got.Words)
	_, err = blank.Await(ctx)
	if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		return fmt.Errorf("a report without pages: %w", err)
	}
	fmt.Fprintf(out, "the report on nothing: %v\n", err)
	return nil
}

// watch follows an operation by hand: a Check is whatever can be asked, here its status.
func watch(ctx context.Context, out io.Writer, url string) error {
	begun, err := http.NewRequestWithContext(ctx, http.MethodPost, url, jsonOf(Order{"tea", 8}))
	if err != nil {
		return err
	}
	begun.Header.Set("Content-Type", "application/json")
	report, err := poller.Begin[Report](begun, nil)
	if err != nil {
		return err
	}
	look := func(ctx context.Context) (s poller.Status[Report], err error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, report.URL(), nil)
		if err != nil {
			return s, err
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return s, err
		}
		defer res.Body.Close()
		var op antiphon.Operation
		if err := json.NewDecoder(res.Body).Decode(&op); err != nil {
			return s, err
		}
		s = poller.Status[Report]{State: op.State, Err: op.Err, Percent: op.Percent, Message: op.Message, Version: op.Version}
		if op.Result != nil {
			err = json.Unmarshal(op.Result, &s.Value)
		}
		return s, err
	}
	for s, err := range poller.Watch(ctx, look, &poller.Options{Poll: antiphon.Constant(200 * time.Millisecond)}) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\rthe report on tea: %s %-20s", bar(s.Percent), s.Message)
		if s.State == antiphon.StateSucceeded {
			fmt.Fprintf(out, "\rthe report on tea: %s it has %d words\n", bar(100), s.Value.Words)
		}
	}
	return nil
}
