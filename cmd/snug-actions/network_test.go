package main

import (
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// worldEnv is set in the namespaces that play the world outside.
const worldEnv = "SNUG_TEST_WORLD"

// TestNetworkInputs runs the workflow of the network's inputs in a network
// namespace whose loopback plays the internet. Nothing outside of this machine is
// contacted.
func TestNetworkInputs(t *testing.T) {
	if dir := os.Getenv(worldEnv); dir != "" {
		playWorld(t, dir)
		log := act(t, "network")
		for _, want := range []string{
			"step --> n0[\"registry.npmjs.org:443\"]", "step -.-x n1[\"169.254.169.254:80\"]:::refused", // charts
			"  registry.npmjs.org:443\n", "  # refused: good.example\n", // to paste
			"  good.example:443\n", // after an audit
		} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q: %s", want, log)
			}
		}
		if _, paste, _ := strings.Cut(log, "allowed-hosts: |\n"); strings.Contains(paste, "  169.254") || strings.Contains(paste, "# refused: 169") {
			t.Error("what no list can open is there to paste")
		}
		return
	}
	kerneltest.Require(t, "userns", "overlay", "net")
	if os.Getenv("SNUG_TEST_ACT") == "" {
		t.Skip("needs act: scripts/test builds it and sets SNUG_TEST_ACT")
	}
	cmd := exec.Command("unshare", "-Urnm", os.Args[0], "-test.run=^TestNetworkInputs$", "-test.v")
	cmd.Env = append(os.Environ(), worldEnv+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestNetworkInputs") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Addresses of the world. Names that begin with meta and rebind have the metadata
// service's and the loopback's own, all others the site's.
const (
	site, other, resolver, metadata = "198.51.100.1", "198.51.100.9", "198.51.100.53", "169.254.169.254"
)

func playWorld(t *testing.T, dir string) {
	for _, line := range []string{"link set lo up", "addr add " + site + "/32 dev lo", "addr add " + other + "/32 dev lo", "addr add " + resolver + "/32 dev lo", "addr add " + metadata + "/32 dev lo"} {
		execute(t, dir, os.Environ(), append([]string{"ip"}, strings.Fields(line)...)...)
	}
	file := filepath.Join(dir, "resolv.conf")
	write(t, file, "nameserver "+resolver+"\n")
	execute(t, dir, os.Environ(), "mount", "--bind", file, "/etc/resolv.conf")
	serveNames(t)
	for _, at := range []string{site + ":443", site + ":80", site + ":8080", other + ":7", metadata + ":80", metadata + ":443"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		go sayTo(l, "site\n")
	}
}

// sayTo tells whoever connects.
func sayTo(l net.Listener, text string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			io.WriteString(c, text)
			c.Close()
		}()
	}
}

// serveNames answers for every name there is.
func serveNames(t *testing.T) {
	socket, err := net.ListenPacket("udp", resolver+":53")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q.Type == dnsmessage.TypeA {
				address := site
				if name := q.Name.String(); strings.HasPrefix(name, "meta.") {
					address = metadata
				} else if strings.HasPrefix(name, "rebind.") {
					address = "127.0.0.1"
				}
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 5}, Body: &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()}}}
			}
			if out, err := m.Pack(); err == nil {
				socket.WriteTo(out, from)
			}
		}
	}()
}
