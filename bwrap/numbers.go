package bwrap

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// natural reads a descriptor or an id as bubblewrap does: strtol(3), cut to 32
// bits.
func natural(value, what string) (int, error) {
	n, err := strconv.ParseInt(strings.TrimLeft(value, space), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || int32(n) < 0 {
		return 0, message("Invalid " + what + ": " + value)
	}
	return int(int32(n)), nil
}

// space is what strtol(3) skips.
const space = " \t\n\v\f\r"

// octal reads permissions with strtoul(3), which takes a sign and wraps around.
func octal(option, value string) (*int, error) {
	digits, negative := strings.CutPrefix(strings.TrimLeft(value, space), "-")
	if !negative {
		digits = strings.TrimPrefix(digits, "+")
	}
	n, err := strconv.ParseUint(digits, 8, 64)
	if negative {
		n = -n
	}
	if err != nil || n > 0o7777 {
		return nil, message(option + " takes an octal argument <= 07777")
	}
	perms := int(n)
	return &perms, nil
}

// size reads a number of bytes, in C's bases: 10, 16, 8 and, since C23, 2.
func size(value string) (int64, error) {
	n, rest, err := leadingNumber(value)
	switch {
	case err != nil || rest != "" || n == 0:
		return 0, message("--size takes a non-zero number of bytes")
	case n > math.MaxInt64:
		return 0, message("--size (for tmpfs) is limited to " + strconv.Itoa(math.MaxInt64))
	}
	return int64(n), nil
}

// leadingNumber reads digits as strtoul(3) does in base 0, and returns what
// follows them: all of s where there are none.
func leadingNumber(s string) (n uint64, rest string, err error) {
	base, digits, from := 10, "0123456789", 0
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") && strings.IndexByte(hexDigits, s[2]) >= 0:
		base, digits, from = 16, hexDigits, 2
	case len(s) > 2 && (s[:2] == "0b" || s[:2] == "0B") && (s[2] == '0' || s[2] == '1'):
		base, digits, from = 2, "01", 2
	case strings.HasPrefix(s, "0"):
		base, digits = 8, "01234567"
	}
	rest = strings.TrimLeft(s[from:], digits)
	if rest == s {
		return 0, s, strconv.ErrSyntax
	}
	n, err = strconv.ParseUint(s[from:len(s)-len(rest)], base, 64)
	return n, rest, err
}

const hexDigits = "0123456789abcdefABCDEF"
