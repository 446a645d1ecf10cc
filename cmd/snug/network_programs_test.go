package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/network"
)

var programTests = []worldTest{
	{"publishes ports", func(t *testing.T, w *world) {
		r := w.runPublished(t, "--publish=127.0.0.1:18080:80/tcp", "--publish=[::1]:18081:80", "--publish=15353:5353/udp", "--publish=19000-19002:9000-9002", "--publish=198.51.100.1:18082:80")
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
		t.Parallel()
		r := w.run(t, "ip addr add 198.51.100.77/24 dev eth0; ip link set eth0 mtu 1400; ip route add 127.0.0.0/8 via 10.0.2.2 table 5; "+
			"ip rule add from all lookup 5 pref 0; "+get+"-m 1 http://127.0.0.1:9999/; "+get+"-m 1 --interface eth0 http://127.0.0.2:9999/; "+get+"http://"+site4+"/; "+get+"http://good.example/",
			"--allow", "good.example:80", "--map", "root", "--cap", "ALL", "--seccomp", "none")
		r.want(t, "site good.example")
		r.refuse(t, "secret", "site "+site4)
	}},
	{"the helper is killed", func(t *testing.T, w *world) {
		script := get + "http://good.example/; " + getUntilCut("http://good.example/kill") + get + "-m 1 http://good.example/; "
		for _, required := range []bool{false, true} {
			options, end := []string{"--name", "victim"}, "echo end"
			if required {
				end = "sleep 60" // the command does not end by itself before it is ended
				profile := filepath.Join(t.TempDir(), "required.toml")
				os.WriteFile(profile, []byte("version = 1\nextends = [\"default\"]\n[network]\nmode = \"private\"\nrequired = true\n"), 0o644)
				options = append(options, "-p", profile)
			}
			r := w.run(t, script+end, options...)
			if strings.Count(r.out, "site") != 1 {
				t.Errorf("%s%s", r.out, r.errs)
			}
			if !required && (!strings.Contains(r.out, "end") || !strings.Contains(r.errs, "helper ended")) || required && (r.code != 125 || !strings.Contains(r.errs, "network.required")) {
				t.Errorf("required %v: code %d, %s%s", required, r.code, r.out, r.errs)
			}
		}
	}},
	{"many connections leave nothing", func(t *testing.T, w *world) {
		const total = 2000
		script := fmt.Sprintf(`ulimit -n $(ulimit -H -n); python3 - <<'END'
import socket
for round in range(4):
    all = [socket.create_connection(("%s", 7), 60) for n in range(%d)]
    for s in all: s.sendall(b"word")
    for s in all: assert s.recv(4) == b"word"
    for s in all: s.close()
END
echo done $?; touch /tmp/done; %s http://good.example/count`, site4, total/4, get)
		r := w.run(t, script)
		r.want(t, "done 0")
		if n := <-w.counted; n > 60 {
			t.Errorf("the helper has %d descriptors at the end", n)
		}
		count := 0
		for _, c := range r.result.Network.Reached {
			if c.Port == 7 {
				count += c.Count
			}
		}
		if count != total {
			t.Errorf("%d connections are counted", count)
		}
	}},
	{"git over https", func(t *testing.T, w *world) {
		t.Parallel()
		needs(t, "git")
		w.make(t, "mkdir -p www && git init -q www/repo && cd www/repo && echo hello >file && git add file && git -c user.name=a -c user.email=a@example commit -qm one && git update-server-info")
		r := w.run(t, "export GIT_SSL_CAINFO=/srv/ca.pem; cd /tmp; git clone -q https://good.example/www/repo/.git one && cat one/file; git clone -q https://bad.example/www/repo/.git two && echo cloned", "--allow", "good.example:443")
		r.want(t, "hello")
		r.refuse(t, "cloned")
	}},
	{"apt-get from a mirror", func(t *testing.T, w *world) {
		t.Parallel()
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
		t.Parallel()
		needs(t, "openssl")
		w.make(t, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out dtls.pem -subj /CN=good.example -days 2 2>/dev/null")
		w.aside(t, "bash", "-c", "exec openssl s_server -dtls -accept "+site4+":4433 -cert dtls.pem -key key.pem -quiet >dtls.log 2>&1")
		client := func(word, rule string) ran { // it does not end by itself
			return w.run(t, "(echo "+word+"; sleep 0.3) | timeout 2 openssl s_client -dtls -connect good.example:4433 -quiet", "--allow", "good.example:443", "--allow", rule)
		}
		told, heard := "", ""
		for n := 0; n < 20 && !strings.Contains(told, "refused: good.example ("+site4+") port 4433, udp by openssl: not in allow"); n++ {
			told = client("refused", "good.example:4433/tcp").errs
		}
		for n := 0; n < 20 && heard == ""; n++ { // the server may not listen yet
			client("allowed", "good.example:4433/udp")
			text, _ := os.ReadFile(filepath.Join(w.dir, "dtls.log"))
			heard = string(text)
		}
		if !strings.Contains(told, "port 4433, udp by openssl: not in allow") {
			t.Errorf("nothing is told of it: %s", told)
		}
		if !strings.Contains(heard, "allowed") || strings.Contains(heard, "refused") {
			t.Errorf("the server heard %q", heard)
		}
	}},
	{"iperf3, both ways", func(t *testing.T, w *world) {
		t.Parallel()
		needs(t, "iperf3")
		w.aside(t, "iperf3", "-s", "-B", site4)
		r := w.run(t, "try() { for n in $(seq 100); do iperf3 -c "+site4+" \"$@\" && break; sleep 0.1; done; }; try -n 50M; try -n 50M -R; try -u -b 20M -n 2M")
		if strings.Count(r.out, "receiver") != 3 {
			t.Errorf("%s%s", r.out, r.errs)
		}
	}},
	{"other drivers", func(t *testing.T, w *world) { w.drivers(t) }},
	{"echo requests", func(t *testing.T, w *world) { w.pings(t) }},
	{"the host's resolver", func(t *testing.T, w *world) { w.resolvers(t) }},
	{"a network that is joined", func(t *testing.T, w *world) {
		dir := filepath.Join(w.dir, "runtime")
		os.Mkdir(dir, 0o700)
		t.Setenv("XDG_RUNTIME_DIR", dir)
		first := exec.Command(w.snug, "run", "--net", "private", "--allow", "good.example:80", "--name", "first", "--", "python3", "-m", "http.server", "5432", "--bind", "127.0.0.1")
		first.Dir = w.dir
		told, err := os.Create(filepath.Join(t.TempDir(), "told"))
		if err != nil {
			t.Fatal(err)
		}
		defer told.Close()
		first.Stderr = told
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { exec.Command(w.snug, "kill", "first").Run(); first.Wait() }()
		join := func(script string) string {
			out, err := exec.Command(w.snug, "run", "--join", "first", "--", "bash", "-c", script).CombinedOutput()
			return string(out) + fmt.Sprint(err)
		}
		text := ""
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if text = join(get + "-o /dev/null -w '%{http_code}' http://127.0.0.1:5432/"); strings.Contains(text, "200") {
				break
			}
		}
		if !strings.Contains(text, "200") {
			t.Errorf("the first one's loopback is not reached: %s", text)
		}
		if text = join(get + "http://good.example/;" + get + "http://" + other4 + "/; ps ax | grep [h]ttp.server"); !strings.Contains(text, "site good.example") || strings.Contains(text, "site "+other4) || strings.Contains(text, "5432") {
			t.Errorf("the rules are not the first one's, or its processes are seen: %s", text)
		}
		if text = join(get + "http://" + site4 + ":8080/"); !strings.Contains(text, "exit status") {
			t.Errorf("a refusal: %s", text)
		}
		said := ""
		for end := time.Now().Add(time.Minute); !strings.Contains(said, "refused: "+other4+" port 80, tcp by curl"); time.Sleep(20 * time.Millisecond) {
			text, _ := os.ReadFile(told.Name())
			if said = string(text); time.Now().After(end) {
				t.Fatalf("the first one does not tell which program of the other one was refused: %s", said)
			}
		}
		out, err := exec.Command(w.snug, "update", "--bandwidth", "up=2Mbit", "first").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "no limit -> up 2Mbit") {
			t.Errorf("%s, %v", out, err)
		}
		w.outlives(t)
		if out, err := exec.Command(w.snug, "run", "--join", "nobody", "--", "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "--join nobody") {
			t.Errorf("%s, %v", out, err)
		}
	}},
	{"bandwidth is held", func(t *testing.T, w *world) {
		t.Parallel()
		w.make(t, "mkdir -p www; head -c 2000000 /dev/zero >www/big")
		for _, way := range []struct{ limit, script string }{
			{"up=16Mbit", "head -c 2000000 /dev/zero | " + get + "-m 60 --data-binary @- http://" + site4 + "/"},
			{"down=16Mbit", get + "-m 60 http://" + site4 + "/www/big | wc -c"},
		} {
			start := time.Now()
			w.run(t, way.script, "--bandwidth", way.limit).want(t, "2000000")
			if took := time.Since(start); took < 900*time.Millisecond {
				t.Errorf("2 MB at %s took %v", way.limit, took)
			}
		}
	}},
}

