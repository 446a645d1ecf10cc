package actions

import "encoding/json"

// contacts is what "snug run --report" says of a private network.
type contacts struct {
	Reached, Refused []struct {
		Name, Address, Program string
		Port, Count            int
	}
}

// readEgress reads what the network of a sandbox was used for.
func readEgress(s *sandboxReport) []Connection {
	var c contacts
	if s == nil || len(s.Network) == 0 || json.Unmarshal(s.Network, &c) != nil {
		return nil
	}
	var list []Connection
	for _, side := range []bool{true, false} {
		all := c.Reached
		if !side {
			all = c.Refused
		}
		for _, one := range all {
			list = append(list, Connection{Host: one.Name, Address: one.Address, Port: one.Port, Program: one.Program, Allowed: side, Count: one.Count})
		}
	}
	return list
}
