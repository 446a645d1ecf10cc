package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// TestDebian runs testdata/debian/NAME.txtar in a Debian that mmdebstrap makes of
// the machine's own sources; SNUG_TEST_DEBIAN names a tar of one that is there.
func TestDebian(t *testing.T) {
	kerneltest.Require(t, "userns", "overlay", "subid")
	if testing.Short() {
		t.Skip("takes long")
	}
	tree, mirror := debianTree(t), debianMirror(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/debian", Condition: kerneltest.Condition, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LC_ALL", "C")
			env.Setenv("SNUG_LIBEXEC", os.Getenv("SNUG_LIBEXEC"))
			env.Setenv("DEBIAN", tree)
			env.Setenv("MIRROR", mirror)
			return nil
		},
	})
}

func debianTree(t *testing.T) string {
	t.Helper()
	if file := os.Getenv("SNUG_TEST_DEBIAN"); file != "" {
		return file
	}
	file := filepath.Join(t.TempDir(), "debian.tar")
	cmd := exec.Command("sh", "-c", `. /etc/os-release && exec mmdebstrap --quiet --mode=unshare --variant=minbase "$VERSION_CODENAME" "$0"`, file)
	cmd.Env = append(os.Environ(), "TMPDIR=/var/tmp")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("needs mmdebstrap and Debian's packages: %v: %s", err, out)
	}
	return file
}

// debianMirror serves a repository of one package, on loopback.
func debianMirror(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	control := "Package: snug-test\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\nDescription: a package of a test\n"
	for name, content := range map[string]string{
		"DEBIAN/control": control,
		"DEBIAN/postinst": "#!/bin/sh\nset -e\nuseradd --system --home-dir /var/lib/snug-test --user-group snugd\n" +
			"mkdir -m 700 /var/lib/snug-test\n(umask 077; echo 'for its user alone' >/var/lib/snug-test/secret)\nchown -R snugd:snugd /var/lib/snug-test\n",
		"usr/bin/snug-test": "#!/bin/sh\necho it works\n",
	} {
		file := filepath.Join(dir, "tree", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(dir, "snug-test.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "--build", filepath.Join(dir, "tree"), deb).CombinedOutput(); err != nil {
		t.Skipf("needs dpkg-deb: %v: %s", err, out)
	}
	text, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	entry := strings.TrimSuffix(control, "\n") + fmt.Sprintf("\nFilename: ./snug-test.deb\nSize: %d\nSHA256: %x\n", len(text), sha256.Sum256(text))
	if err := os.WriteFile(filepath.Join(dir, "Packages"), []byte(entry), 0o644); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	return server.URL
}
