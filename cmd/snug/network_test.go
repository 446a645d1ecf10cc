package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/kerneltest"
	"github.com/snug-sandbox/snug/network"
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
	cmd := exec.Command("unshare", "-Urnm", os.Args[0], "-test.run="+run, "-test.v", "-test.timeout=8m")
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

// world is what plays the world outside.
type world struct {
	dir   string
	snug  string
	names map[string][]netip.Addr
	asked chan string
}

const (
	site4   = "198.51.100.1" // two sites on one address
	other4  = "198.51.100.2"
	site6   = "2001:db8::1"
	server4 = "198.51.100.53"
)

func inWorld(t *testing.T) {
	w := &world{dir: os.Getenv(worldEnv), snug: filepath.Join(os.Getenv("SNUG_LIBEXEC"), "snug"), asked: make(chan string, 1<<12)}
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
	for _, c := range worldTests {
		t.Run(c.name, func(t *testing.T) { c.run(t, w) })
	}
}

func addrs(list ...string) (all []netip.Addr) {
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

// resolvConf has this world's resolver be the one that plays the internet's.
func (w *world) resolvConf(t *testing.T) {
	for name, text := range map[string]string{"resolv.conf": "nameserver " + server4 + "\n", "hosts": "127.0.0.1 localhost\n" + other4 + " listed.example\n"} {
		file := filepath.Join(w.dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mount", "--bind", file, "/etc/"+name).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// serveDNS answers for the names of this world, and notes what was asked.
func (w *world) serveDNS(t *testing.T) {
	socket, err := net.ListenPacket("udp", server4+":53")
	if err != nil {
		t.Fatal(err)
	}
	answer := func(question []byte) []byte {
		var m dnsmessage.Message
		if m.Unpack(question) != nil || len(m.Questions) != 1 {
			return nil
		}
		q := m.Questions[0]
		name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
		select {
		case w.asked <- name:
		default:
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		list, known := w.names[name]
		if !known {
			m.RCode = dnsmessage.RCodeNameError
		}
		for _, a := range list {
			h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 5}
			switch {
			case a.Is4() && q.Type == dnsmessage.TypeA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
			case a.Is6() && q.Type == dnsmessage.TypeAAAA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
			}
		}
		out, _ := m.Pack()
		return out
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			if out := answer(buffer[:n]); out != nil {
				socket.WriteTo(out, from)
			}
		}
	}()
}

// serveSites opens HTTP on port 80 and TLS on port 443 of all addresses, an echo
// by TCP and UDP on port 7 and a secret on the loopback interface.
func (w *world) serveSites(t *testing.T) {
	certificate := w.certificate(t, "good.example", "bad.example", "only6.example", "other.example", "deep.sub.example", "meta.example")
	files := http.FileServer(http.Dir(w.dir))
	site := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/www/") {
			files.ServeHTTP(rw, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(rw, "site %s %d from %s\n", r.Host, len(body), r.RemoteAddr)
	})
	listen := func(at string) net.Listener {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, a := range []string{site4, other4, "[" + site6 + "]", "169.254.169.254"} {
		go http.Serve(listen(a+":80"), site)
		go http.Serve(listen(a+":8080"), site)
		go http.Serve(tls.NewListener(listen(a+":443"), &tls.Config{Certificates: []tls.Certificate{certificate}}), site)
		echo := listen(a + ":7")
		go func() {
			for {
				c, err := echo.Accept()
				if err != nil {
					return
				}
				go func() { io.Copy(c, c); c.Close() }()
			}
		}()
		socket, err := net.ListenPacket("udp", a+":7")
		if err != nil {
			t.Fatal(err)
		}
		go echoUDP(socket)
		if quic, err := net.ListenPacket("udp", a+":443"); err == nil {
			go echoUDP(quic)
		}
	}
	go http.Serve(listen("127.0.0.1:9999"), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, "secret of the loopback\n") }))
	go http.Serve(listen("[::1]:9999"), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, "secret of the loopback\n") }))
}

func echoUDP(socket net.PacketConn) {
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		socket.WriteTo(buffer[:n], from)
	}
}