// getUntilCut asks for a page until the network has gone, which nobody tells who
// waits for an answer: its interface goes with the helper, or has no carrier.
func getUntilCut(url string) string {
	return get + url + " & while ip link show " + network.Interface + " | grep -q LOWER_UP; do sleep 0.05; done 2>/dev/null; kill $!; "
}

// echoBy sends a word and says what comes back.
func echoBy(protocol, host string, port int) string {
	return fmt.Sprintf(`timeout 60 bash -c 'exec 3<>/dev/%s/%s/%d && printf "echo:%s\n" >&3 && head -n 1 <&3' `, protocol, host, port, protocol)
}

// helpers are the processes of the network's helper in this world.
func helpers(w *world) []int { return inNetwork("-x", "snug-net") }

// inNetwork are the processes in the test's network namespace that pgrep(1) finds.
func inNetwork(args ...string) []int {
	out, _ := exec.Command("pgrep", args...).Output()
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

func killAll(pids []int) {
	for _, pid := range pids {
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}
}

// countHelper tells how many descriptors the helper has, once most have gone.
func countHelper(w *world) {
	last := 0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, pid := range helpers(w) {
			list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			last = len(list)
		}
		if last != 0 && last < 60 {
			break
		}
	}
	w.counted <- last
}

// runPublished has a sandbox listen on published ports, and connects to them.
func (w *world) runPublished(t *testing.T, options ...string) ran {
	done := make(chan ran)
	script := `python3 - <<'END'
import http.server, socket, socketserver, threading
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(("inside sees " + self.client_address[0] + "\n").encode())
    def log_message(self, *a): pass
class S(socketserver.ThreadingMixIn, http.server.HTTPServer): pass
class S6(S): address_family = socket.AF_INET6
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", 5353))
for port in (80, 9000, 9001, 9002):
    threading.Thread(target=S(("0.0.0.0", port), H).serve_forever, daemon=True).start()
print("served", flush=True)
while True:
    data, peer = u.recvfrom(2000)
    u.sendto(b"udp " + data, peer)
    if data == b"end": break
END`
	go func() { done <- w.run(t, script, options...) }()
	client := http.Client{Timeout: time.Minute}
	for _, url := range []string{"http://127.0.0.1:18080/", "http://[::1]:18081/", "http://127.0.0.1:19000/", "http://127.0.0.1:19002/", "http://198.51.100.1:18082/"} {
		text := ""
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if r, err := client.Get(url); err == nil {
				body, _ := io.ReadAll(r.Body)
				r.Body.Close()
				text = string(body)
				break
			}
		}
		if !strings.Contains(text, "inside sees") {
			t.Errorf("%s: %q", url, text)
		}
		if kept := !slices.Contains(options, "-p"); kept && strings.Contains(url, "198.51") && !strings.Contains(text, "198.51.100.1") {
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
		conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprint(conn, word)
		if n, err := conn.Read(answer); err != nil || string(answer[:n]) != "udp "+word {
			t.Errorf("%q, %v", answer[:n], err)
		}
	}
	return <-done
}

