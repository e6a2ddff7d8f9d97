package webhook

import (
	"crypto/ed25519"
	"math/big"
	"slices"
)

// The field and the curve of Ed25519 (RFC 8032, section 5.1).
var (
	edwardsP = func() *big.Int {
		p := new(big.Int).Lsh(big.NewInt(1), 255)
		return p.Sub(p, big.NewInt(19))
	}()
	edwardsD = func() *big.Int {
		d := new(big.Int).ModInverse(big.NewInt(121666), edwardsP)
		d.Mul(d, big.NewInt(-121665))
		return d.Mod(d, edwardsP)
	}()
)

// soundPoint says that key is a point of the curve in its one encoding, and not one of
// the eight of small order: with such a key, anybody can sign anything.
func soundPoint(key []byte) bool {
	if len(key) != ed25519.PublicKeySize {
		return false
	}
	be := slices.Clone(key)
	slices.Reverse(be)
	be[0] &= 0x7f // the sign of x, which small order does not depend on
	y := new(big.Int).SetBytes(be)
	if y.Cmp(edwardsP) >= 0 {
		return false
	}
	mod := func(n *big.Int) *big.Int { return n.Mod(n, edwardsP) }
	mul := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, b)) }
	over := func(a, b *big.Int) *big.Int { return mul(a, new(big.Int).ModInverse(b, edwardsP)) }
	one := big.NewInt(1)

	// x² = (y² - 1) / (d·y² + 1)
	y2 := mul(y, y)
	x := new(big.Int).ModSqrt(over(mod(new(big.Int).Sub(y2, one)), mod(new(big.Int).Add(mul(edwardsD, y2), one))), edwardsP)
	if x == nil {
		return false
	}
	for range 3 { // eight times the point
		xy, x2, y2 := mul(x, y), mul(x, x), mul(y, y)
		t := mul(edwardsD, mul(x2, y2))
		x = over(mod(new(big.Int).Lsh(xy, 1)), mod(new(big.Int).Add(one, t)))
		y = over(mod(new(big.Int).Add(x2, y2)), mod(new(big.Int).Sub(one, t)))
	}
	return x.Sign() != 0 || y.Cmp(one) != 0
}
