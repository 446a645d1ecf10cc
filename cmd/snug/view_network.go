package main

import (
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/network"
)

// joined is what explain calls the mode of a network that is another sandbox's.
const joined = "join"

// privateView is what explain tells of a private network, or of one that is joined.
type privateView struct {
	Join         string   `json:"join,omitempty"`
	Driver       string   `json:"driver,omitempty"`
	Interface    string   `json:"interface,omitempty"` // how it is made on this machine
	Allow        []string `json:"allow"`
	Deny         []string `json:"deny"`
	AllowECH     bool     `json:"allow_ech,omitempty"`
	Publish      []string `json:"publish"`
	HostLoopback bool     `json:"host_loopback"`
	DNS          []string `json:"dns"`
	MTU          int64    `json:"mtu,omitempty"`
	Bandwidth    string   `json:"bandwidth,omitempty"`
	Required     bool     `json:"required"`
}

func newPrivateView(c network.Config) *privateView {
	if c.Mode != network.Private && c.Join == "" {
		return nil
	}
	v := &privateView{Join: c.Join, Driver: c.Driver, Allow: list(c.Allow), Deny: list(c.Deny), AllowECH: c.AllowECH, HostLoopback: c.HostLoopback, DNS: list(c.DNS), MTU: c.MTU, Required: c.Required}
	v.Publish, v.Bandwidth = list(nil), bandwidthText(c.Bandwidth)
	for _, text := range c.Publish {
		if p, err := network.ParsePublication(text); err == nil {
			v.Publish = append(v.Publish, p.String())
		}
	}
	if v.Join != "" {
		return v
	}
	if v.Driver == "" || v.Driver == network.Auto {
		v.Driver = network.GVisor
	}
	v.Interface = "a tap device"
	err := host.ProbeTun()
	switch {
	case err != nil && c.Foreign():
		v.Interface = "none, because /dev/net/tun cannot be opened (" + err.Error() + "): the run will fail"
	case err != nil:
		v.Interface = "a veth pair, because /dev/net/tun cannot be opened (" + err.Error() + ")"
	}
	return v
}

func bandwidthText(b network.Bandwidth) string {
	var parts []string
	if b.Up != 0 {
		parts = append(parts, "up "+b.Up.String())
	}
	if b.Down != 0 {
		parts = append(parts, "down "+b.Down.String())
	}
	if b.Latency != 0 {
		parts = append(parts, "latency "+b.Latency.String())
	}
	return strings.Join(parts, ", ")
}
