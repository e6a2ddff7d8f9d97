package main

import (
	"context"
	"database/sql"

	_ "modernc.org/sqlite"

	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// file is a SQLite file that keeps jobs. With
//
//	return queue.Memory(nil), func() {}, nil
//
// as its only line the program is the same, but what is kept ends with the process.
func file(ctx context.Context, path string) (driver.Backend, func(), error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, nil, err
	}
	b, err := sqlitequeue.Open(ctx, db, nil)
	if err != nil {
		_ = db.Close()
		return nil, nil, err
	}
	return b, func() { _ = b.Close(); _ = db.Close() }, nil
}