// certificate makes one for names, and an authority that curl gets by $CURL_CA_BUNDLE.
func (w *world) certificate(t *testing.T, names ...string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(w.dir, "ca.pem"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// ran is what became of a run.
type ran struct {
	out, errs string
	code      int
	result    snug.Result
}

// run runs a script in a sandbox with a private network and more options.
func (w *world) run(t *testing.T, script string, options ...string) ran {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report")
	args := append([]string{"run", "--net", "private", "--report", report, "--timeout", "60s", "--ro-bind", w.dir + ":/srv", "--env", "CURL_CA_BUNDLE=/srv/ca.pem"}, options...)
	cmd := exec.Command(w.snug, append(args, "--", "bash", "-c", script)...)
	cmd.Dir = w.dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	r := ran{out: out.String(), errs: errs.String(), code: cmd.ProcessState.ExitCode()}
	if text, failed := os.ReadFile(report); failed == nil {
		json.Unmarshal(text, &r.result)
	}
	if r.code == 125 {
		t.Logf("%v: %s", err, r.errs)
	}
	return r
}

func (r ran) want(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(r.out, word) {
			t.Errorf("the output lacks %q:\n%s%s", word, r.out, r.errs)
		}
	}
}

func (r ran) refuse(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(r.out, word) {
			t.Errorf("the output has %q:\n%s%s", word, r.out, r.errs)
		}
	}
}

const get = "curl -sS -m 10 "

