package profiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fortyLines is a profile of the size that people write.
const fortyLines = `# Build offline, with a cache.
version = 1
description = "Build a project with make, offline"
extends = "build"

[command]
args = ["make", "-j2"]

[env]
keep = ["CCACHE_DIR", "DISTCC_HOSTS"]
set = { LANG = "C.UTF-8", HOMEPAGE = "${HOME}/index.html" }

# Sources that several projects share.
[[mounts]]
source = "~/shared"
target = "/opt/shared"
optional = true

[[mounts]]
type = "tmpfs"
target = "/scratch"
size = "512MiB"
mode = "0700"

[[mounts]]
source = "/srv/models"
when = { exists = "/srv/models", env = "MODELS" }

[[mounts]]
type = "file"
target = "/opt/motd"
content = "hello\n"

[limits]
timeout = "20m"
nofile = 8192
core = 0

[security]
capabilities = ["CAP_NET_BIND_SERVICE"]
`

func benchmarkLoad(b *testing.B, name string) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "forty.toml"), []byte(fortyLines), 0o644); err != nil {
		b.Fatal(err)
	}
	in := Default()
	in.Dir = dir
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(in, name); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadOfABuiltin(b *testing.B)   { benchmarkLoad(b, "default") }
func BenchmarkLoadOfFortyLines(b *testing.B) { benchmarkLoad(b, "forty.toml") }
func BenchmarkLoadOfTwoThousandMounts(b *testing.B) {
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "[[mounts]]\nsource = \"/usr/share\"\ntarget = \"/m/%d\"\n", i)
	}
	name := filepath.Join(b.TempDir(), "many.toml")
	if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	in := Default()
	for b.Loop() {
		if _, err := Load(in, name); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInputsOfThisProcess(b *testing.B) {
	for b.Loop() {
		Default()
	}
}
