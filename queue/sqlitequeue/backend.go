package sqlitequeue

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Synchronous is what SQLite waits for when it commits.
type Synchronous uint8

// The settings.
const (
	Full   Synchronous = iota // until the data is on the disk
	Normal                    // until the system has it
)

// Options are the settings of a [Backend]. A zero field means its default, nil options
// mean all of them; a negative one is an error of Open.
type Options struct {
	// Synchronous is the durability. The zero value is Full.
	Synchronous Synchronous
	// Busy is how long to wait for another process that writes. 0 means 10 seconds.
	Busy time.Duration
	// Poll is how often to look for what other processes did, while somebody waits for
	// it. 0 means 5 milliseconds.
	Poll time.Duration
	// MaxPayload is how many bytes a payload, a result or a checkpoint may have. 0
	// means 16 MiB.
	MaxPayload int
	// Observer is told of the events listed in the package comment. nil means nobody.
	Observer antiphon.Observer
	// Clock measures all times. nil means the real one.
	Clock clock.Clock
}

// A Backend is a [driver.Backend] on an SQLite database, with all that is optional,
// and a [driver.TxPutter].
//
// Concurrency: all methods may be called by any number of goroutines, and any number
// of processes may have one on the same file.
//
// Ownership: the database stays the caller's, who closes it after the backend.
//
// Closing: Close waits for the transaction under way, ends the goroutine, and gives
// the connection back.
type Backend struct {
	db   *sql.DB
	opts Options
	caps driver.Capabilities

	writer  chan *call
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once

	hub  hub
	last atomic.Int64 // of the stamps
}

// Open prepares db, in which it makes its tables if there are none, and keeps one of
// its connections until Close.
//
// It fails with code invalid_argument if the database is in memory, where queue.Memory
// belongs; with failed_precondition if db may have no second connection, the file is
// read-only, cannot be in WAL mode, or has the tables of a later release; with data_loss
// if it is no database, or a broken one; with unavailable if others keep it locked.
func Open(ctx context.Context, db *sql.DB, o *Options) (*Backend, error) {
	if db == nil {
		return nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "sqlitequeue: Open needs a database")
	}
	b := &Backend{db: db, writer: make(chan *call, maxBatch), closing: make(chan struct{}), ended: make(chan struct{})}
	if o != nil {
		b.opts = *o
	}
	if b.opts.Busy < 0 || b.opts.Poll < 0 || b.opts.MaxPayload < 0 || b.opts.Synchronous > Normal {
		return nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "sqlitequeue: an option is negative or unknown")
	}
	if b.opts.Busy == 0 {
		b.opts.Busy = 10 * time.Second
	}
	if b.opts.Poll == 0 {
		b.opts.Poll = 5 * time.Millisecond
	}
	if b.opts.MaxPayload == 0 {
		b.opts.MaxPayload = 16 << 20
	}
	if b.opts.Clock == nil {
		b.opts.Clock = clock.New()
	}
	if db.Stats().MaxOpenConnections == 1 {
		return nil, antiphon.Errorf(antiphon.CodeFailedPrecondition,
			"sqlitequeue: the database may have one connection, of which the backend keeps one: SetMaxOpenConns(2) or more")
	}
	if ctx == nil {
		ctx = context.Background()
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	durability, err := b.prepare(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, storeError(err)
	}
	b.caps = driver.Capabilities{
		Name: "sqlite", Durability: durability,
		Delays: true, Groups: true, Keys: true, Uniques: true, Capacity: true,
		MinPriority: math.MinInt32, MaxPriority: math.MaxInt32,
		MaxPayload: b.opts.MaxPayload,
	}
	b.hub.init(b)
	go (&writer{b: b, conn: conn, stmts: map[string]*sql.Stmt{}}).run()
	return b, nil
}

// prepare sets the connection up and reads what it promises.
func (b *Backend) prepare(ctx context.Context, conn *sql.Conn) (driver.Durability, error) {
	sync := "FULL"
	if b.opts.Synchronous == Normal {
		sync = "NORMAL"
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", b.opts.Busy.Milliseconds())); err != nil {
		return 0, err
	}
	name := ""
	if err := conn.QueryRowContext(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&name); err != nil {
		return 0, err
	}
	if name == "" {
		return 0, antiphon.Errorf(antiphon.CodeInvalidArgument, "sqlitequeue: the database is in memory, and needs a file: queue.Memory keeps jobs in memory")
	}
	if err := b.journal(ctx, conn); err != nil {
		return 0, err
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = "+sync); err != nil {
		return 0, err
	}
	if err := migrate(ctx, conn); err != nil {
		return 0, err
	}
	level := 0
	if err := conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return 0, err
	}
	switch level {
	case 0:
		return driver.None, nil
	case 1:
		return driver.ProcessKill, nil
	}
	return driver.PowerLoss, nil
}

// journal turns WAL mode on. Where several processes do so at once, SQLite does not
// wait for the others: we do.
func (b *Backend) journal(ctx context.Context, conn *sql.Conn) error {
	until := b.opts.Clock.Now().Add(b.opts.Busy)
	for {
		mode := ""
		err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		switch {
		case err == nil && strings.EqualFold(mode, "wal"):
			return nil
		case err == nil:
			return antiphon.Errorf(antiphon.CodeFailedPrecondition, "sqlitequeue: the database cannot be in WAL mode, it is in %q", mode)
		case !isBusy(err) || b.opts.Clock.Now().After(until):
			return err
		}
		timer := b.opts.Clock.Timer(b.opts.Poll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// Capabilities says what the database promises.
func (b *Backend) Capabilities() driver.Capabilities { return b.caps }

// Close ends the backend, and leaves the database open.
func (b *Backend) Close() error {
	b.once.Do(func() { close(b.closing) })
	<-b.ended
	b.hub.close()
	return nil
}

// now is the time in the database's unit.
func (b *Backend) now() int64 { return b.opts.Clock.Now().UnixMilli() }

// stamp is a number that grows with each call, and is about the microseconds of now:
// it tells what was ready first within a millisecond.
func (b *Backend) stamp() int64 {
	for {
		last := b.last.Load()
		next := max(b.opts.Clock.Now().UnixMicro(), last+1)
		if b.last.CompareAndSwap(last, next) {
			return next
		}
	}
}

// millis is d in it, rounded up.
func millis(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond != 0 {
		ms++
	}
	return ms
}

// later is ms after now, and never wraps.
func later(now, ms int64) int64 {
	if ms > math.MaxInt64/2-now {
		return math.MaxInt64 / 2
	}
	return now + ms
}

func (b *Backend) isClosed() bool {
	select {
	case <-b.closing:
		return true
	default:
		return false
	}
}

func (b *Backend) observe(name string, err error) {
	if b.opts.Observer != nil {
		b.opts.Observer.Emit(antiphon.Event{Name: name, Err: err})
	}
}

func (b *Backend) tooLarge(n int) error {
	if n <= b.opts.MaxPayload {
		return nil
	}
	return antiphon.Errorf(antiphon.CodeResourceExhausted, "sqlitequeue: %d bytes, of at most %d: %w", n, b.opts.MaxPayload, antiphon.ErrTooLarge)
}

var _ interface {
	driver.Backend
	driver.Results
	driver.Morgue
	driver.Controller
	driver.Watcher
	driver.TxPutter[*sql.Tx]
} = (*Backend)(nil)
