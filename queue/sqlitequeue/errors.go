package sqlitequeue

import (
	"errors"
	"strings"

	"github.com/antiphon-go/antiphon"
)

// storeError gives err a code. None of what was asked was done.
func storeError(err error) error {
	var known antiphon.Describer
	if errors.As(err, &known) {
		return err
	}
	e := antiphon.Errorf(codeOf(err), "sqlitequeue: %w", err)
	e.Class = antiphon.ClassNotAccepted
	return e
}

// codeOf knows what to make of SQLite's texts: drivers have error types of their own,
// but all keep these.
func codeOf(err error) antiphon.Code {
	switch {
	case has(err, "disk is full", "SQLITE_FULL"):
		return antiphon.CodeResourceExhausted
	case has(err, "readonly database", "SQLITE_READONLY", "SQLITE_CANTOPEN", "unable to open database file"):
		return antiphon.CodeFailedPrecondition
	case has(err, "not a database", "SQLITE_NOTADB", "malformed", "SQLITE_CORRUPT"):
		return antiphon.CodeDataLoss
	}
	return antiphon.CodeUnavailable
}

func isBusy(err error) bool {
	return has(err, "database is locked", "database table is locked", "SQLITE_BUSY")
}

func has(err error, texts ...string) bool {
	for _, t := range texts {
		if strings.Contains(err.Error(), t) {
			return true
		}
	}
	return false
}