// drivers tries the drivers that other programs are, with each of their known
// traps: the host's loopback, the metadata of clouds, IPv6, a program that stays.
func (w *world) drivers(t *testing.T) {
	if err := host.ProbeTun(); err != nil {
		t.Skipf("needs /dev/net/tun: %v", err)
	}
	w.make(t, "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up; ip addr add 192.0.2.9/24 dev up0; ip route add default via 192.0.2.1")
	for _, driver := range []string{network.Slirp, network.Pasta} {
		needs(t, driver)
		profile := filepath.Join(t.TempDir(), "driver.toml")
		os.WriteFile(profile, []byte("version = 1\nextends = [\"default\"]\n[network]\nmode = \"private\"\ndriver = \""+driver+"\"\n"), 0o644)
		r := w.run(t, get+"http://"+site4+"/; "+get+"http://good.example/; for a in 127.0.0.1 10.0.2.2 192.0.2.1 [::1] [fd00::2]; do "+get+"-g -m 1 http://$a:9999/; done;"+
			get+"http://169.254.169.254/; echo code $?; getent ahostsv6 only6.example", "-p", profile)
		r.want(t, "site "+site4, "site good.example", "code 7", site6)
		r.refuse(t, "secret", "site 169")
		// An execve takes the capabilities from a user that is not root inside.
		w.run(t, "id -u; "+get+"http://"+site4+"/", "-p", profile, "--uid", "1234", "--gid", "1234").want(t, "1234", "site "+site4)
		if r = w.run(t, get+"-m 5 http://10.0.2.2:9999/", "-p", profile, "--host-loopback"); !strings.Contains(r.out, "secret") {
			t.Errorf("%s: the host's loopback is not reached: %s%s", driver, r.out, r.errs)
		}
		r = w.run(t, "true", "-p", profile, "--publish", site4+":8080:80")
		if r.code != 125 || !strings.Contains(r.errs, "--publish "+site4+":8080:80: tcp port 8080 of "+site4+" is in use") {
			t.Errorf("%s: a port in use: %d, %s", driver, r.code, r.errs)
		}
		r = w.run(t, "true", "-p", profile, "--bandwidth", "up=1Mbit")
		if r.code != 125 || !strings.Contains(r.errs, driver+" does not have it") {
			t.Errorf("%s: a bandwidth: %d, %s", driver, r.code, r.errs)
		}
		w.runPublished(t, "-p", profile, "--publish=127.0.0.1:18080:80/tcp", "--publish=[::1]:18081:80", "--publish=15353:5353/udp", "--publish=19000-19002:9000-9002", "--publish=198.51.100.1:18082:80")
		r = w.run(t, getUntilCut("http://"+site4+"/kill-driver")+get+"-m 1 http://"+site4+"/; echo end", "-p", profile)
		if r.out != "end\n" || !strings.Contains(r.errs, "helper ended") || !r.result.Network.Lost {
			t.Errorf("%s is killed: %s%s", driver, r.out, r.errs)
		}
		if left := inNetwork("-f", driver+".*"+network.Interface); len(left) > 0 {
			t.Errorf("%s is left: %d", driver, left)
		}
	}
}

