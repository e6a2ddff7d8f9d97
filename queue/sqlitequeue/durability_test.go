package sqlitequeue_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/antiphon-go/antiphon/internal/child"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// What is stated is what the database says of itself.
func TestQ15_Stated(t *testing.T) {
	for sync, want := range map[sqlitequeue.Synchronous]queue.Durability{sqlitequeue.Full: queue.PowerLoss, sqlitequeue.Normal: queue.ProcessKill} {
		b := open(t, filepath.Join(t.TempDir(), "jobs.db"), &sqlitequeue.Options{Synchronous: sync})
		if got := b.Capabilities().Durability; got != want {
			t.Errorf("%v: %v, want %v", sync, got, want)
		}
		_, err := queue.New[int, int]("q", b, &queue.Options{Durability: queue.PowerLoss})
		if (err == nil) != (want == queue.PowerLoss) {
			t.Errorf("%v: a queue that is to survive the loss of power: %v", sync, err)
		}
	}
}

// Between a request and its answer the disk has been told to keep it: with Full each
// time, with Normal not.
func TestQ15_SyncedBeforeAccepted(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT CHECKED: that Full syncs before it accepts; install strace")
		}
		t.Skip("NOT CHECKED: that Full syncs before it accepts; strace is not installed")
	}
	const n = 20
	for name, full := range map[string]bool{"full": true, "normal": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			trace := filepath.Join(dir, "trace")
			c := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-e", "trace=fsync,fdatasync,write", "-s", "16", "-o", trace, os.Args[0])
			c.Env = append(os.Environ(), "SQLITEQUEUE_ROLE=accept", "SQLITEQUEUE_FILE="+filepath.Join(dir, "jobs.db"), fmt.Sprintf("SQLITEQUEUE_FULL=%v", full))
			if out, err := c.CombinedOutput(); err != nil {
				if bytes.Contains(out, []byte("ptrace")) || bytes.Contains(out, []byte("PTRACE")) {
					t.Skipf("NOT CHECKED: that Full syncs before it accepts; strace may not trace here: %s", out)
				}
				t.Fatalf("%v: %s", err, out)
			}
			b, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			asked, synced, syncs, answers := false, 0, 0, 0
			for _, m := range regexp.MustCompile(`(f(?:data)?sync)\(|write\(1, "(ask|accepted)`).FindAllSubmatch(b, -1) {
				switch {
				case len(m[1]) > 0:
					synced++
				case string(m[2]) == "ask":
					asked, synced = true, 0
				case asked:
					answers++
					syncs += min(synced, 1)
					asked = false
				}
			}
			if answers != n {
				t.Fatalf("%d answers in the trace, want %d", answers, n)
			}
			t.Logf("%d of %d jobs were synced between request and answer", syncs, n)
			if full && syncs != n || !full && syncs > n/2 {
				t.Errorf("%d of %d jobs were synced between request and answer", syncs, n)
			}
		})
	}
}

// beAccepted puts jobs one by one, and says when it asks and when they are accepted.
func beAccepted(path string) {
	db, err := openFile("sqlite", path)
	child.Must(err)
	o := &sqlitequeue.Options{Synchronous: sqlitequeue.Normal}
	if os.Getenv("SQLITEQUEUE_FULL") == "true" {
		o.Synchronous = sqlitequeue.Full
	}
	b, err := sqlitequeue.Open(context.Background(), db, o)
	child.Must(err)
	for i := range 20 {
		fmt.Println("ask")
		_, err := b.Put(context.Background(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: fmt.Sprint(i)}}})
		child.Must(err)
		fmt.Println("accepted")
	}
	child.Must(b.Close())
}
