package sqlitequeue

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/antiphon-go/antiphon"
)

// migrations bring a database from one version to the next. They are never changed,
// only added to.
var migrations = [...]string{`
CREATE TABLE antiphon_jobs (          -- those that have not ended
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	queue        TEXT NOT NULL,
	id           TEXT NOT NULL UNIQUE,
	kind         TEXT NOT NULL,
	payload      BLOB,
	header       BLOB,                -- names and values in turn, each after its length as an unsigned varint
	key          TEXT,
	uniq         TEXT,
	uniq_until   INTEGER NOT NULL,
	grp          TEXT,
	priority     INTEGER NOT NULL,
	created      INTEGER NOT NULL,    -- times are milliseconds since 1970
	updated      INTEGER NOT NULL,
	due          INTEGER NOT NULL,    -- when it will be ready, or when its lease ends
	since        INTEGER NOT NULL,    -- its place among the ready ones: microseconds since 1970, or 0 to be first
	expires      INTEGER NOT NULL,    -- 0 for never
	keep         INTEGER NOT NULL,    -- milliseconds
	state        INTEGER NOT NULL,    -- 0 ready, 1 leased, 2 delayed, 3 behind its group
	attempt      INTEGER NOT NULL DEFAULT 0,
	fence        INTEGER NOT NULL DEFAULT 0,
	settled      INTEGER NOT NULL DEFAULT 0, -- the last fence that its holder gave up
	version      INTEGER NOT NULL DEFAULT 1,
	cancel       INTEGER NOT NULL DEFAULT 0,
	reported     INTEGER NOT NULL DEFAULT 0, -- counts reports, over all jobs
	percent      REAL NOT NULL DEFAULT 0,
	message      TEXT NOT NULL DEFAULT '',
	data         BLOB,
	checkpoint   BLOB,
	err          TEXT                 -- of the last attempt, as JSON
);
CREATE INDEX antiphon_ready    ON antiphon_jobs (queue, priority DESC, since, seq) WHERE state = 0;
CREATE INDEX antiphon_timed    ON antiphon_jobs (queue, due) WHERE state IN (1, 2);
CREATE INDEX antiphon_expiring ON antiphon_jobs (queue, expires) WHERE expires > 0 AND state <> 1;
CREATE INDEX antiphon_keys     ON antiphon_jobs (queue, key) WHERE key IS NOT NULL;
CREATE INDEX antiphon_uniques  ON antiphon_jobs (queue, uniq) WHERE uniq IS NOT NULL;
CREATE INDEX antiphon_groups   ON antiphon_jobs (queue, grp, seq) WHERE grp IS NOT NULL;
CREATE INDEX antiphon_wishes   ON antiphon_jobs (queue, seq) WHERE cancel = 1;
CREATE INDEX antiphon_reports  ON antiphon_jobs (queue, reported) WHERE reported > 0;

CREATE TABLE antiphon_ended (         -- those that have
	nth          INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which they did
	seq          INTEGER NOT NULL,
	queue        TEXT NOT NULL,
	id           TEXT NOT NULL UNIQUE,
	kind         TEXT NOT NULL,
	payload      BLOB,                -- of dead letters, and of those with a key
	header       BLOB,
	key          TEXT,
	uniq         TEXT,
	uniq_until   INTEGER NOT NULL,
	grp          TEXT,
	priority     INTEGER NOT NULL,
	created      INTEGER NOT NULL,
	ended        INTEGER NOT NULL,
	expires      INTEGER NOT NULL,    -- when it is forgotten, 0 for never
	keep         INTEGER NOT NULL,
	state        TEXT NOT NULL,
	dead         INTEGER NOT NULL,
	attempt      INTEGER NOT NULL,
	fence        INTEGER NOT NULL,    -- the last, if its holder ended it, else 0
	version      INTEGER NOT NULL,
	cancel       INTEGER NOT NULL,
	percent      REAL NOT NULL,
	message      TEXT NOT NULL,
	data         BLOB,
	result       BLOB,
	content_type TEXT NOT NULL,
	err          TEXT
);
CREATE INDEX antiphon_forgetting   ON antiphon_ended (queue, expires) WHERE expires > 0;
CREATE INDEX antiphon_dead         ON antiphon_ended (queue, nth) WHERE dead = 1;
CREATE INDEX antiphon_news         ON antiphon_ended (queue, nth);
CREATE INDEX antiphon_ended_keys   ON antiphon_ended (queue, key) WHERE key IS NOT NULL;
CREATE INDEX antiphon_ended_unique ON antiphon_ended (queue, uniq) WHERE uniq IS NOT NULL;

CREATE TABLE antiphon_queues (
	queue     TEXT PRIMARY KEY,
	paused    INTEGER NOT NULL DEFAULT 0,
	waiting   INTEGER NOT NULL DEFAULT 0, -- jobs that have not ended and are not leased
	taken     INTEGER NOT NULL DEFAULT 0,
	succeeded INTEGER NOT NULL DEFAULT 0,
	failed    INTEGER NOT NULL DEFAULT 0,
	canceled  INTEGER NOT NULL DEFAULT 0,
	expired   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE antiphon_reports_made (n INTEGER NOT NULL);
INSERT INTO antiphon_reports_made VALUES (0);
`}

// The states of a job that has not ended.
const (
	ready   = 0
	leased  = 1
	delayed = 2
	blocked = 3
)

// migrate brings the tables up to date. conn is ours alone.
func migrate(ctx context.Context, conn *sql.Conn) (err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
	}()
	if _, err := conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS antiphon_schema (version INTEGER NOT NULL)"); err != nil {
		return err
	}
	version := 0
	err = conn.QueryRowContext(ctx, "SELECT version FROM antiphon_schema").Scan(&version)
	if err == sql.ErrNoRows {
		_, err = conn.ExecContext(ctx, "INSERT INTO antiphon_schema VALUES (0)")
	}
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return antiphon.Errorf(antiphon.CodeFailedPrecondition,
			"sqlitequeue: the tables are of version %d, and this release knows %d: use a later one", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if _, err := conn.ExecContext(ctx, migrations[version]); err != nil {
			return fmt.Errorf("migrating to version %d: %w", version+1, err)
		}
	}
	if _, err := conn.ExecContext(ctx, "UPDATE antiphon_schema SET version = ?", version); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}
