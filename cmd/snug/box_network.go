package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/network"
)

// networkOptions are those of a network of the sandbox's own.
func (b *box) networkOptions() []*kong.Flag {
	return []*kong.Flag{
		b.option("join", "SANDBOX", "The network of a running sandbox, in place of one of its own: both share a loopback interface.", func(c *changing, v string) error {
			setNetwork(c, "")
			c.Network.Join = v
			return nil
		}),
		b.option("allow", "HOST[:PORT][/PROTO]", "With --net private: reach this and what else is listed, and nothing more: example.org:443, *.debian.org, 10.0.0.0/8.",
			egressRule(func(c *changing) *[]string { return &c.Network.Allow })),
		b.option("deny", "HOST[:PORT][/PROTO]", "With --net private: do not reach this, whatever is allowed.",
			egressRule(func(c *changing) *[]string { return &c.Network.Deny })),
		b.option("publish", "[ADDR:][HOSTPORT:]PORT[/udp]", "With --net private: a port of the host, by default of 127.0.0.1, leads to one inside: 8080:80, 9000-9010:9000-9010.", publishPort),
		b.toggle("publish-all/P", "With --net private: a free port of 127.0.0.1 for each that the image says it listens on; snug ps --json lists them.",
			func(c *changing) *bool { return &c.Network.PublishAll }),
		b.toggle("host-loopback", "With --net private: reach what listens on the host's loopback, as "+network.HostName+".",
			func(c *changing) *bool { return &c.Network.HostLoopback }),
		b.option("dns", "ADDRESS", "With --net private: a server of the domain name system to ask, in place of the host's.", func(c *changing, v string) error {
			c.Network.DNS = append(c.Network.DNS, v)
			return asInProfiles("network.dns", v)
		}),
		b.bandwidthOption(),
	}
}

func (b *box) bandwidthOption() *kong.Flag {
	return b.option("bandwidth", "up=RATE,down=RATE,latency=TIME", "With --net private: what goes through the network in a second, and a delay: up=2Mbit,down=10Mbit,latency=20ms; none lifts it.", bandwidth)
}

func egressRule(list func(*changing) *[]string) func(*changing, string) error {
	return func(c *changing, v string) error {
		_, err := network.ParseRule(v)
		return addWord(list(c), v, err)
	}
}

func publishPort(c *changing, v string) error {
	_, err := network.ParsePublication(v)
	return addWord(&c.Network.Publish, v, err)
}

// addWord adds a word to a list, once, unless it is wrong.
func addWord(list *[]string, v string, err error) error {
	var wrong *network.RuleError
	switch {
	case errors.As(err, &wrong):
		return badValueTry(wrong.Fix, "%s", wrong.Why)
	case !slices.Contains(*list, v):
		*list = append(slices.Clone(*list), v)
	}
	return nil
}

// bandwidth reads "up=2Mbit,down=10Mbit,latency=20ms". What is not named stays.
func bandwidth(c *changing, v string) error {
	const example = "--bandwidth up=2Mbit,down=10Mbit,latency=20ms"
	if v == "none" {
		c.Network.Bandwidth = network.Bandwidth{}
		return nil
	}
	for _, part := range strings.Split(v, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return badValueTry(example, "%q has no value", part)
		}
		var err error
		b := &c.Network.Bandwidth
		switch name {
		case "up":
			b.Up, err = rate(value)
		case "down":
			b.Down, err = rate(value)
		case "latency":
			if value == "none" {
				value = "0s"
			}
			b.Latency, err = units.ParseDuration(value)
			if err == nil && b.Latency < 0 {
				err = errors.New("a delay cannot be below zero")
			}
		default:
			return badValueTry(example, "%q is not one of up, down and latency", name)
		}
		if err != nil {
			return badValueTry(example, "%v", err)
		}
	}
	return nil
}

// rate is a bandwidth, or "none".
func rate(text string) (units.Bandwidth, error) {
	if text == "none" {
		return 0, nil
	}
	b, err := units.ParseBandwidth(text)
	if err == nil && b < 8000 {
		err = errors.New("less than 8kbit is no bandwidth")
	}
	return b, err
}
