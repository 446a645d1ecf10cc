package units

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bandwidth is a number of bits in a second. The zero value is no limit.
type Bandwidth int64

// bitUnits are those that tc(8) takes, the largest first.
var bitUnits = []struct {
	name string
	size int64
}{{"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}

// ParseBandwidth reads "2Mbit", "500kbit" or "1.5Gbit", with "/s" behind it or
// not, and a rate of bytes such as "10MB/s".
func ParseBandwidth(s string) (Bandwidth, error) {
	text := strings.TrimSuffix(strings.TrimSpace(s), "/s")
	for _, u := range bitUnits {
		if len(text) < len(u.name) || !strings.EqualFold(text[len(text)-len(u.name):], u.name) {
			continue
		}
		return bits(strings.TrimSpace(text[:len(text)-len(u.name)]), u.size, s)
	}
	r, err := ParseRate(s)
	switch {
	case errors.Is(err, ErrRange), err == nil && int64(r) > math.MaxInt64/8:
		return 0, ErrRange
	case err != nil || !strings.HasSuffix(strings.TrimSpace(s), "/s"):
		return 0, notBandwidth(s)
	}
	return Bandwidth(r) * 8, nil
}

func bits(number string, size int64, s string) (Bandwidth, error) {
	if number == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, notBandwidth(s)
	}
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil:
		return 0, notBandwidth(s)
	case n*float64(size) > 1e15:
		return 0, ErrRange
	}
	return Bandwidth(n * float64(size)), nil
}

func notBandwidth(s string) error {
	return fmt.Errorf("%q is not a number of bits a second such as 2Mbit or 500kbit", s)
}

// String returns b in the largest unit that divides it, "2Mbit".
func (b Bandwidth) String() string {
	for _, u := range bitUnits {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return "0bit"
}
