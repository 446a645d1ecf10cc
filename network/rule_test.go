package network

import (
	"net/netip"
	"testing"
)

func TestRulesAreRead(t *testing.T) {
	for text, want := range map[string]Rule{
		"Example.org.":          {Name: "example.org"},
		"*.debian.org:443":      {Name: "debian.org", Below: true, Ports: Ports{443, 443}},
		"a.example:8000-8010":   {Name: "a.example", Ports: Ports{8000, 8010}},
		"a.example:53/udp":      {Name: "a.example", Ports: Ports{53, 53}, Protocol: UDP},
		"a.example/icmp":        {Name: "a.example", Protocol: ICMP},
		"10.0.0.0/8":            {Prefix: netip.MustParsePrefix("10.0.0.0/8")},
		"10.0.0.0/8:443/tcp":    {Prefix: netip.MustParsePrefix("10.0.0.0/8"), Ports: Ports{443, 443}, Protocol: TCP},
		"10.0.0.0/8/udp":        {Prefix: netip.MustParsePrefix("10.0.0.0/8"), Protocol: UDP},
		"192.0.2.1:80":          {Prefix: netip.MustParsePrefix("192.0.2.1/32"), Ports: Ports{80, 80}},
		"2001:db8::1":           {Prefix: netip.MustParsePrefix("2001:db8::1/128")},
		"2001:db8::/32":         {Prefix: netip.MustParsePrefix("2001:db8::/32")},
		"[2001:db8::1]:443":     {Prefix: netip.MustParsePrefix("2001:db8::1/128"), Ports: Ports{443, 443}},
		"[2001:db8::]/32:443":   {Prefix: netip.MustParsePrefix("2001:db8::/32"), Ports: Ports{443, 443}},
		"[2001:db8::/32]:1-2":   {Prefix: netip.MustParsePrefix("2001:db8::/32"), Ports: Ports{1, 2}},
		"2001:db8::/32:443":     {Prefix: netip.MustParsePrefix("2001:db8::/32"), Ports: Ports{443, 443}},
		"::ffff:192.0.2.1":      {Prefix: netip.MustParsePrefix("192.0.2.1/32")},
		"*":                     {Any: true},
		"*:443":                 {Any: true, Ports: Ports{443, 443}},
		"xn--bcher-kva.example": {Name: "xn--bcher-kva.example"},
	} {
		want.Text = text
		if got, err := ParseRule(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":443", "https://a.example", "a.example:0", "a.example:65536", "a.example:2-1", "a.example:x", "a.example/sctp", "10.0.0.1/8", "10.0.0.0/33",
		"a..example", "*a.example", "a.*.example", "**", "bücher.example", "a b.example", "256.1.1.1", "1.2.3", "[::1", "[::1]x", "a.example:80/icmp", "fe80::1%eth0", "-a.example", "a.example:+1"} {
		if got, err := ParseRule(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestWhatRulesCover(t *testing.T) {
	all := []struct {
		protocol string
		port     uint16
	}{{TCP, 443}, {TCP, 80}, {UDP, 443}, {UDP, 80}, {ICMP, 0}}
	for text, want := range map[string][2]string{ // in allow, in deny
		"a.example": {"11000", "11111"}, "a.example:443": {"10000", "10100"}, "a.example:443/udp": {"00100", "00100"}, "a.example/icmp": {"00001", "00001"},
		"10.0.0.0/8": {"11111", "11111"}, "10.0.0.0/8:80-443": {"11000", "11110"}, "10.0.0.0/8/udp": {"00110", "00110"}, "*:80": {"01000", "01010"},
	} {
		r, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		var got [2]string
		for _, c := range all {
			for i, covers := range []bool{r.Covers(c.protocol, c.port), r.Denies(c.protocol, c.port)} {
				got[i] += map[bool]string{true: "1", false: "0"}[covers]
			}
		}
		if got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestPublicationsAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"80": "127.0.0.1:80:80/tcp", "8080:80": "127.0.0.1:8080:80/tcp", "5353:53/udp": "127.0.0.1:5353:53/udp", "0.0.0.0:8080:80": "0.0.0.0:8080:80/tcp",
		"[::1]:9000-9010:9000-9010": "[::1]:9000-9010:9000-9010/tcp", "127.0.0.1::80": "127.0.0.1:0:80/tcp", "0:80": "127.0.0.1:0:80/tcp", "8000-8001:80-81/TCP": "127.0.0.1:8000-8001:80-81/tcp",
	} {
		if got, err := ParsePublication(text); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "a", "80:0", "1:2:3", "80/icmp", "[::1]80", "::1:80:80", "80-90:80", "localhost:80:80", "70000:80", "1.2.3.4.5:1:1", "127.0.0.1:80:80:80", ":0-1:5-6x"} {
		if got, err := ParsePublication(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add("*.example.org:443/tcp")
	f.Add("[2001:db8::]/32:1-2/udp")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		kinds := 0
		for _, is := range []bool{r.Name != "", r.Prefix.IsValid(), r.Any} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || r.Ports.First > r.Ports.Last {
			t.Errorf("%q is %+v", text, r)
		}
	})
}

func FuzzParsePublication(f *testing.F) {
	f.Add("[::1]:9000-9010:9000-9010/udp")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParsePublication(text); err == nil && (p.Inside.First == 0 || p.Inside.Last < p.Inside.First || !p.Address.IsValid()) {
			t.Errorf("%q is %+v", text, p)
		}
	})
}
