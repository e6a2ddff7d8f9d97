package natsqueue

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Options are the settings of a [Backend]. A zero field means its default, nil options
// mean all of them.
type Options struct {
	// Bucket is the name of the key-value bucket. Empty means antiphon.
	Bucket string
	// Replicas is how many servers keep the bucket if it is made. 0 means 1.
	Replicas int
	// Storage is where they keep it if it is made. The zero value is in files.
	Storage jetstream.StorageType
	// SyncAlways says that the servers write to the disk before they answer: they run
	// with sync_interval: always. It cannot be asked of them, and is believed.
	SyncAlways bool
	// Timeout is how long to wait for an answer of the server. 0 means 5 seconds.
	Timeout time.Duration
	// Observer is told of the events listed in the package comment. nil means nobody.
	Observer antiphon.Observer
}

// A Backend is a [driver.Backend] on NATS JetStream, with all that is optional but
// transactions.
//
// Concurrency: all methods may be called by any number of goroutines, and any number
// of processes may have one on the same bucket.
//
// Ownership: the connection stays the caller's, who closes it after the backend.
//
// Closing: Close ends the consumers, and waits for their goroutines.
type Backend struct {
	js     jetstream.JetStream
	nc     *nats.Conn
	stream jetstream.Stream
	opts   Options
	caps   driver.Capabilities
	prefix string

	began  time.Time
	offset atomic.Int64 // the server's time when began was, at the least

	life    context.Context
	die     context.CancelFunc
	link    atomic.Pointer[link]
	batches chan struct{} // has room for those that may be under way

	mu     sync.Mutex
	closed bool
	queues map[string]*replica
	ended  sync.WaitGroup
}

// maxBatches is how many atomic batches are under way at once: a server allows 50 for
// all processes together.
const maxBatches = 8

// maxJobs is how many jobs a Put may have, and maxWrites how many messages a server
// allows in a batch: each key and each unique name is one too.
const (
	maxJobs   = 900
	maxWrites = 1000
)

// Open prepares the bucket, and makes it if it is not there.
//
// It fails with code failed_precondition if the bucket is there and was not made by
// Open, or the server is too old.
func Open(ctx context.Context, js jetstream.JetStream, o *Options) (*Backend, error) {
	if js == nil {
		return nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "natsqueue: Open needs a JetStream")
	}
	b := &Backend{nc: js.Conn(), queues: map[string]*replica{}, began: time.Now(), batches: make(chan struct{}, maxBatches)}
	if o != nil {
		b.opts = *o
	}
	if b.opts.Bucket == "" {
		b.opts.Bucket = "antiphon"
	}
	if b.opts.Replicas == 0 {
		b.opts.Replicas = 1
	}
	if b.opts.Timeout == 0 {
		b.opts.Timeout = 5 * time.Second
	}
	if b.opts.Replicas < 0 || b.opts.Timeout < 0 || strings.ContainsAny(b.opts.Bucket, " .*>\t\r\n") {
		return nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "natsqueue: an option is negative, or no name")
	}
	b.js = js
	b.prefix = "$KV." + b.opts.Bucket + "."
	if ctx == nil {
		ctx = context.Background()
	}
	b.life, b.die = context.WithCancel(context.Background())
	b.relink()
	if err := b.persist(ctx); err != nil {
		err = b.readError(ctx, err)
		b.die()
		return nil, err
	}
	b.ended.Add(1)
	go b.followLink()
	return b, nil
}

