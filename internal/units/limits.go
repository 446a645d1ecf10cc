package units

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Memory is an amount of memory in bytes or, where it is negative, a share of
// the machine's memory in hundredths of a percent: -5000 is a half.
type Memory int64

// ParseMemory reads an amount as ParseBytes does, or "50%", a share of the
// machine's memory.
func ParseMemory(s string) (Memory, error) {
	number, share := strings.CutSuffix(strings.TrimSpace(s), "%")
	if !share {
		b, err := ParseBytes(s)
		if err != nil && !errors.Is(err, ErrRange) && !strings.HasSuffix(err.Error(), "is negative") {
			return 0, fmt.Errorf("%q is not an amount of memory such as 512MiB or 2GB, or a share of the machine's such as 50%%", s)
		}
		return Memory(b), err
	}
	f, err := parsePlain(number)
	if err != nil || f < 0.01 || f > 100 {
		return 0, fmt.Errorf("%q is not a share of the machine's memory, from 0.01%% to 100%%", s)
	}
	return Memory(-math.Round(f * 100)), nil
}

// Of returns the amount on a machine with this many bytes of memory.
func (m Memory) Of(machine int64) Bytes {
	if m >= 0 {
		return Bytes(m)
	}
	return Bytes(machine / 10000 * -int64(m))
}

// String returns m as ParseMemory reads it.
func (m Memory) String() string {
	if m >= 0 {
		return Bytes(m).String()
	}
	return strconv.FormatFloat(float64(-m)/100, 'f', -1, 64) + "%"
}

// ParseCPUs reads a number of CPUs, "1.5", or "150%", in percent of one CPU as
// systemd's CPUQuota= has it.
func ParseCPUs(s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := parsePlain(number)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of CPUs such as 1.5, or 150%%", s)
	}
	if percent {
		f /= 100
	}
	return f, nil
}

// parsePlain reads a number with digits, a sign and a point only.
func parsePlain(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(s, "eExXpP_") {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return f, nil
}

// Rate is a number of bytes a second.
type Rate int64

// ParseRate reads an amount as ParseBytes does, with "/s" behind it or not.
func ParseRate(s string) (Rate, error) {
	b, err := ParseBytes(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	switch {
	case errors.Is(err, ErrRange):
		return 0, err
	case err != nil:
		return 0, fmt.Errorf("%q is not a number of bytes a second such as 10MB/s", s)
	}
	return Rate(b), nil
}

// String returns r in the largest unit that divides it, "10MB/s".
func (r Rate) String() string {
	if binary := Bytes(r).String(); strings.HasSuffix(binary, "iB") {
		return binary + "/s"
	}
	for _, u := range byteUnits[4:8] {
		if r != 0 && int64(r)%u.size == 0 {
			return strconv.FormatInt(int64(r)/u.size, 10) + u.name + "/s"
		}
	}
	return strconv.FormatInt(int64(r), 10) + "B/s"
}

// Rlimit is a soft and a hard resource limit (getrlimit(2)).
type Rlimit struct{ Soft, Hard Limit }

// SameRlimit is an Rlimit whose soft and hard limits are the same.
func SameRlimit(n Limit) *Rlimit { return &Rlimit{n, n} }

// ParseRlimit reads one limit for both, or "SOFT:HARD", each as ParseLimit does.
func ParseRlimit(s string) (Rlimit, error) { return parseRlimit(s, ParseLimit) }

// ParseTimeRlimit is ParseRlimit for a limit in microseconds; an amount may be a
// span of time, "200ms", too.
func ParseTimeRlimit(s string) (Rlimit, error) {
	return parseRlimit(s, func(s string) (Limit, error) {
		if d, err := ParseDuration(s); err == nil && d >= 0 {
			return Limit(d / 1000), nil
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 || s == "infinity" || s == "unlimited" {
			return ParseLimit(s)
		}
		return 0, fmt.Errorf("%q is not a span of time such as 200ms, a number of microseconds, or infinity", s)
	})
}

func parseRlimit(s string, parse func(string) (Limit, error)) (Rlimit, error) {
	soft, hard, both := strings.Cut(strings.TrimSpace(s), ":")
	if !both {
		hard = soft
	}
	low, err := parse(soft)
	if err != nil {
		return Rlimit{}, err
	}
	high, err := parse(hard)
	if err != nil {
		return Rlimit{}, err
	}
	if low > high {
		return Rlimit{}, fmt.Errorf("in %q the soft limit is above the hard one", s)
	}
	return Rlimit{low, high}, nil
}

// String returns l as ParseRlimit reads it.
func (l Rlimit) String() string {
	if l.Soft == l.Hard {
		return l.Soft.String()
	}
	return l.Soft.String() + ":" + l.Hard.String()
}
