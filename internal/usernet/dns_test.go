package usernet

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/snug-sandbox/snug/internal/egress"
	"github.com/snug-sandbox/snug/network"
)

func question(name string, kind dnsmessage.Type) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}}}
	text, _ := m.Pack()
	return text
}

// deaf is a network whose resolver knows no server that answers.
func deaf(c network.Config) *Network {
	r := newResolver([]string{"192.0.2.1"})
	r.read, r.servers = time.Now().Add(time.Hour), nil
	policy, _ := egress.New(c)
	return &Network{config: c, policy: policy, contacts: newContacts(nil), names: r}
}

func codeOf(t *testing.T, answer []byte) dnsmessage.RCode {
	t.Helper()
	var p dnsmessage.Parser
	h, err := p.Start(answer)
	if err != nil || !h.Response || h.ID != 7 {
		t.Fatalf("%+v, %v", h, err)
	}
	return h.RCode
}

func TestQuestionsThatNobodyElseIsAsked(t *testing.T) {
	n := deaf(network.Config{Allow: []string{"good.example"}})
	for name, want := range map[string]dnsmessage.RCode{
		"bad.example.": dnsmessage.RCodeNameError, "good.example.": dnsmessage.RCodeServerFailure, "localhost.": dnsmessage.RCodeSuccess, "x.localhost.": dnsmessage.RCodeSuccess,
		network.HostName + ".": dnsmessage.RCodeNameError,
	} {
		if got := codeOf(t, n.answer(question(name, dnsmessage.TypeA), 1, true)); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if got := codeOf(t, n.answer(question("good.example.", typeHTTPS), 1, true)); got != dnsmessage.RCodeSuccess {
		t.Errorf("HTTPS records: %v", got)
	}
	if list := n.Contacts(); len(list) != 1 || list[0].Name != "bad.example" || list[0].Why != egress.NotAllowed {
		t.Errorf("%+v", list)
	}
}

func TestAddressesOfAnAnswer(t *testing.T) {
	h := func(name string, ttl uint32) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl}
	}
	a := func(last byte) *dnsmessage.AResource { return &dnsmessage.AResource{A: [4]byte{198, 51, 100, last}} }
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{
		{Header: h("End.example.", 50), Body: a(1)},
		{Header: h("www.example.", 60), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("mid.example.")}},
		{Header: h("mid.example.", 40), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("end.example.")}},
		{Header: h("bank.example.", 9), Body: a(66)}, // not asked for
	}}
	text, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	list, ttl := addressesOf(text, "www.example")
	if len(list) != 1 || list[0] != netip.MustParseAddr("198.51.100.1") || ttl != 40*time.Second {
		t.Errorf("%v, %v", list, ttl)
	}
}

func TestServersOfTheHost(t *testing.T) {
	list := parseServers("# x\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver nonsense\nsearch a\n")
	if len(list) != 2 || list[0].String() != "192.0.2.1:53" {
		t.Errorf("%v", list)
	}
	if list = parseServers(""); len(list) != 1 || list[0].String() != "127.0.0.1:53" {
		t.Errorf("%v", list)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(question("good.example.", dnsmessage.TypeA))
	f.Add(question("bad.example.", dnsmessage.TypeAAAA))
	n := deaf(network.Config{Allow: []string{"good.example"}})
	f.Fuzz(func(t *testing.T, message []byte) {
		n.answer(message, 1, true)
		addressesOf(message, "good.example")
		answers(message, question("good.example.", dnsmessage.TypeA))
	})
}
