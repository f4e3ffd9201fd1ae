package des

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Stream is the random stream of a name under a seed: a PCG that starts from the first 16 bytes of SHA-256(seed, big-endian in eight
// bytes; name). Each purpose of each entity has a name of its own, so that drawing more for one leaves the others as they were.
func Stream(seed uint64, name string) *rand.Rand {
	s := Source(seed, name)
	return rand.New(&s) //nolint:gosec // repeatable on purpose
}

// Source is what Stream draws from, for who keeps it in place.
func Source(seed uint64, name string) rand.PCG {
	key := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, seed), name...))
	return *rand.NewPCG(binary.BigEndian.Uint64(key[:8]), binary.BigEndian.Uint64(key[8:16]))
}
