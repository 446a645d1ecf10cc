package seccomp

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

// filters are those that this process has compiled, found by the hash of all that
// went in and compared with it whole. A program that starts many sandboxes compiles
// each of its filters once.
var filters = struct {
	sync.Mutex
	of map[string][]byte
}{of: map[string][]byte{}}

// maxFilters is how many are kept: a program that makes up a new filter for each
// sandbox must not grow.
const maxFilters = 64

// remembered returns the filter of c and x, for which it calls compile at most once.
// What fails is not remembered. The result is the caller's own.
func remembered(c Config, x Context, asks bool, compile func() ([]byte, error)) ([]byte, error) {
	key := key(c, x, asks)
	filters.Lock()
	filter, ok := filters.of[key]
	filters.Unlock()
	if !ok {
		var err error
		if filter, err = compile(); err != nil {
			return nil, err
		}
		filters.Lock()
		if len(filters.of) >= maxFilters {
			clear(filters.of)
		}
		filters.of[key] = filter
		filters.Unlock()
	}
	return slices.Clone(filter), nil
}

// key holds all that a filter depends on, each piece with its length.
func key(c Config, x Context, asks bool) string {
	var b strings.Builder
	b.Grow(256 + len(x.Imported))
	number := func(n uint64) {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], n)
		b.Write(word[:])
	}
	text := func(s string) {
		number(uint64(len(s)))
		b.WriteString(s)
	}
	list := func(all []string) {
		number(uint64(len(all)))
		for _, s := range all {
			text(s)
		}
	}
	bits := uint64(0)
	for i, on := range [...]bool{c.Compat, asks, x.NestedUserns, x.SharedPID, x.Bare, x.NoNetwork, x.NoTruncate} {
		if on {
			bits |= 1 << i
		}
	}
	number(bits)
	number(x.Capabilities)
	for _, s := range [...]string{c.Base, c.File, c.Errno, x.Arch} {
		text(s)
	}
	list(c.Allow)
	list(c.Deny)
	list(c.Log)
	number(uint64(len(x.Imported)))
	b.Write(x.Imported)
	return b.String()
}
