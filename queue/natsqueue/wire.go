package natsqueue

import (
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// format is the first byte of a record. Later releases append fields, which earlier ones
// do not read, or change it.
const format = 1

// A wire is a record as bytes. Writing appends to them, reading takes from them: strings
// are of any bytes, which JSON would not keep.
type wire struct {
	b      []byte
	broken bool
}

func (w *wire) putInt(n int64)    { w.b = binary.AppendVarint(w.b, n) }
func (w *wire) putText(s string)  { w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...) }
func (w *wire) putBytes(s []byte) { w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...) }
func (w *wire) putFlag(flags ...bool) {
	n := int64(0)
	for i, f := range flags {
		if f {
			n |= 1 << i
		}
	}
	w.putInt(n)
}

func (w *wire) int() int64 {
	n, size := binary.Varint(w.b)
	if size <= 0 {
		w.broken, w.b = true, nil
		return 0
	}
	w.b = w.b[size:]
	return n
}

func (w *wire) bytes() []byte {
	n, size := binary.Uvarint(w.b)
	if size <= 0 || n > uint64(len(w.b)-size) {
		w.broken, w.b = true, nil
		return nil
	}
	s := w.b[size : size+int(n) : size+int(n)]
	w.b = w.b[size+int(n):]
	if n == 0 {
		return nil
	}
	return s
}

func (w *wire) text() string { return string(w.bytes()) }

// encode is r as it is stored.
func (r *record) encode() ([]byte, error) {
	var why []byte
	if r.Err != nil {
		var err error
		if why, err = json.Marshal(r.Err); err != nil {
			return nil, err
		}
	}
	w := wire{b: make([]byte, 0, 256+len(why)+len(r.Payload)+len(r.Checkpoint)+len(r.Result)+len(r.Data))}
	w.b = append(w.b, format)
	for _, s := range [...]string{r.ID, r.Kind, r.Key, r.Unique, r.Group, string(r.State), r.Message, r.ContentType} {
		w.putText(s)
	}
	for _, n := range [...]int64{
		int64(r.Priority), int64(r.Phase), int64(r.Seq), r.Created, r.At, r.In, r.Expires, r.TTL, r.Keep,
		int64(r.Attempt), r.Fence, r.Settled, int64(r.How), int64(math.Float64bits(r.Percent)),
	} {
		w.putInt(n)
	}
	w.putFlag(r.Cancel, r.Reported)
	for _, b := range [...][]byte{r.Sum, why, r.Payload, r.Checkpoint, r.Result, r.Data} {
		w.putBytes(b)
	}
	w.putInt(int64(len(r.Header)))
	for k, v := range r.Header {
		w.putText(k)
		w.putText(v)
	}
	return w.b, nil
}

// decode reads what was stored as rev at a time.
func decode(b []byte, rev uint64, at int64) (*record, error) {
	switch {
	case len(b) == 0:
		return nil, errRecord
	case b[0] != format:
		return nil, unreadError(antiphon.CodeFailedPrecondition, "a record of format %d, which a later release wrote, or another program; this one reads format %d", b[0], format)
	}
	w := wire{b: b[1:]}
	r := &record{}
	state := ""
	for _, s := range [...]*string{&r.ID, &r.Kind, &r.Key, &r.Unique, &r.Group, &state, &r.Message, &r.ContentType} {
		*s = w.text()
	}
	r.State = antiphon.State(state)
	priority, is := w.int(), w.int()
	r.Priority, r.Phase, r.Seq = int(priority), phase(is), uint64(w.int())
	for _, n := range [...]*int64{&r.Created, &r.At, &r.In, &r.Expires, &r.TTL, &r.Keep} {
		*n = w.int()
	}
	r.Attempt, r.Fence, r.Settled, r.How = int(w.int()), w.int(), w.int(), driver.Outcome(w.int())
	r.Percent = math.Float64frombits(uint64(w.int()))
	flags := w.int()
	r.Cancel, r.Reported = flags&1 != 0, flags&2 != 0
	var why []byte
	for _, b := range [...]*[]byte{&r.Sum, &why, &r.Payload, &r.Checkpoint, &r.Result, &r.Data} {
		*b = w.bytes()
	}
	if n := w.int(); n > 0 {
		r.Header = map[string]string{} // grows as they come, however many it says
		for ; n > 0 && !w.broken; n-- {
			k := w.text()
			r.Header[k] = w.text()
		}
	}
	if why != nil {
		r.Err = &antiphon.Error{}
		w.broken = w.broken || json.Unmarshal(why, r.Err) != nil
	}
	if w.broken || is < int64(waiting) || is > int64(gone) {
		return nil, errRecord
	}
	r.stored(rev, at)
	return r, nil
}
