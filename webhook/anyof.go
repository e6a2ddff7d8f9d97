package webhook

import "context"

// AnyOf is a Verifier that leaves each push to the first of vs that applies to it, which
// then decides alone: what it refuses is not shown to another. A [Scheme] applies if the
// fields that carry its signatures are there; a Verifier without a method
//
//	Applies(r Request) bool
//
// applies to everything. A push to which none applies is refused.
//
// Whoever pushes chooses by the fields they send: everything in vs must be good enough
// on its own.
func AnyOf(vs ...Verifier) Verifier { return anyOf(append([]Verifier(nil), vs...)) }

type anyOf []Verifier

func (vs anyOf) of(r Request) (Verifier, error) {
	for _, v := range vs {
		if a, ok := v.(interface{ Applies(Request) bool }); v != nil && (!ok || a.Applies(r)) {
			return v, nil
		}
	}
	return nil, errMissing
}

// Applies says that one of them applies.
func (vs anyOf) Applies(r Request) bool {
	_, err := vs.of(r)
	return err == nil
}

// Precheck is that of the one that applies.
func (vs anyOf) Precheck(r Request) error {
	v, err := vs.of(r)
	if early, ok := v.(Prechecker); ok {
		return early.Precheck(r)
	}
	return err
}

// Verify is that of the one that applies.
func (vs anyOf) Verify(ctx context.Context, r Request) (Message, error) {
	v, err := vs.of(r)
	if err != nil {
		return Message{}, err
	}
	return v.Verify(ctx, r)
}
