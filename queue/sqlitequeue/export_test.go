package sqlitequeue

import (
	"context"
	"fmt"
)

// MaxPages bounds the size of the file for the connection that writes.
func (b *Backend) MaxPages(n int) error {
	return b.do(context.Background(), "", func(t *tx) error {
		_, err := t.row(fmt.Sprintf("PRAGMA max_page_count = %d", n), nil, new(int))
		return err
	})
}

// Break has the database refuse jobs of a kind.
func (b *Backend) Break(kind string) error {
	_, err := b.db.Exec("CREATE TRIGGER breaks BEFORE INSERT ON antiphon_jobs WHEN NEW.kind = '" + kind + "' BEGIN SELECT RAISE(ABORT, 'broken'); END")
	return err
}

// Spoil makes the header of a job one that cannot be read.
func (b *Backend) Spoil(id string) error {
	_, err := b.db.Exec("UPDATE antiphon_jobs SET header = x'ff' WHERE id = ?", id)
	return err
}
