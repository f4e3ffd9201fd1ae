package pace

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Key is SHA-256(seed, big-endian in eight bytes; name).
func Key(seed uint64, name string) [sha256.Size]byte {
	b := make([]byte, 0, 8+len(name))
	b = binary.BigEndian.AppendUint64(b, seed)
	return sha256.Sum256(append(b, name...))
}

// Stream is a random stream of its own for a seed and a name: a PCG that starts from the first 16 bytes of Key.
// A Stream is for one goroutine.
func Stream(seed uint64, name string) *rand.Rand {
	key := Key(seed, name)
	//nolint:gosec // repeatable on purpose
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(key[:8]), binary.BigEndian.Uint64(key[8:16])))
}
