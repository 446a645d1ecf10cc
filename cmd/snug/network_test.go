package main

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// worldEnv is set in the namespaces that play the world outside.
const worldEnv = "SNUG_TEST_WORLD"

// TestNetwork runs the tests of worldTests in a network namespace of their own,
// which holds addresses that play the internet. Nothing outside of this machine
// is contacted, and nothing of it is changed.
func TestNetwork(t *testing.T) {
	if os.Getenv(worldEnv) != "" {
		inWorld(t)
		return
	}
	kerneltest.Require(t, "userns", "net")
	for _, program := range []string{"unshare", "ip", "curl", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs the program %s", program)
		}
	}
	run := "^TestNetwork$"
	if f := t.Name(); f != "TestNetwork" {
		run = f
	}
	cmd := exec.Command("unshare", "-Urnm", os.Args[0], "-test.run="+run, "-test.v", "-test.timeout=8m", "-test.parallel=4")
	cmd.Env = append(os.Environ(), worldEnv+"="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if testing.Verbose() || err != nil {
		t.Logf("%s", out)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("--- PASS: TestNetwork/")) {
		t.Fatal("no test ran")
	}
}

func inWorld(t *testing.T) {
	w := &world{dir: os.Getenv(worldEnv), snug: filepath.Join(os.Getenv("SNUG_LIBEXEC"), "snug"), asked: make(chan string, 1<<12), counted: make(chan int, 1)}
	for _, line := range []string{"link set lo up", "addr add " + site4 + "/32 dev lo", "addr add " + other4 + "/32 dev lo", "addr add " + server4 + "/32 dev lo",
		"addr add 169.254.169.254/32 dev lo", "-6 addr add " + site6 + "/128 dev lo nodad"} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", line, err, out)
		}
	}
	w.names = map[string][]netip.Addr{
		"good.example": addrs(site4), "bad.example": addrs(site4), "only6.example": addrs(site6), "other.example": addrs(other4),
		"deep.sub.example": addrs(site4), "meta.example": addrs("169.254.169.254"), "rebind.example": addrs("127.0.0.1"),
	}
	w.resolvConf(t)
	w.serveDNS(t)
	w.serveSites(t)
	for _, c := range slices.Concat(worldTests, helloTests, sizeTests, programTests) {
		t.Run(c.name, func(t *testing.T) { c.run(t, w) })
	}
}

const get = "curl -sS -m 60 "

// A worldTest that waits more than it works runs beside others.
type worldTest struct {
	name string
	run  func(*testing.T, *world)
}