// pings sends echo requests where the host lets nobody, and where it lets us.
func (w *world) pings(t *testing.T) {
	needs(t, "ping")
	const script = "for a in " + site4 + " " + site6 + " good.example 10.0.2.2 169.254.169.254; do ping -n -c 1 -W 5 $a; done; ping -c 1 -W 5 -s 30000 " + site4
	r := w.run(t, script)
	if !strings.Contains(r.errs, "net.ipv4.ping_group_range") || strings.Count(r.out, " 0% packet loss") != 1 || !strings.Contains(r.out, "Packet filtered") {
		t.Errorf("where the host does not let: %s%s", r.out, r.errs)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0o644); err != nil {
		t.Skip(err)
	}
	defer os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("1 0"), 0o644)
	r = w.run(t, script)
	r.want(t, "30008 bytes from "+site4, "64 bytes from "+site6)
	if strings.Count(r.out, " 0% packet loss") != 5 || strings.Contains(r.out, "from 169.254") {
		t.Errorf("where the host lets: %s%s", r.out, r.errs)
	}
	// The stack does not answer for the world what is in fragments.
	r = w.run(t, "for a in 169.254.169.254 "+site6+"; do ping -n -c 1 -W 1 -s 9000 $a; done", "--bandwidth", "up=100Mbit")
	if strings.Contains(r.out, " 0% packet loss") {
		t.Errorf("in fragments: %s%s", r.out, r.errs)
	}
	r = w.run(t, script, "--allow", "good.example/icmp", "--deny", site6)
	if strings.Count(r.out, " 0% packet loss") != 3 || !strings.Contains(r.errs, "refused: ["+site6+"], icmp by ping: in deny") {
		t.Errorf("with rules: %s%s", r.out, r.errs)
	}
}

