package units

import "testing"

func TestAmountsOfLimits(t *testing.T) {
	memory := func(s string) (interface{ String() string }, error) { return wrap(ParseMemory(s)) }
	rate := func(s string) (interface{ String() string }, error) { return wrap(ParseRate(s)) }
	pair := func(s string) (interface{ String() string }, error) { return wrap(ParseRlimit(s)) }
	times := func(s string) (interface{ String() string }, error) { return wrap(ParseTimeRlimit(s)) }
	for _, c := range []struct {
		kind  string
		parse func(string) (interface{ String() string }, error)
		text  string
		want  string // as it is shown; empty: it is refused
	}{
		{"memory", memory, "512MiB", "512MiB"}, {"memory", memory, "50%", "50%"}, {"memory", memory, " 12.5 %", ""}, {"memory", memory, "12.5%", "12.5%"},
		{"memory", memory, "100%", "100%"}, {"memory", memory, "0%", ""}, {"memory", memory, "101%", ""}, {"memory", memory, "-5%", ""}, {"memory", memory, "-5", ""},
		{"memory", memory, "much", ""}, {"memory", memory, "%", ""}, {"memory", memory, "99999999TiB", ""}, {"memory", memory, "nan%", ""}, {"memory", memory, "1e1%", ""},
		{"rate", rate, "10MB/s", "10MB/s"}, {"rate", rate, "10MiB/s", "10MiB/s"}, {"rate", rate, "10M", "10MiB/s"}, {"rate", rate, "1500", "1500B/s"}, {"rate", rate, "2kB/s", "2kB/s"},
		{"rate", rate, "0", "0B/s"}, {"rate", rate, "10Mbit/s", ""}, {"rate", rate, "10MB/m", ""}, {"rate", rate, "-1", ""}, {"rate", rate, "99999999TiB/s", ""},
		{"rlimit", pair, "1024", "1024"}, {"rlimit", pair, "1024:4096", "1024:4096"}, {"rlimit", pair, "1KiB:infinity", "1024:infinity"}, {"rlimit", pair, "unlimited", "infinity"},
		{"rlimit", pair, "2:1", ""}, {"rlimit", pair, "1:2:3", ""}, {"rlimit", pair, ":", ""}, {"rlimit", pair, "1:", ""}, {"rlimit", pair, "-1", ""}, {"rlimit", pair, "infinity:1", ""},
		{"time", times, "200ms", "200000"}, {"time", times, "5:7", "5:7"}, {"time", times, "1s:infinity", "1000000:infinity"}, {"time", times, "8MiB", ""}, {"time", times, "-1s", ""},
	} {
		got, err := c.parse(c.text)
		if (err == nil) != (c.want != "") || err == nil && got.String() != c.want {
			t.Errorf("%s %q: %v, %v", c.kind, c.text, got, err)
		}
	}
	for text, want := range map[string]float64{"1.5": 1.5, "150%": 1.5, " 50% ": 0.5, "2": 2, "0.25%": 0.0025} {
		if got, err := ParseCPUs(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "%", "two", "inf", "0x1p1", "1e3"} {
		if got, err := ParseCPUs(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	if got := Memory(-5000).Of(8 << 30); got > 4<<30 || got < 4<<30-10000 {
		t.Errorf("a half of 8GiB is %d", got)
	}
	if got := Memory(4096).Of(1); got != 4096 {
		t.Errorf("an amount is %d", got)
	}
}

func wrap[T interface{ String() string }](v T, err error) (interface{ String() string }, error) {
	return v, err
}

// What is read and shown reads back the same.
func FuzzLimits(f *testing.F) {
	for _, s := range []string{"512MiB", "50%", "10MB/s", "1:2", "infinity", "200ms:1s", "0.01%", "33.333%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := ParseMemory(s); err == nil {
			if again, err := ParseMemory(m.String()); err != nil || again != m {
				t.Errorf("%q is %v, then %v, %v", s, m, again, err)
			}
			if of := m.Of(1 << 40); of < 0 {
				t.Errorf("%q of 1TiB is %d", s, of)
			}
		}
		if r, err := ParseRate(s); err == nil {
			if again, err := ParseRate(r.String()); err != nil || again != r {
				t.Errorf("%q is %v, then %v, %v", s, r, again, err)
			}
		}
		for _, parse := range []func(string) (Rlimit, error){ParseRlimit, ParseTimeRlimit} {
			if l, err := parse(s); err == nil {
				if again, err := parse(l.String()); err != nil || again != l || l.Soft > l.Hard {
					t.Errorf("%q is %v, then %v, %v", s, l, again, err)
				}
			}
		}
	})
}
