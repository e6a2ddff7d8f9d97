package webhook

import (
	"context"
	"strconv"

	"github.com/antiphon-go/antiphon"
)

// Keys tell which keys a push may be signed with: the same always ([KeyRing],
// [ParseKeys]), or those of whoever pushes.
//
// A Request that comes is not verified yet, and has no Body that was looked at: let its
// URL or a field of its Header choose among keys, and nothing else. For one that leaves
// they are the keys to sign with.
//
// Concurrency: Keys is called by any number of goroutines. What it returns is not
// changed by anybody.
//
// Errors: no keys mean that there are none for this push, which is refused with
// ReasonKey. An error means that it could not be told.
type Keys interface {
	Keys(ctx context.Context, r Request) ([]Key, error)
}

// KeysFunc is a function as [Keys].
type KeysFunc func(ctx context.Context, r Request) ([]Key, error)

// Keys calls f.
func (f KeysFunc) Keys(ctx context.Context, r Request) ([]Key, error) { return f(ctx, r) }

// ring is the same keys always.
type ring []Key

func (k ring) Keys(context.Context, Request) ([]Key, error) { return k, nil }

// KeyRing returns Keys that are the same always. There must be one at least, and none
// that is zero.
//
// All of them verify. Schemes that carry several signatures sign with all of them, the
// others with the first that has not ended: put the newest first.
func KeyRing(keys ...Key) (Keys, error) {
	if len(keys) == 0 {
		return nil, misuse("key", "there is no key")
	}
	for i := range keys {
		if keys[i].of == nil {
			return nil, misuse("key", "key "+strconv.Itoa(i+1)+" is zero")
		}
	}
	return append(ring(nil), keys...), nil
}

// ParseKeys is [KeyRing] of what [ParseKey] makes of texts.
func ParseKeys(texts ...string) (Keys, error) {
	keys := make([]Key, len(texts))
	for i, text := range texts {
		var err error
		if keys[i], err = ParseKey(text); err != nil {
			return nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "key %d: %w", i+1, err)
		}
	}
	return KeyRing(keys...)
}

// keysFor are the keys for r, of which at least one has not ended. suits says which a
// scheme can use.
func keysFor(ctx context.Context, ks Keys, r Request, suits func(*keyMaterial) bool) ([]Key, error) {
	keys, err := ks.Keys(background(ctx), r)
	if err != nil {
		return nil, err
	}
	usable := false
	for i := range keys {
		switch k := &keys[i]; {
		case !k.usable(r.At):
		case !suits(k.of):
			return nil, errUnsuitable
		default:
			usable = true
		}
	}
	if !usable {
		return nil, errNoKey
	}
	return keys, nil
}
