package profiles

import (
	"errors"

	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/network"
)

// bandwidthKeys are the keys of the table network.bandwidth.
var bandwidthKeys = []key[network.Bandwidth]{
	{name: "up", at: func(b *network.Bandwidth) any { return &b.Up }},
	{name: "down", at: func(b *network.Bandwidth) any { return &b.Down }},
	{name: "latency", at: func(b *network.Bandwidth) any { return &b.Latency }},
}

// shape reads network.bandwidth, whose keys take the place of earlier ones.
func (d *decoder) shape(at *keyPath, v any, to *network.Bandwidth) {
	tree, ok := v.(map[string]any)
	if !ok {
		d.bad(at, Mistake{Want: "a table", Got: describe(v), Hint: "write bandwidth = { up = \"2Mbit\", down = \"10Mbit\", latency = \"20ms\" }"})
		return
	}
	seen, names := 0, []string(nil)
	for i := range bandwidthKeys {
		k := &bandwidthKeys[i]
		names = append(names, k.name)
		if v, ok := tree[k.name]; ok {
			seen++
			d.set(at.child(k.name), v, k.at(to), &k.rule)
		}
	}
	if seen < len(tree) {
		d.unknownKeys(at, tree, names)
	}
}

func (d *decoder) bits(at *keyPath, v any, to *units.Bandwidth) bool {
	const want = "a number of bits a second such as \"2Mbit\" or \"500kbit\""
	s, ok := d.unit(at, v, want)
	if !ok {
		return false
	}
	b, err := units.ParseBandwidth(s)
	switch {
	case err != nil:
		d.amount(at, want, v, err)
		return false
	case b < 8000:
		d.wrong(at, "at least 8kbit", v)
		return false
	}
	*to = b
	return true
}

// shape writes a row for each key of network.bandwidth.
func (s *shower) shape(name string, b *network.Bandwidth, at string) {
	for i := range bandwidthKeys {
		k := &bandwidthKeys[i]
		row := shower{origins: s.origins}
		row.set(k.name, k.at(b), at+"."+k.name)
		s.text.WriteString(prefixed(name+".", row.text.String()))
	}
}

// leastMTU and mostMTU bound network.mtu.
const leastMTU, mostMTU = 1280, network.DefaultMTU

// The functions below are the wordRules of [network].

func egressRule(s string) (want, near string) {
	_, err := network.ParseRule(s)
	return networkWord("a rule such as \"example.org:443\", \"*.debian.org\" or \"10.0.0.0/8\"", err)
}

func publication(s string) (want, near string) {
	_, err := network.ParsePublication(s)
	return networkWord("a port such as \"8080:80\", \"127.0.0.1:8080:80/tcp\" or \"[::1]:9000-9010:9000-9010\"", err)
}

func nameServer(s string) (want, near string) {
	if _, err := network.ParseServer(s); err != nil {
		return "the address of a server, such as \"192.0.2.53\" or \"[2001:db8::53]:5353\"", ""
	}
	return "", ""
}

func networkWord(want string, err error) (string, string) {
	var wrong *network.RuleError
	if !errors.As(err, &wrong) {
		return "", ""
	}
	return want + ": " + wrong.Why, wrong.Near
}
