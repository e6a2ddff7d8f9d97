// Package sqlitequeue keeps the jobs of package queue in an SQLite database, with
// database/sql and the driver of your choice.
//
// # Open a file
//
//	db, err := sql.Open("sqlite", "file:jobs.db")        // modernc.org/sqlite, mattn/go-sqlite3, …
//	backend, err := sqlitequeue.Open(ctx, db, nil)
//	thumbnails, err := queue.New[Picture, Thumbnail]("thumbnails", backend, nil)
//
// Any number of processes may have the file open; jobs submitted in one are done in
// another and awaited in a third. Nobody needs a server.
//
// # In your own transaction
//
// [Backend.PutTx] puts jobs within a transaction of yours, with queue.SubmitTx: they are
// there when it commits, with the rest of what it did.
//
// # How it works
//
// One goroutine owns the one connection that writes. All that is asked of it meanwhile
// goes into the next transaction (BEGIN IMMEDIATE), up to 256 calls of it, and is
// answered when that is committed: the busier, the cheaper. A call that fails leaves
// nothing behind and harms none of the others. Reading goes to the pool of db, beside
// it, as WAL allows.
//
// Within a process a commit wakes who waits. Other processes see it by PRAGMA
// data_version. Times are whole milliseconds, of the machine's clock; a delay is rounded
// up.
//
// The tables are called antiphon_…; Open makes them, and brings those of an earlier
// release up to date. It refuses those of a later one.
//
// # What is promised
//
// What package queue promises holds for it.
//
// With [Options].Synchronous Full, which is the default, what Submit accepted and what
// a worker settled survives that the machine loses power; with Normal it survives that
// any process is killed at any time, and the last of it may be lost with the power
// (https://www.sqlite.org/pragma.html#pragma_synchronous). Open reads from the database
// what it really does, and driver.Capabilities says that.
//
// # What it costs
//
// A job is three writes: put, taken, settled; many calls share a transaction. Others'
// changes are looked for every few milliseconds while somebody waits, which takes a few
// microseconds. Nothing of a job is held in memory but what is done with it now.
//
// # What to mind
//
// All processes have to be on one machine: the file is in WAL mode, which no network file
// system can do (https://www.sqlite.org/wal.html). The database is yours: close it after
// the backend. It needs more than one connection, so no SetMaxOpenConns(1).
//
// # What is told
//
// Observers get these events. Those who waited for the transaction are told too.
//
//	sqlite.busy    a transaction could not be made, for the reason Err: somebody else
//	               held the database
//	sqlite.failed  it could not be made for another reason Err
//
// # In tests
//
// A test opens a file of its own, in testing.T.TempDir. Tests of work need none: on
// queue.Memory it behaves alike, in virtual time.
package sqlitequeue
