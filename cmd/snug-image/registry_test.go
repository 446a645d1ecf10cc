package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// realRegistry is Debian's docker-registry on loopback.
type realRegistry struct {
	host string // with its port
	ca   string // file of the authority that signed for it; empty: plain HTTP
}

// annsPassword is "secret", as htpasswd(1) -B writes it.
const annsPassword = "ann:$2y$04$MDCpNeJIKMyOY4R05o7THefYfOyQSsChoCG9RS55xy3MSyMXvM5HG\n"

// startRegistry starts one, with TLS and a password when asked.
func startRegistry(t *testing.T, secure bool) realRegistry {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("needs docker-registry: ", err)
	}
	r, dir := realRegistry{}, t.TempDir()
	http := "http: {addr: '127.0.0.1:0'"
	if secure {
		certificate, key := certify(t, dir)
		r.ca = certificate
		http += ", tls: {certificate: " + certificate + ", key: " + key + "}"
	}
	http += "}\n"
	if secure {
		http += "auth: {htpasswd: {realm: test, path: " + write(t, dir+"/htpasswd", []byte(annsPassword)) + "}}\n"
	}
	config := write(t, dir+"/registry.yml", []byte("version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: "+dir+"/registry}}\n"+http))
	server := exec.Command("docker-registry", "serve", config)
	log, err := server.StderrPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	said := ""
	for lines := bufio.NewScanner(log); lines.Scan(); {
		said += lines.Text() + "\n"
		if at := listening.FindStringSubmatch(lines.Text()); at != nil {
			r.host = at[1]
			go io.Copy(io.Discard, log)
			return r
		}
	}
	t.Fatal("the registry does not listen: ", said)
	return r
}

// listening is what a registry says of its address.
var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

// certify makes a certificate for 127.0.0.1 that is its own authority.
func certify(t *testing.T, dir string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, dir+"/cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		write(t, dir+"/key.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}))
}

// skopeo runs it, without a policy of the machine's.
func skopeo(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("needs skopeo: ", err)
	}
	if out, err := exec.Command("skopeo", append([]string{"--insecure-policy"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// layoutOf exports an image of a few files to an OCI layout.
func layoutOf(t *testing.T, dir string) string {
	t.Helper()
	store, layout := dir+"/one", dir+"/layout"
	must(t, store, "import", "--tag=tool:1", write(t, dir+"/f.tar", rootfs(t, "a")))
	if err := os.Mkdir(layout, 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, store, "export", "tool:1", layout)
	return layout
}

// Debian's registry, filled by skopeo, as others use them.
func TestPullFromARealRegistry(t *testing.T) {
	dir := t.TempDir()
	r := startRegistry(t, false)
	skopeo(t, "copy", "--dest-tls-verify=false", "oci:"+layoutOf(t, dir)+":1", "docker://"+r.host+"/tool:1")
	must(t, dir+"/two", "pull", r.host+"/tool:1")
	if out := must(t, dir+"/two", "verify"); !strings.Contains(out, "well") {
		t.Error(out)
	}
}

func TestPullWithTLSAndAPassword(t *testing.T) {
	dir := t.TempDir()
	r := startRegistry(t, true)
	skopeo(t, "copy", "--dest-tls-verify=false", "--dest-creds=ann:secret", "oci:"+layoutOf(t, dir)+":1", "docker://"+r.host+"/tool:1")
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", dir)
	store := filepath.Join(dir, "two")
	config := func(text string) { write(t, dir+"/config.json", []byte(text)) }
	login := func(password string) string {
		return fmt.Sprintf(`{"auths":{"%s":{"auth":"%s"}}}`, r.host, base64.StdEncoding.EncodeToString([]byte("ann:"+password)))
	}
	fails := func(want string) {
		t.Helper()
		if out, err := program(t, store, "pull", r.host+"/tool:1"); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v, not %q:\n%s", err, want, out)
		}
	}
	config(login("secret"))
	fails("SSL_CERT_FILE") // nobody here knows who signed
	t.Setenv("XDG_CONFIG_HOME", dir+"/conf")
	trusted, err := os.ReadFile(r.ca)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/conf/containers/certs.d/"+r.host+"/ca.crt", trusted)
	must(t, store, "pull", "--tag=trusted", r.host+"/tool:1")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("SSL_CERT_FILE", r.ca)
	config(login("wrong"))
	fails("log in")
	config("{}")
	fails("log in")
	config("this is no JSON")
	fails("config.json")
	config(login("secret"))
	must(t, store, "pull", r.host+"/tool:1")

	// From a helper program, and from a mirror with both.
	helper := write(t, dir+"/bin/docker-credential-test", []byte("#!/bin/sh\nread host; echo $host >"+dir+"/asked; echo '{\"Username\":\"ann\",\"Secret\":\"secret\"}'\n"))
	if err := os.Chmod(helper, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+"/bin:"+os.Getenv("PATH"))
	config(`{"credHelpers":{"` + r.host + `":"test"}}`)
	must(t, store, "pull", "--tag=helped", r.host+"/tool:1")
	if asked, _ := os.ReadFile(dir + "/asked"); strings.TrimSpace(string(asked)) != r.host {
		t.Errorf("the helper was asked for %q", asked)
	}
	config(`{"credsStore":"test"}`)
	t.Setenv("SNUG_MIRRORS", "registry.invalid="+r.host)
	must(t, store, "pull", "--tag=mirrored", "registry.invalid/tool:1")
	config(`{"credHelpers":{"` + r.host + `":"not-there"}}`)
	fails("docker-credential-not-there")
	if out := must(t, store, "verify"); strings.Count(out, ": well") != 4 {
		t.Error(out)
	}
}