var worldTests = []struct {
	name string
	run  func(*testing.T, *world)
}{
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
			if name := <-w.asked; name != "good.example" {
				t.Errorf("the world was asked for %q", name)
			}
		}
	}},
	{"a name in HTTP counts, in every request", func(t *testing.T, w *world) {
		request := func(host string) string { return `GET / HTTP/1.1\r\nHost: ` + host + `\r\n\r\n` }
		raw := func(text string) string {
			return "getent hosts good.example >/dev/null; { exec 3<>/dev/tcp/" + site4 + "/80; printf '" + text + "' >&3; timeout 2 cat <&3; exec 3>&-; };"
		}
		allowed := w.run(t, raw(request("good.example")+request("good.example")), "--allow", "good.example:80")
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
		r := w.run(t, "getent hosts good.example; "+echoBy("udp", site4, 443), "--allow", "good.example:443/udp")
		r.want(t, "echo:udp")
	}},
	{"publishes ports", func(t *testing.T, w *world) {
		r := w.runPublished(t, "127.0.0.1:18080:80/tcp", "[::1]:18081:80", "15353:5353/udp", "19000-19002:9000-9002", "198.51.100.1:18082:80")
		r.want(t, "served")
	}},
	{"ports that cannot be published", func(t *testing.T, w *world) {
		for port, word := range map[string]string{site4 + ":8080:80": "in use", site4 + ":81:80": "below those", "192.0.2.7:8000:80": "not an address of this machine"} {
			r := w.run(t, "echo ran", "--publish", port)
			if r.code != 125 || !strings.Contains(r.errs, word) || !strings.Contains(r.errs, "--publish "+port) || r.out != "" {
				t.Errorf("%s: %d, %s", port, r.code, r.errs)
			}
		}
	}},
	{"power over its own network is of no use", func(t *testing.T, w *world) {
		r := w.run(t, "ip addr add 198.51.100.77/24 dev eth0; ip link set eth0 mtu 1400; ip route add 127.0.0.0/8 via 10.0.2.2 table 5; "+
			"ip rule add from all lookup 5 pref 0; "+get+"http://127.0.0.1:9999/; "+get+"--interface eth0 http://127.0.0.2:9999/; "+get+"http://"+site4+"/; "+get+"http://good.example/",
			"--allow", "good.example:80", "--map", "root", "--cap", "ALL", "--seccomp", "none")
		r.want(t, "site good.example")
		r.refuse(t, "secret", "site "+site4)
	}},
	{"the helper is killed", func(t *testing.T, w *world) {
		script := "kill() { :; }; touch /tmp/x; " + get + "http://good.example/; sleep 1; " + get + "http://good.example/; echo end"
		for _, required := range []bool{false, true} {
			options := []string{"--name", "victim"}
			if required {
				profile := filepath.Join(t.TempDir(), "required.toml")
				os.WriteFile(profile, []byte("version = 1\nextends = [\"default\"]\n[network]\nmode = \"private\"\nrequired = true\n"), 0o644)
				options = append(options, "-p", profile)
			}
			go killHelper(w)
			r := w.run(t, script, options...)
			if strings.Count(r.out, "site") != 1 {
				t.Errorf("%s%s", r.out, r.errs)
			}
			if !required && (!strings.Contains(r.out, "end") || !strings.Contains(r.errs, "helper ended")) || required && (r.code != 125 || !strings.Contains(r.errs, "network.required")) {
				t.Errorf("required %v: code %d, %s%s", required, r.code, r.out, r.errs)
			}
		}
	}},
	{"thousands of connections leave nothing", func(t *testing.T, w *world) {
		script := "for i in $(seq 40); do " + get + "--parallel --parallel-max 50 -o /dev/null \"http://" + site4 + ":80/[1-50]\"; done; echo done; sleep 1"
		stop, most := make(chan bool), make(chan [2]int)
		go watchHelper(w, stop, most)
		r := w.run(t, script)
		close(stop)
		r.want(t, "done")
		peak := <-most
		if peak[0] == 0 || peak[1] > 40 {
			t.Errorf("the helper had %d descriptors at most, %d at the end", peak[0], peak[1])
		}
		total := 0
		for _, c := range r.result.Network.Reached {
			total += c.Count
		}
		if total < 500 {
			t.Errorf("%d connections are counted", total)
		}
	}},
	{"git over https", func(t *testing.T, w *world) {
		needs(t, "git")
		w.make(t, "mkdir -p www && git init -q www/repo && cd www/repo && echo hello >file && git add file && git -c user.name=a -c user.email=a@example commit -qm one && git update-server-info")
		r := w.run(t, "export GIT_SSL_CAINFO=/srv/ca.pem; cd /tmp; git clone -q https://good.example/www/repo/.git one && cat one/file; git clone -q https://bad.example/www/repo/.git two && echo cloned", "--allow", "good.example:443")
		r.want(t, "hello")
		r.refuse(t, "cloned")
	}},
	{"apt-get from a mirror", func(t *testing.T, w *world) {
		needs(t, "apt-get", "dpkg-deb")
		w.make(t, `mkdir -p pkg/DEBIAN www/mirror; printf 'Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example>\nDescription: x\n' >pkg/DEBIAN/control
			dpkg-deb -b pkg www/mirror/tiny_1_all.deb >/dev/null; cd www/mirror
			{ cat ../../pkg/DEBIAN/control; echo "Filename: ./tiny_1_all.deb"; echo "Size: $(stat -c %s tiny_1_all.deb)"; echo "SHA256: $(sha256sum tiny_1_all.deb | cut -d" " -f1)"; echo; } >Packages`)
		r := w.run(t, `cd /tmp; mkdir -p s/lists/partial c/archives/partial; echo "deb [trusted=yes] http://good.example:8080/www/mirror ./" >list; touch status
			o="-o Dir::Etc::sourcelist=/tmp/list -o Dir::Etc::sourceparts=- -o Dir::State=/tmp/s -o Dir::State::status=/tmp/status -o Dir::Cache=/tmp/c -o APT::Sandbox::User="
			apt-get $o -q update && apt-get $o -q download tiny && ls *.deb`, "--allow", "good.example:8080")
		r.want(t, "tiny_1_all.deb")
	}},
	{"DTLS", func(t *testing.T, w *world) {
		needs(t, "openssl")
		w.make(t, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out dtls.pem -subj /CN=good.example -days 2 2>/dev/null")
		w.aside(t, "bash", "-c", "exec openssl s_server -dtls -accept "+site4+":4433 -cert dtls.pem -key key.pem -quiet >dtls.log 2>&1")
		client := func(word, rule string) {
			w.run(t, "(echo "+word+"; sleep 1) | timeout 5 openssl s_client -dtls -connect "+site4+":4433 -quiet", "--allow", rule)
		}
		client("refused", site4+":4433/tcp")
		heard := ""
		for range 5 { // the server may not listen yet
			client("allowed", site4+":4433/udp")
			text, _ := os.ReadFile(filepath.Join(w.dir, "dtls.log"))
			if heard = string(text); heard != "" {
				break
			}
		}
		if !strings.Contains(heard, "allowed") || strings.Contains(heard, "refused") {
			t.Errorf("the server heard %q", heard)
		}
	}},
	{"iperf3, both ways", func(t *testing.T, w *world) {
		needs(t, "iperf3")
		w.aside(t, "iperf3", "-s", "-B", site4)
		r := w.run(t, "sleep 0.5; iperf3 -c "+site4+" -n 50M; iperf3 -c "+site4+" -n 50M -R; iperf3 -u -b 20M -n 2M -c "+site4)
		if strings.Count(r.out, "receiver") != 3 {
			t.Errorf("%s%s", r.out, r.errs)
		}
	}},
	{"other drivers", func(t *testing.T, w *world) {
		if err := host.ProbeTun(); err != nil {
			t.Skipf("needs /dev/net/tun: %v", err)
		}
		w.make(t, "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up; ip addr add 192.0.2.9/24 dev up0; ip route add default via 192.0.2.1")
		for _, driver := range []string{network.Slirp, network.Pasta} {
			needs(t, driver)
			profile := filepath.Join(t.TempDir(), "driver.toml")
			os.WriteFile(profile, []byte("version = 1\nextends = [\"default\"]\n[network]\nmode = \"private\"\ndriver = \""+driver+"\"\n"), 0o644)
			r := w.run(t, get+"http://"+site4+"/; for a in 127.0.0.1 10.0.2.2 192.0.2.1; do "+get+"-m 2 http://$a:9999/; done", "-p", profile)
			r.want(t, "site "+site4)
			r.refuse(t, "secret")
			if out, _ := exec.Command("pgrep", "-f", driver+".*"+network.Interface).Output(); len(out) > 0 {
				t.Errorf("%s is left: %s", driver, out)
			}
		}
	}},
	{"a network that is joined", func(t *testing.T, w *world) {
		dir := filepath.Join(w.dir, "runtime")
		os.Mkdir(dir, 0o700)
		t.Setenv("XDG_RUNTIME_DIR", dir)
		first := exec.Command(w.snug, "run", "--net", "private", "--allow", "good.example:80", "--name", "first", "--", "python3", "-m", "http.server", "5432", "--bind", "127.0.0.1")
		first.Dir = w.dir
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { exec.Command(w.snug, "kill", "first").Run(); first.Wait() }()
		join := func(script string) string {
			out, err := exec.Command(w.snug, "run", "--join", "first", "--", "bash", "-c", script).CombinedOutput()
			return string(out) + fmt.Sprint(err)
		}
		text := ""
		for range 50 {
			if text = join(get + "-o /dev/null -w '%{http_code}' http://127.0.0.1:5432/"); strings.Contains(text, "200") {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if !strings.Contains(text, "200") {
			t.Errorf("the first one's loopback is not reached: %s", text)
		}
		if text = join(get + "http://good.example/;" + get + "http://" + other4 + "/; ps ax | grep [h]ttp.server"); !strings.Contains(text, "site good.example") || strings.Contains(text, "site "+other4) || strings.Contains(text, "5432") {
			t.Errorf("the rules are not the first one's, or its processes are seen: %s", text)
		}
		out, err := exec.Command(w.snug, "update", "--bandwidth", "up=2Mbit", "first").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "no limit -> up 2Mbit") {
			t.Errorf("%s, %v", out, err)
		}
		if out, err := exec.Command(w.snug, "run", "--join", "nobody", "--", "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "--join nobody") {
			t.Errorf("%s, %v", out, err)
		}
	}},
	{"bandwidth is held", func(t *testing.T, w *world) {
		// Two megabytes a second, ten times as much as is sent for.
		start := time.Now()
		r := w.run(t, "head -c 4000000 /dev/zero | "+get+"-m 60 --data-binary @- http://"+site4+"/", "--bandwidth", "up=16Mbit")
		r.want(t, "4000000")
		if took := time.Since(start); took < 1800*time.Millisecond {
			t.Errorf("4 MB at 16 Mbit took %v", took)
		}
	}},
}

// needs skips a test where a program is missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs the program %s", p)
		}
	}
}