// resolvers tries what hosts have in their resolv.conf(5).
func (w *world) resolvers(t *testing.T) {
	file := filepath.Join(w.dir, "resolv.conf")
	before, _ := os.ReadFile(file)
	defer os.WriteFile(file, before, 0o644)
	for name, text := range map[string]string{
		"systemd-resolved": "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example\n",
		"IPv6":             "search example\nnameserver " + site6 + "\n",
		"several":          "nameserver " + other4 + "\nnameserver " + server4 + "\ndomain example\n",
		"nothing":          "",
	} {
		os.WriteFile(file, []byte(text), 0o644)
		r := w.run(t, "getent hosts good.example; getent hosts good; cat /etc/resolv.conf; cat /etc/hosts")
		r.want(t, site4, "nameserver 10.0.2.3\n", "10.0.2.15 snug", "localhost")
		r.refuse(t, "127.0.0.53", "nameserver 2001", server4)
		if short := strings.Count(r.out, site4+" "); name != "nothing" && short != 2 {
			t.Errorf("%s: %d names are found: %s%s", name, short, r.out, r.errs)
		}
	}
}

// outlives has a sandbox in another's network go on when that one has ended: its
// loopback interface stays.
func (w *world) outlives(t *testing.T) {
	second := exec.Command(w.snug, "run", "--join", "first", "--", "bash", "-c", "echo up; read; exec 3<>/dev/tcp/127.0.0.1/5433; cat <&3")
	script := `import socket; l = socket.create_server(("127.0.0.1", 5433)); print("up", flush=True); c, _ = l.accept(); c.sendall(b"still there")`
	third := exec.Command(w.snug, "run", "--join", "first", "--", "python3", "-c", script)
	in, _ := second.StdinPipe()
	out, _ := second.StdoutPipe()
	up, _ := third.StdoutPipe()
	for _, c := range []*exec.Cmd{second, third} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer c.Wait()
	}
	word := make([]byte, 3)
	io.ReadFull(out, word)
	io.ReadFull(up, word)
	if text, err := exec.Command(w.snug, "kill", "first").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	fmt.Fprintln(in)
	if text, _ := io.ReadAll(out); string(text) != "still there" {
		t.Errorf("a network whose first sandbox has ended: %q", text)
	}
}
