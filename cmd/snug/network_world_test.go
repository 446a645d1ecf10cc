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
	"github.com/snug-sandbox/snug/network"
)

// world is what plays the world outside.
type world struct {
	dir   string
	snug  string
	names map[string][]netip.Addr
	asked chan string
	// counted has the number of the helper's descriptors, after /count was asked for.
	counted chan int
}

const (
	site4   = "198.51.100.1" // two sites on one address
	other4  = "198.51.100.2"
	site6   = "2001:db8::1"
	server4 = "198.51.100.53"
)

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
	for _, at := range []string{server4, "127.0.0.53", "127.0.0.1", site6} {
		socket, err := net.ListenPacket("udp", net.JoinHostPort(at, "53"))
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
				if out := answer(buffer[:n]); out != nil {
					socket.WriteTo(out, from)
				}
			}
		}()
	}
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
		if r.URL.Path == "/kill" {
			killAll(helpers(w))
		}
		if r.URL.Path == "/kill-driver" {
			killAll(inNetwork("-f", "(slirp4netns|pasta).*"+network.Interface))
		}
		if r.URL.Path == "/count" {
			countHelper(w)
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
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, EncryptedClientHelloKeys: w.echKeys(t, "good.example"), NextProtos: []string{"http/1.1", "snug"}}
	secure := http.Server{Handler: site, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){"snug": func(_ *http.Server, c *tls.Conn, _ http.Handler) {
		fmt.Fprintln(c, c.ConnectionState().ServerName)
		c.Close()
	}}}
	for _, a := range []string{site4, other4, "[" + site6 + "]", "169.254.169.254"} {
		go http.Serve(listen(a+":80"), site)
		go http.Serve(listen(a+":8080"), site)
		go secure.Serve(tls.NewListener(listen(a+":443"), config))
		w.serveQUIC(t, a+":443", config)
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

// listener keeps what it hears, and hands on all of it each time.
type listener struct {
	all   []byte
	heard func(all string)
}

func (l *listener) Write(p []byte) (int, error) {
	l.all = append(l.all, p...)
	l.heard(string(l.all))
	return len(p), nil
}

// run runs a script in a sandbox with a private network and more options.
func (w *world) run(t *testing.T, script string, options ...string) ran {
	t.Helper()
	return w.follow(t, func(string) {}, script, options...)
}

// follow does so, and hands on what is told while it runs.
func (w *world) follow(t *testing.T, told func(all string), script string, options ...string) ran {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report")
	args := append([]string{"run", "--net", "private", "--report", report, "--timeout", "5m", "--ro-bind", w.dir + ":/srv", "--env", "CURL_CA_BUNDLE=/srv/ca.pem"}, options...)
	cmd := exec.Command(w.snug, append(args, "--", "bash", "-c", script)...)
	cmd.Dir = w.dir
	var out bytes.Buffer
	errs := listener{heard: told}
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	r := ran{out: out.String(), errs: string(errs.all), code: cmd.ProcessState.ExitCode()}
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
