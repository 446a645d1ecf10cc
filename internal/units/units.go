// Package units reads amounts the way people write them: "512MiB", "1.5",
// "90s". Each type prints itself in the shortest form that reads back the same.
package units

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrRange is what errors.Is finds in the error of an amount that is well
// written, but larger than can be held.
var ErrRange = errors.New("out of range")

type rangeError struct{ text string }

func (e *rangeError) Error() string { return e.text }
func (e *rangeError) Unwrap() error { return ErrRange }

// Bytes is an amount of memory or storage in bytes.
type Bytes int64

var byteUnits = []struct {
	name string
	size int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3},
	{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"k", 1 << 10},
	{"B", 1},
}

// ParseBytes reads "512MiB" (powers of 1024), "512MB" (powers of 1000), "512M"
// (powers of 1024, as systemd and docker read it) or plain bytes "4096". A
// fraction is fine as long as the result is whole bytes: "1.5GiB".
func ParseBytes(s string) (Bytes, error) {
	number, unit := strings.TrimSpace(s), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if n < 0 {
			return 0, fmt.Errorf("%q is negative", s)
		}
		if n > math.MaxInt64/unit {
			return 0, tooManyBytes(s)
		}
		return Bytes(n * unit), nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(number, "eExXpP_") {
		return 0, fmt.Errorf("%q is not an amount of bytes such as 512MiB, 2GB or 4096", s)
	}
	f *= float64(unit)
	switch {
	case f < 0:
		return 0, fmt.Errorf("%q is negative", s)
	case f >= math.MaxInt64:
		return 0, tooManyBytes(s)
	case f != math.Trunc(f):
		return 0, fmt.Errorf("%q is not a whole number of bytes", s)
	}
	return Bytes(f), nil
}

func tooManyBytes(s string) error {
	return &rangeError{fmt.Sprintf("%q is more than %d bytes", s, int64(math.MaxInt64))}
}

// String returns b in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Duration is a span of time; text is read by time.ParseDuration, and must not
// be a bare number.
type Duration time.Duration

// ParseDuration reads "90s", "1m30s", "250ms". Negative spans are allowed; the
// key that takes one says whether they make sense. The longest span is that of
// 2^63 nanoseconds, 292 years.
func ParseDuration(s string) (Duration, error) {
	text := strings.TrimSpace(s)
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && isDuration(text):
		return 0, &rangeError{fmt.Sprintf("%q is longer than %dh, the longest span of time", s, int64(math.MaxInt64/time.Hour))}
	case err != nil || text == "0":
		return 0, fmt.Errorf("%q is not a span of time such as 90s, 1m30s or 250ms", s)
	}
	return Duration(d), nil
}

// isDuration reports whether only its size can be wrong with a span of time:
// package time says the same of both.
func isDuration(s string) bool {
	zeros := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return '0'
		}
		return r
	}, s)
	_, err := time.ParseDuration(zeros)
	return err == nil && zeros != "0"
}

// String returns d as "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// FileMode is the permission bits of a file, 0 to 07777. In text it is octal:
// "0755", "755" or "0o755".
type FileMode uint32

// ParseFileMode reads permission bits in octal.
func ParseFileMode(s string) (FileMode, error) {
	digits := strings.TrimPrefix(s, "0o")
	n, err := strconv.ParseUint(digits, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("%q is not an octal file mode from 0000 to 7777", s)
	}
	return FileMode(n), nil
}

// String returns m as four octal digits.
func (m FileMode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// Unlimited is the Limit that means "no limit".
const Unlimited = Limit(math.MaxInt64)

// Limit is the value of a resource limit (getrlimit(2)): a count, or an amount
// of bytes as ParseBytes reads it, or "infinity".
type Limit int64

// ParseLimit reads a count, an amount of bytes, or "infinity".
func ParseLimit(s string) (Limit, error) {
	if s == "infinity" || s == "unlimited" {
		return Unlimited, nil
	}
	b, err := ParseBytes(s)
	if errors.Is(err, ErrRange) {
		return 0, err
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a number, an amount of bytes such as 8MiB, or infinity", s)
	}
	return Limit(b), nil
}

// String returns l as ParseLimit reads it.
func (l Limit) String() string {
	if l == Unlimited {
		return "infinity"
	}
	return strconv.FormatInt(int64(l), 10)
}
