package snug

import (
	"testing"

	"github.com/snug-sandbox/snug/network"
)

// TestSnippetAllowsWhatWasReached holds that a table to paste allows nothing else: an
// empty list would let everything through.
func TestSnippetAllowsWhatWasReached(t *testing.T) {
	a := network.Contact{Name: "a.example", Port: 443, Protocol: network.TCP}
	b := network.Contact{Name: "b.example", Protocol: network.DNS, Why: "not in allow"}
	odd := network.Contact{Name: "no name\n", Protocol: network.DNS}
	for _, c := range []struct {
		reached, refused []network.Contact
		want             string
	}{
		{nil, nil, ""},
		{[]network.Contact{a, odd}, []network.Contact{b}, "[network]\nmode = \"private\"\nallow = [\n  \"a.example:443\",\n  # \"b.example\",  # refused: not in allow\n]\n"},
		{[]network.Contact{odd}, []network.Contact{b}, "[network]\nmode = \"none\"\n# mode = \"private\"\n# allow = [\n#   # \"b.example\",  # refused: not in allow\n# ]\n"},
	} {
		if got := snippet(c.reached, c.refused); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

// TestAnswerOfAHelperThatEnded holds that what a helper said last is heard, whichever
// of both is looked at first.
func TestAnswerOfAHelperThatEnded(t *testing.T) {
	for range 100 {
		n := &privateNetwork{ready: make(chan network.Message, 1), gone: make(chan struct{})}
		n.ready <- network.Message{Kind: network.Failed}
		close(n.gone)
		if m, ok := n.answer(nil); !ok || m.Kind != network.Failed {
			t.Fatalf("%+v, %v", m, ok)
		}
		if m, ok := n.answer(nil); ok {
			t.Fatalf("%+v of a helper that said nothing", m)
		}
	}
}
