package actions

import "encoding/json"

// readEgress reads what the report of snug says of the network.
func readEgress(s *sandboxReport) []Connection {
	var list []Connection
	if s == nil || len(s.Egress) == 0 || json.Unmarshal(s.Egress, &list) != nil {
		return nil
	}
	return list
}