var worldTests = []worldTest{
	{"reaches by name, address and both families", func(t *testing.T, w *world) {
		r := w.run(t, get+"http://good.example/;"+get+"https://only6.example/;"+get+"http://"+site4+"/;"+get+"http://listed.example/; "+
			"getent ahosts good.example; cat /etc/resolv.conf /etc/hosts; "+echoBy("udp", site4, 7)+";"+echoBy("tcp", site4, 7))
		r.want(t, "site good.example", "site only6.example", "site "+site4, "site listed.example", "nameserver 10.0.2.3", "10.0.2.15 snug", "echo:udp", "echo:tcp")
		if n := r.result.Network; n == nil || len(n.Reached) < 4 || len(n.Refused) != 0 {
			t.Errorf("the report has %+v", n)
		}
	}},
	{"a name that is not there", func(t *testing.T, w *world) {
		r := w.run(t, get+"http://nowhere.example/; echo code $?")
		r.want(t, "code 6")
	}},
	{"loopback and metadata are shut", func(t *testing.T, w *world) {
		r := w.run(t, "for a in 127.0.0.1 10.0.2.2 [::1] [fd53:6e75:672a::2] 0.0.0.0 [::ffff:127.0.0.1] localhost; do "+get+"http://$a:9999/; done; "+
			get+"http://169.254.169.254/; "+get+"http://meta.example/; "+get+"http://rebind.example:9999/; "+get+"http://host.snug.internal:9999/")
		r.refuse(t, "secret", "site")
	}},
	{"loopback is opened by its key", func(t *testing.T, w *world) {
		r := w.run(t, get+"http://host.snug.internal:9999/; "+get+"http://127.0.0.1:9999/ && echo inside", "--host-loopback")
		r.want(t, "secret")
		r.refuse(t, "inside")
		// What is denied stays shut there, too.
		for _, rule := range []string{"host.snug.internal", "10.0.2.2:9999", "host.snug.internal:9000-9999/tcp", "*"} {
			r = w.run(t, get+"http://10.0.2.2:9999/", "--host-loopback", "--deny", rule)
			r.refuse(t, "secret")
			if !strings.Contains(r.errs, "refused: host.snug.internal (10.0.2.2) port 9999, tcp by curl: in deny") {
				t.Errorf("--deny %s: %s", rule, r.errs)
			}
		}
		w.run(t, get+"http://10.0.2.2:9999/", "--host-loopback", "--deny", "host.snug.internal:22", "--deny", "10.0.2.2/udp").want(t, "secret")
	}},
	{"metadata is opened by its address", func(t *testing.T, w *world) {
		w.run(t, get+"http://169.254.169.254/", "--allow", "169.254.169.254:80").want(t, "site 169.254")
		w.run(t, get+"http://169.254.169.254/", "--allow", "0.0.0.0/0").refuse(t, "site")
	}},
	{"only what is listed", func(t *testing.T, w *world) {
		r := w.run(t, strings.Join([]string{
			get + "https://good.example/",
			get + "https://bad.example/",
			get + "https://good.example:8080/",
			get + "http://good.example/",
			get + "https://" + site4 + "/ -k",
			get + "--resolve bad.example:443:" + site4 + " https://bad.example/",
			get + "--resolve good.example:443:" + other4 + " https://good.example/",
			get + "-k --connect-to ::" + site4 + ": https://bad.example/",
			get + "-g http://[" + site6 + "]/",
			echoBy("udp", site4, 443), echoBy("udp", site4, 7), echoBy("tcp", site4, 7),
		}, ";"), "--allow", "good.example:443")
		if n := strings.Count(r.out, "site "); n != 1 || !strings.Contains(r.out, "site good.example") || strings.Contains(r.out, "echo:") {
			t.Errorf("reached: %s\n%s", r.out, r.errs)
		}
		for _, word := range []string{"bad.example", "by curl", "not in allow", "good.example (" + site4 + ") port 443, udp", "[" + site6 + "] port 80"} {
			if !strings.Contains(r.errs, word) {
				t.Errorf("nothing is told of %q:\n%s", word, r.errs)
			}
		}
		if strings.Count(r.errs, "bad.example, dns") != 1 {
			t.Errorf("a refusal is told more than once:\n%s", r.errs)
		}
		if !strings.Contains(r.errs, "snug: what it reached and what was refused, for a profile:\n[network]\n") {
			t.Errorf("no lines for a profile in %s", r.errs)
		}
		if r.result.Network == nil || !strings.Contains(r.result.Network.Profile, `"good.example:443"`) || !strings.Contains(r.result.Network.Profile, `# "bad.example"`) {
			t.Errorf("the report has %+v", r.result.Network)
		}
	}},
	{"names are not looked up elsewhere", func(t *testing.T, w *world) {
		for len(w.asked) > 0 {
			<-w.asked
		}
		w.run(t, "getent hosts secret-data.bad.example; getent hosts good.example; "+echoBy("udp", server4, 53)+";"+echoBy("tcp", server4, 53), "--allow", "good.example:443")
		for len(w.asked) > 0 {
			if name := <-w.asked; strings.Contains(name, "secret") {
				t.Errorf("the world was asked for %q", name)
			}
		}
	}},
	{"a name in HTTP counts, in every request", func(t *testing.T, w *world) {
		t.Parallel()
		request := func(host string) string { return `GET / HTTP/1.1\r\nHost: ` + host + `\r\n\r\n` }
		last := func(host string) string { return `GET / HTTP/1.1\r\nHost: ` + host + `\r\nConnection: close\r\n\r\n` }
		raw := func(text string) string {
			return "getent hosts good.example >/dev/null; { exec 3<>/dev/tcp/" + site4 + "/80; printf '" + text + "' >&3; timeout 60 cat <&3; exec 3>&-; };"
		}
		allowed := w.run(t, raw(request("good.example")+last("good.example")), "--allow", "good.example:80")
		if strings.Count(allowed.out, "site good.example") != 2 {
			t.Errorf("two requests: %s %s", allowed.out, allowed.errs)
		}
		for name, text := range map[string]string{
			"another name": request("bad.example"), "the second": request("good.example") + request("bad.example"),
			"an empty line first": `\r\n` + request("bad.example"), "a space first": ` ` + request("bad.example"),
			"two names":        `GET / HTTP/1.1\r\nHost: good.example\r\nHost: bad.example\r\n\r\n`,
			"in the line":      `GET http://bad.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n`,
			"a body that lies": `POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n` + request("bad.example"),
			"a folded line":    `GET / HTTP/1.1\r\nHost: good.example\r\nX: y\r\n Host: bad.example\r\n\r\n` + request("bad.example"),
			"an upgrade":       `GET / HTTP/1.1\r\nHost: good.example\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n` + request("bad.example"),
			"a proxy":          `CONNECT bad.example:80 HTTP/1.1\r\nHost: good.example\r\n\r\n`,
			"HTTP/2":           `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
			"no name":          `GET / HTTP/1.0\r\n\r\n`,
			"another method":   `brew / HTTP/1.1\r\nHost: bad.example\r\n\r\n`,
		} {
			r := w.run(t, raw(text), "--allow", "good.example:80")
			r.refuse(t, "site bad", "400 Bad", "site  ", "405")
			if t.Failed() {
				t.Fatal(name)
			}
		}
	}},
	{"wildcards, ranges and deny", func(t *testing.T, w *world) {
		r := w.run(t, get+"http://deep.sub.example/;"+get+"http://good.example/", "--allow", "*.sub.example:80")
		r.want(t, "site deep.sub.example")
		r.refuse(t, "site good")
		r = w.run(t, get+"http://"+site4+"/;"+get+"http://"+other4+"/;"+echoBy("udp", other4, 7), "--allow", "198.51.100.2/31")
		r.want(t, "site "+other4, "echo:udp")
		r.refuse(t, "site "+site4)
		r = w.run(t, get+"https://good.example/;"+get+"https://bad.example/;"+get+"-k --connect-to ::"+site4+": https://bad.example/;"+get+"http://"+other4+"/", "--deny", "bad.example", "--deny", other4)
		r.want(t, "site good")
		r.refuse(t, "site bad", "site "+other4)
	}},
	{"UDP that is listed", func(t *testing.T, w *world) {
		r := w.run(t, "getent hosts good.example; "+echoBy("udp", site4, 7), "--allow", "good.example:7/udp")
		r.want(t, "echo:udp")
	}},
}
