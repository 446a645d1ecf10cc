package units

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What is only too large is not said to be badly written.
func TestTooLarge(t *testing.T) {
	parse := map[string]func(string) error{
		"duration": func(s string) error { _, err := ParseDuration(s); return err },
		"bytes":    func(s string) error { _, err := ParseBytes(s); return err },
		"limit":    func(s string) error { _, err := ParseLimit(s); return err },
	}
	for _, c := range []struct {
		kind, text, says string
		large            bool
	}{
		{"duration", "2562048h", "is longer than 2562047h", true},
		{"duration", " 999999999h ", "is longer than 2562047h", true},
		{"duration", "-999999999h1m", "is longer than", true},
		{"duration", "99999999999999999999999s", "is longer than", true},
		{"duration", "9999999999999999", "is not a span of time", false},
		{"duration", "0", "is not a span of time", false},
		{"duration", "1 h", "is not a span of time", false},
		{"duration", "99999999999parsecs", "is not a span of time", false},
		{"bytes", "99999999TiB", "is more than 9223372036854775807 bytes", true},
		{"bytes", "99999999999999999999", "is more than", true},
		{"bytes", "9223372036854775808.0", "is more than", true},
		{"bytes", "many", "is not an amount", false},
		{"bytes", "-1", "is negative", false},
		{"limit", "18446744073709551615", "is more than", true},
		{"limit", "many", "is not a number", false},
	} {
		err := parse[c.kind](c.text)
		if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, ErrRange) != c.large {
			t.Errorf("%s %q: %v", c.kind, c.text, err)
		}
	}
	if d, err := ParseDuration("2562047h47m16.854775807s"); err != nil || time.Duration(d) != 1<<63-1 {
		t.Errorf("the longest: %v, %v", d, err)
	}
}
