package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/quic"
)

// clientEnv has this program be a client, which tests run in a sandbox.
const clientEnv = "SNUG_TEST_CLIENT"

// toldFile is there inside once it was told of every client that is refused.
const toldFile = "/srv-told/all"

// helloTests have clients that say names in ways that no program on every machine
// knows: QUIC, and TLS that hides one within another.
var helloTests = []worldTest{
	{"QUIC", func(t *testing.T, w *world) {
		t.Parallel()
		client := w.client(t)
		client("quic good.example "+site6+"; quic only6.example "+site6).want(t, "quic says good.example", "quic says only6.example")
		// Another site at the same address, and the same one by an address of another.
		r := client("quic good.example "+site4+"; noquic bad.example "+site4+"; noquic good.example "+other4, "--allow", "good.example:443/udp")
		r.want(t, "quic says good.example")
		r.refuse(t, "quic says bad.example")
		if strings.Count(r.out, "quic says") != 1 || !strings.Contains(r.errs, "refused: bad.example ("+site4+") port 443, udp by client: the name that it says is not in allow") {
			t.Errorf("%s%s", r.out, r.errs)
		}
		if n := r.result.Network; n == nil || len(n.Reached) != 1 || n.Reached[0].Rule() != "good.example:443/udp" || n.Reached[0].Sent == 0 || len(n.Refused) != 3 {
			t.Errorf("the report has %+v", n)
		}
		// What is denied is denied there, too; a rule about the address says nothing of names.
		r = client("noquic bad.example "+site4+"; quic good.example "+site4, "--deny", "bad.example")
		r.want(t, "quic says good.example")
		r.refuse(t, "quic says bad.example")
		client("quic bad.example "+site4, "--allow", site4+":443/udp").want(t, "quic says bad.example")
	}},
	{"a name within another", func(t *testing.T, w *world) {
		t.Parallel()
		client := w.client(t)
		const hidden = "ech bad.example " + site4
		r := client(hidden+"; ech good.example "+site4+"; tls good.example "+site4+"; noquic good.example "+site4, "--allow", "good.example:443")
		r.want(t, "tls says good.example")
		r.refuse(t, "ech says", "quic says")
		if !strings.Contains(r.errs, "refused: good.example ("+site4+") port 443, tcp by client: it may say another name, encrypted (ECH)") {
			t.Errorf("nothing is told of it: %s", r.errs)
		}
		profile := filepath.Join(t.TempDir(), "ech.toml")
		os.WriteFile(profile, []byte("version = 1\nextends = [\"default\"]\n[network]\nmode = \"private\"\nallow = [\"good.example:443\"]\nallow_ech = true\n"), 0o644)
		client(hidden, "-p", profile).want(t, "ech says bad.example")
		client(hidden).want(t, "ech says bad.example")
	}},
}

// client returns a function that runs clients in a sandbox, "KIND NAME ADDRESS"
// each, after the names of this world were looked up.
func (w *world) client(t *testing.T) func(string, ...string) ran {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func(list string, options ...string) ran {
		script := "getent ahosts good.example >/dev/null; getent ahosts only6.example >/dev/null;"
		for line := range strings.SplitSeq(list, "; ") {
			script += clientEnv + "='" + line + "' /tmp/client & "
		}
		dir, refused := t.TempDir(), strings.Count(list, "noquic")
		told := func(all string) {
			if strings.Count(all, "udp by client") >= refused {
				os.WriteFile(filepath.Join(dir, filepath.Base(toldFile)), nil, 0o644)
			}
		}
		options = append([]string{"--ro-bind", self + ":/srv-client", "--ro-bind", dir + ":" + filepath.Dir(toldFile)}, options...)
		return w.follow(t, told, "ln -s /srv-client /tmp/client;"+script+"wait", options...)
	}
}

// beClient is what this program does as a client.
func beClient(order string) error {
	var kind, name, address string
	if _, err := fmt.Sscan(order, &kind, &name, &address); err != nil {
		return err
	}
	authorities, err := os.ReadFile("/srv/ca.pem")
	if err != nil {
		return err
	}
	config := &tls.Config{ServerName: name, NextProtos: []string{"snug"}, MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authorities)
	at := net.JoinHostPort(address, "443")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if kind == "noquic" { // who is refused hears nothing
		go func() {
			for _, err := os.Stat(toldFile); err != nil; _, err = os.Stat(toldFile) {
				time.Sleep(5 * time.Millisecond)
			}
			cancel()
		}()
	}
	if strings.HasSuffix(kind, "quic") {
		return quicClient(ctx, at, config)
	}
	if kind == "ech" {
		if config.EncryptedClientHelloConfigList, err = os.ReadFile("/srv/ech"); err != nil {
			return err
		}
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", at)
	if err != nil {
		return err
	}
	defer conn.Close()
	said, err := io.ReadAll(conn)
	fmt.Printf("%s says %s", kind, said)
	return err
}

func quicClient(ctx context.Context, at string, config *tls.Config) error {
	e, err := quic.Listen("udp", ":0", nil)
	if err != nil {
		return err
	}
	conn, err := e.Dial(ctx, "udp", at, &quic.Config{TLSConfig: config})
	if err != nil {
		return err
	}
	stream, err := conn.AcceptStream(ctx)
	if err != nil {
		return err
	}
	stream.SetReadContext(ctx)
	said, err := io.ReadAll(stream)
	fmt.Printf("quic says %s", said)
	return err
}

// serveQUIC has clients told which name they said.
func (w *world) serveQUIC(t *testing.T, at string, config *tls.Config) {
	config = config.Clone()
	config.NextProtos, config.MinVersion = []string{"snug"}, tls.VersionTLS13
	e, err := quic.Listen("udp", at, &quic.Config{TLSConfig: config})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := e.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				stream, err := conn.NewSendOnlyStream(context.Background())
				if err != nil {
					return
				}
				fmt.Fprintln(stream, conn.ConnectionState().ServerName)
				stream.Close()
				conn.Wait(context.Background())
			}()
		}
	}()
}

// echKeys are those of a server that decrypts names, which clients find in a file.
func (w *world) echKeys(t *testing.T, outer string) []tls.EncryptedClientHelloKey {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := key.PublicKey().Bytes()
	b := append([]byte{7, 0, 0x20, 0, byte(len(public))}, public...)                       // a number, DHKEM(X25519)
	b = append(b, 0, 4, 0, 1, 0, 1, 32, byte(len(outer)))                                  // HKDF-SHA256 with AES-128-GCM, the longest name
	b = append(append(b, outer...), 0, 0)                                                  // no extensions
	one := append(binary.BigEndian.AppendUint16([]byte{0xfe, 0x0d}, uint16(len(b))), b...) // its version
	list := append(binary.BigEndian.AppendUint16(nil, uint16(len(one))), one...)
	if err := os.WriteFile(filepath.Join(w.dir, "ech"), list, 0o644); err != nil {
		t.Fatal(err)
	}
	return []tls.EncryptedClientHelloKey{{Config: one, PrivateKey: key.Bytes()}}
}
