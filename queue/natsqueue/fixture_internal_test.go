package natsqueue

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

var makeFixture = flag.Bool("fixture", false, "write testdata/v1.txt anew, which is for a new format of the records only")

const fixture = "testdata/v1.txt"

// firstRelease is what is in the fixture: a job of each kind, with all that it can have.
func firstRelease() []*record {
	failed := &antiphon.Error{
		Code: antiphon.CodeNotFound, Class: antiphon.ClassFailed, Reason: "shop.sold_out", Message: "sold out",
		Details: map[string]string{"item": "7"}, Permanent: true, RetryAfter: time.Second,
	}
	header := map[string]string{"from": "the first release", "": "\xff"}
	return []*record{
		{ID: "put", Kind: "order", Header: header, Key: "key", Sum: sum([]byte("payload")), Unique: "unique", Group: "group", Priority: -7, In: 1e9, TTL: 1e17, Keep: 1e18, Payload: []byte("payload")},
		{ID: "leased", Seq: 3, Created: 1e18, Expires: 4e18, TTL: 3e18, Phase: leased, In: 3e10, Attempt: 2, Fence: 3, Settled: 2, How: driver.Retry, Cancel: true, Reported: true, Err: failed, Percent: 12.5, Message: "halfway", Payload: []byte{0, 255}, Checkpoint: []byte("checkpoint"), Data: []byte("data")},
		{ID: "extended", Seq: 4, Created: 1e18, Phase: leased, At: 4e18, Attempt: 1, Fence: 1, Payload: []byte("payload")},
		{ID: "ended", Seq: 5, Created: 1e18, Phase: ended, Keep: 4e18, State: antiphon.StateSucceeded, Attempt: 1, Fence: 1, Settled: 1, ContentType: "application/json", Result: []byte("{}")},
		{ID: "dead", Seq: 6, Created: 1e18, Phase: dead, State: antiphon.StateFailed, Err: failed, Attempt: 20, Fence: 21, Settled: 21, How: driver.Bury, Payload: []byte("payload")},
		{ID: "gone", Seq: 7, Phase: gone},
	}
}

// What the first release has stored is read by this one.
func TestQ14_WhatTheFirstReleaseStored(t *testing.T) {
	if *makeFixture {
		furnish(t)
	}
	stored, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		q := alone(func(e antiphon.Event) { t.Errorf("%+v", e) })
		defer q.b.die()
		s := &store{seq: 10, has: map[string]message{}}
		for line := range strings.Lines(string(stored)) {
			subject, data, _ := strings.Cut(strings.TrimSpace(line), " ")
			raw, err := base64.StdEncoding.DecodeString(data)
			if err != nil {
				t.Fatal(err)
			}
			q.receive(s.write(q.prefix+subject, raw))
		}
		for i, want := range firstRelease() {
			want.stored(uint64(11+i), time.Now().UnixNano())
			j := q.jobs[want.ID]
			if want.Phase == gone {
				if g := q.gates[q.b.subject("q", "j", want.ID)]; j != nil || g.rev != want.rev {
					t.Errorf("%s: %+v, %+v", want.ID, j, g)
				}
				continue
			}
			if j == nil {
				t.Fatalf("%s is not there", want.ID)
			}
			if !reflect.DeepEqual(j.record, want) {
				t.Errorf("%s: %+v, want %+v", want.ID, j.record, want)
			}
		}
		if h := q.holds["name"]; h.ID != "put" || h.For != 1e12 {
			t.Errorf("the unique name: %+v", h)
		}
		if !q.paused || q.keys["key"] != q.jobs["put"] || q.uniques["unique"] != q.jobs["put"] {
			t.Errorf("paused %v, keys %v, unique names %v", q.paused, q.keys, q.uniques)
		}
	})
}

// A later release has written a job in a format of its own, and fields into another that
// this one does not know: the one is left alone and stands in nobody's way, the other is
// read but for them.
func TestQ14_ALaterReleaseBesideThisOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		q := alone(func(e antiphon.Event) {
			if told++; e.Name != "nats.unread" || e.ID != "later" || antiphon.CodeOf(e.Err) != antiphon.CodeFailedPrecondition {
				t.Errorf("%+v", e)
			}
		})
		defer q.b.die()
		s := &store{has: map[string]message{}}
		stored := func(id string, change func([]byte) []byte) {
			data := encoded(t, &record{ID: id, Key: "key of " + id, Unique: "name of " + id, Group: "group"})
			q.receive(s.write(q.b.subject("q", "j", id), change(data)))
		}
		stored("later", func(b []byte) []byte { b[0] = format + 1; return b })
		stored("longer", func(b []byte) []byte { return append(b, "what this release does not know"...) })
		sound(t, q, s.records(q))
		if told != 1 || q.keys["key of later"] != nil || q.uniques["name of later"] != nil {
			t.Errorf("told %d times; keys %v, unique names %v", told, q.keys, q.uniques)
		}
		now := q.b.now()
		later := q.find("later", now)
		if later == nil || antiphon.ClassOf(later.Err) != antiphon.ClassUnknown || q.passage("later", now) != nil {
			t.Errorf("the job of the later release: %+v", later)
		}
		picked, _ := q.pick(2, time.Second)
		if len(picked) != 1 || picked[0].ID != "longer" {
			t.Fatalf("picked %+v", picked)
		}
		if want := encoded(t, picked[0].copy()); bytes.Contains(want, []byte("does not know")) {
			t.Error("written with what is not known")
		}
	})
}

// furnish writes the fixture in the format as it is.
func furnish(t *testing.T) {
	q := alone(nil)
	defer q.b.die()
	var b strings.Builder
	line := func(subject string, data []byte) {
		b.WriteString(strings.TrimPrefix(subject, q.prefix) + " " + base64.StdEncoding.EncodeToString(data) + "\n")
	}
	for _, r := range firstRelease() {
		line(q.b.subject("q", "j", r.ID), encoded(t, r))
	}
	held, err := json.Marshal(hold{Name: []byte("name"), ID: "put", For: 1e12})
	if err != nil {
		t.Fatal(err)
	}
	line(q.b.subject("q", "u", "name"), held)
	line(q.b.subject("q", "k", "key"), []byte("{}"))
	line(q.b.subject("q", "c", ""), []byte("paused"))
	if err := os.WriteFile(fixture, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}
