package natsqueue

import "github.com/antiphon-go/antiphon"

// errRecord: a record is none.
var errRecord = unreadError(antiphon.CodeDataLoss, "a record that cannot be read")

// unreadError says why something in the bucket cannot be read. Nobody knows what became
// of the job, and nothing that is tried here changes that.
func unreadError(code antiphon.Code, text string, args ...any) *antiphon.Error {
	e := antiphon.Errorf(code, "natsqueue: "+text, args...)
	e.Class, e.Reason, e.Permanent = antiphon.ClassUnknown, "nats.unread", true
	return e
}

// read reads what is stored as the job of an ID. It returns a record in any case: a job
// whose record cannot be read has failed as far as anybody here can tell, and is left as
// it is.
func read(id string, data []byte, rev uint64, at int64) (*record, error) {
	if len(data) == 0 { // deleted by hand
		return &record{ID: id, Phase: gone, Seq: rev, rev: rev, updated: at}, nil
	}
	r, err := decode(data, rev, at)
	if err == nil && r.ID != id {
		err = unreadError(antiphon.CodeDataLoss, "a record of job %.64s in the place of job %.64s", r.ID, id)
	}
	if err != nil {
		return &record{
			ID: id, Phase: unread, Seq: rev, Created: at, At: at,
			State: antiphon.StateFailed, Err: antiphon.FromError(err), rev: rev, updated: at,
		}, err
	}
	return r, nil
}