// persist prepares, again while the server says that the fault is its own: it may be
// about to begin, or to choose a leader, or busy with the files of another stream.
func (b *Backend) persist(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	for {
		err := b.prepare(ctx)
		var api *jetstream.APIError
		if !errors.As(err, &api) || api.Code < 500 {
			return err
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// prepare makes the bucket, and reads what it promises.
func (b *Backend) prepare(ctx context.Context) error {
	name := "KV_" + b.opts.Bucket
	stream, err := b.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = b.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Description: "jobs of antiphon", Subjects: []string{b.prefix + ">"},
			MaxMsgsPerSubject: 1, MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1,
			Storage: b.opts.Storage, Replicas: b.opts.Replicas, Discard: jetstream.DiscardNew,
			DenyDelete: true, AllowRollup: true, AllowMsgTTL: true, AllowAtomicPublish: true,
			Duplicates: time.Minute,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was quicker
			stream, err = b.js.Stream(ctx, name)
		}
	}
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	c := info.Config
	if !c.AllowMsgTTL || !c.AllowAtomicPublish || c.MaxMsgsPerSubject != 1 || c.AllowDirect {
		return antiphon.Errorf(antiphon.CodeFailedPrecondition,
			"natsqueue: bucket %s has no atomic batches, no times to live, or a history: it was made by another, or the server is older than 2.12", b.opts.Bucket)
	}
	b.stream = stream
	b.offset.Store(math.MinInt64)
	b.hears(info.TimeStamp.UnixNano())
	durability := driver.ProcessKill
	switch {
	case c.Storage != jetstream.FileStorage || c.PersistMode == jetstream.AsyncPersistMode:
		durability = driver.None
	case b.opts.SyncAlways:
		durability = driver.PowerLoss
	}
	limit := b.nc.MaxPayload()
	if c.MaxMsgSize > 0 {
		limit = min(limit, int64(c.MaxMsgSize))
	}
	if limit <= overhead {
		return antiphon.Errorf(antiphon.CodeFailedPrecondition, "natsqueue: messages of %d bytes are too small: more than %d are needed", limit, overhead)
	}
	b.caps = driver.Capabilities{
		Name: "nats", Durability: durability,
		Delays: true, Groups: true, Keys: true, Uniques: true, Capacity: true,
		MinPriority: math.MinInt32, MaxPriority: math.MaxInt32,
		MaxPayload: int(limit-overhead) / 2,
	}
	return nil
}

// overhead is what a record has beside its payload and its checkpoint.
const overhead = 64 << 10

// Capabilities says what the bucket promises.
func (b *Backend) Capabilities() driver.Capabilities { return b.caps }

// Close ends the backend, and leaves the connection open.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	all := make([]*replica, 0, len(b.queues))
	for _, q := range b.queues {
		all = append(all, q)
	}
	b.mu.Unlock()
	b.die()
	for _, q := range all {
		q.close()
	}
	b.ended.Wait()
	return nil
}

// begin counts a goroutine that Close waits for, unless it is too late.
func (b *Backend) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.ended.Add(1)
	}
	return !b.closed
}

func (b *Backend) isClosed() bool { return b.life.Err() != nil }

// hears notes that the server's time is at least t.
func (b *Backend) hears(t int64) {
	offset := t - int64(time.Since(b.began))
	for {
		was := b.offset.Load()
		if offset <= was || b.offset.CompareAndSwap(was, offset) {
			return
		}
	}
}

// now is the server's time, or a little before.
func (b *Backend) now() int64 { return b.offset.Load() + int64(time.Since(b.began)) }

// subject names what a queue keeps: j.<id> a job, k.<name> and u.<name> a gate.
func (b *Backend) subject(queue, kind, name string) string {
	s := b.prefix + token(queue) + "." + kind
	if name != "" {
		s += "." + token(name)
	}
	return s
}

func token(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("a" + s)) }

// untoken is the name of a token, or nothing.
func untoken(s string) string {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) == 0 || raw[0] != 'a' || strings.ContainsAny(s, "\r\n") { // which base64 skips
		return ""
	}
	return string(raw[1:])
}

func (b *Backend) tooLarge(n int) error {
	if n <= b.caps.MaxPayload {
		return nil
	}
	return antiphon.Errorf(antiphon.CodeResourceExhausted, "natsqueue: %d bytes, of at most %d: %w", n, b.caps.MaxPayload, antiphon.ErrTooLarge)
}

var _ interface {
	driver.Backend
	driver.Results
	driver.Morgue
	driver.Controller
	driver.Watcher
} = (*Backend)(nil)