// make runs a script outside, in this world's directory.
func (w *world) make(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("bash", "-ec", script)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "HOME="+w.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// aside runs a server beside the tests, as long as the test lasts.
func (w *world) aside(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = w.dir
	// A server that reads a closed input ends.
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
}

// echoBy sends a word and says what comes back.
func echoBy(protocol, host string, port int) string {
	return fmt.Sprintf(`timeout 3 bash -c 'exec 3<>/dev/%s/%s/%d && printf "echo:%s\n" >&3 && timeout 1 head -n 1 <&3' `, protocol, host, port, protocol)
}

// helpers are the processes of the network's helper in this world.
func helpers(w *world) []int {
	out, _ := exec.Command("pgrep", "-x", "snug-net").Output()
	var list []int
	own, _ := os.Readlink("/proc/self/ns/net")
	for _, word := range strings.Fields(string(out)) {
		if ns, _ := os.Readlink("/proc/" + word + "/ns/net"); ns == own {
			var pid int
			fmt.Sscan(word, &pid)
			list = append(list, pid)
		}
	}
	return list
}

func killHelper(w *world) {
	for range 200 {
		if list := helpers(w); len(list) > 0 {
			time.Sleep(600 * time.Millisecond)
			if p, err := os.FindProcess(list[0]); err == nil {
				p.Kill()
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// watchHelper counts the helper's descriptors until it is told to stop.
func watchHelper(w *world, stop chan bool, most chan [2]int) {
	peak, last := 0, 0
	for {
		select {
		case <-stop:
			most <- [2]int{peak, last}
			return
		case <-time.After(30 * time.Millisecond):
		}
		for _, pid := range helpers(w) {
			if list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
				last = len(list)
				peak = max(peak, last)
			}
		}
	}
}

// runPublished has a sandbox listen on published ports, and connects to them.
func (w *world) runPublished(t *testing.T, ports ...string) ran {
	options := []string{}
	for _, p := range ports {
		options = append(options, "--publish", p)
	}
	done := make(chan ran)
	script := `python3 - <<'END'
import http.server, socket, socketserver, threading
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(("inside sees " + self.client_address[0] + "\n").encode())
    def log_message(self, *a): pass
class S(socketserver.ThreadingMixIn, http.server.HTTPServer): pass
class S6(S): address_family = socket.AF_INET6
for port in (80, 9000, 9001, 9002):
    threading.Thread(target=S(("0.0.0.0", port), H).serve_forever, daemon=True).start()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", 5353))
print("served", flush=True)
while True:
    data, peer = u.recvfrom(2000)
    u.sendto(b"udp " + data, peer)
    if data == b"end": break
END`
	go func() { done <- w.run(t, script, options...) }()
	client := http.Client{Timeout: 5 * time.Second}
	for _, url := range []string{"http://127.0.0.1:18080/", "http://[::1]:18081/", "http://127.0.0.1:19000/", "http://127.0.0.1:19002/", "http://198.51.100.1:18082/"} {
		text := ""
		for range 100 {
			if r, err := client.Get(url); err == nil {
				body, _ := io.ReadAll(r.Body)
				r.Body.Close()
				text = string(body)
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if !strings.Contains(text, "inside sees") {
			t.Errorf("%s: %q", url, text)
		}
		if strings.Contains(url, "198.51") && !strings.Contains(text, "198.51.100.1") {
			t.Errorf("the source address is lost: %q", text)
		}
	}
	conn, err := net.Dial("udp", "127.0.0.1:15353")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, word := range []string{"hello", "end"} {
		answer := make([]byte, 100)
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprint(conn, word)
		if n, err := conn.Read(answer); err != nil || string(answer[:n]) != "udp "+word {
			t.Errorf("%q, %v", answer[:n], err)
		}
	}
	return <-done
}
