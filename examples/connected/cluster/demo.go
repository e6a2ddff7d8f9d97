package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/examples/connected/internal/squares"
	"github.com/antiphon-go/antiphon/future"
)

// each is how many numbers each of two submitters asks.
const each = 50

// demo runs all of it as processes of this program.
func demo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "cluster")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := newPlan()
	if err != nil {
		return err
	}
	t := newTroupe(ctx)
	defer t.readers.Wait()
	defer cancel()
	for i := range p.clients {
		if err := t.start(fmt.Sprint("n", i+1), p.args(i, dir)...); err != nil {
			return err
		}
	}
	if err := prepare(ctx, p.urls()); err != nil {
		return err
	}
	leader, err := leads(ctx, p.urls())
	if err != nil {
		return err
	}
	fmt.Printf("three servers run, and server %s leads the stream of jobs\n", leader)

	for i := range 3 {
		if err := t.start(fmt.Sprint("worker ", i+1), "work", p.urls()); err != nil {
			return err
		}
	}
	for i := range 2 {
		first, last := fmt.Sprint(i*each+1), fmt.Sprint(i*each+each)
		if err := t.start(fmt.Sprint("submitter ", i+1), "ask", p.urls(), first, last); err != nil {
			return err
		}
	}
	fmt.Printf("three workers and two submitters run, and each of these asks %d numbers\n", each)
	return newShow(t, leader).watch(ctx)
}

// prepare makes the bucket of jobs, when the servers have found each other.
func prepare(ctx context.Context, urls string) error {
	once := func(ctx context.Context, urls string) (struct{}, error) {
		return struct{}{}, squares.With(ctx, servers, urls, func(*squares.Queue) error { return nil })
	}
	_, err := future.With(once, &future.Policy{
		Attempts: 1000, Backoff: antiphon.Constant(50 * time.Millisecond),
		Retryable: func(error) bool { return true },
	})(ctx, urls)
	return err
}

// leads asks which server leads the stream of jobs.
func leads(ctx context.Context, urls string) (string, error) {
	nc, err := nats.Connect(urls)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return "", err
	}
	s, err := js.Stream(ctx, "KV_antiphon")
	if err != nil {
		return "", err
	}
	if c := s.CachedInfo().Cluster; c != nil && c.Leader != "" {
		return c.Leader, nil
	}
	return "", errors.New("nobody leads the stream")
}
