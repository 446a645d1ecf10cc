package mounts

import (
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/host"
)

func targets(list []Resolved) string {
	var names []string
	for _, r := range list {
		names = append(names, r.Type+" "+r.Target)
	}
	return strings.Join(names, ", ")
}

func TestResolveOrder(t *testing.T) {
	mounts := []Mount{
		{Type: Tmpfs, Target: "/a/b/c"}, {Source: "/src", Target: "/a"}, {Type: Mask, Target: "/a"}, {Type: Tmpfs, Target: "/a/b"},
		{Source: "/one", Target: "/x"}, {Source: "/two", Target: "/x/"}, {Source: "/three", Target: "/x", Optional: true},
	}
	for _, c := range []struct {
		ordered bool
		want    string
	}{
		{false, "bind /a, mask /a, bind /x, bind /x, tmpfs /a/b, tmpfs /a/b/c"},
		{true, "tmpfs /a/b/c, bind /a, mask /a, tmpfs /a/b, bind /x, bind /x, bind /x"},
	} {
		list := Table{Rootfs: Rootfs{Base: BaseEmpty}, Mounts: mounts, Ordered: c.ordered}.Resolve(host.Facts{}, Context{})
		if got := targets(list); got != c.want {
			t.Errorf("ordered %v: %s, want %s", c.ordered, got, c.want)
		}
	}
}

func TestShows(t *testing.T) {
	table := Table{Rootfs: Rootfs{Base: BaseHost}, Mounts: []Mount{
		{Type: Tmpfs, Target: "/home"}, {Source: "/home/ann/p"}, {Source: "/data", Target: "/home/ann/p/data"}, {Source: "/opt/x", Optional: true},
		{Type: Mask, Target: "/srv/secret"},
	}}
	for path, want := range map[string]bool{
		"/usr/bin": true, "/home": true, "/home/ann": false, "/home/ann/p": true, "/home/ann/p/x": true, "/home/ann/p/data": false,
		"/opt/x": false, "/opt": true, "/srv/secret": false, "/srv/secret/x": false, "/srv": true, "/tmp/x": false,
	} {
		if got := table.Shows(host.Facts{}, Context{}, path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// A directory may be there and be another than the host's.
func TestHolds(t *testing.T) {
	table := Table{Rootfs: Rootfs{Base: BaseHost}, Mounts: []Mount{
		{Type: Tmpfs, Target: "/home"}, {Source: "/homes/ann", Target: "/home/ann"}, {Source: "/homes/bob", Target: "/home/bob", Optional: true},
		{Type: Overlay, Lower: []string{"/home/eve"}, Target: "/home/eve"}, {Type: Overlay, Lower: []string{"/a", "/b"}, Target: "/home/joe"},
		{Type: Mask, Target: "/home/eve/secret"},
	}}
	for path, want := range map[string]bool{
		"/home/ann": true, "/home/ann/x": false, "/home/bob": false, "/home/eve": true, "/home/eve/x": true, "/home/eve/secret": false,
		"/home/joe": true, "/home/joe/x": false, "/home": true, "/home/x": false, "/srv": true,
	} {
		if got := table.Holds(host.Facts{}, Context{}, path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestValidateTable(t *testing.T) {
	for _, c := range []struct {
		table Table
		says  string
	}{
		{Table{}, ""},
		{Table{Mounts: []Mount{{Source: "/run"}}}, "/run as a whole"},
		{Table{Ordered: true, Mounts: []Mount{{Source: "/run"}, {Source: "here", Target: "/"}, {Type: Write, Target: "/f"}, {Type: Chmod, Target: "/"}}}, ""},
		{Table{Mounts: []Mount{{Source: "here"}}}, "source is not an absolute path"},
		{Table{Mounts: []Mount{{Source: "/a", Target: "b"}}}, "target is not an absolute path"},
		{Table{Mounts: []Mount{{Source: "/"}}}, "the root itself is not a target"},
		{Table{Mounts: []Mount{{Type: Write, Target: "/f"}}}, "for ordered mounts only"},
		{Table{Mounts: []Mount{{Type: "mount", Target: "/f"}}}, `"mount" is not a type of mount`},
		{Table{Mounts: []Mount{{Type: Overlay, Target: "/f"}}}, "lower is missing"},
		{Table{Mounts: []Mount{{Type: Symlink, Target: "/f"}}}, "the text of the link, is missing"},
		{Table{Mounts: []Mount{{Type: Tmpfs}}}, "target is missing"},
		{Table{Mounts: []Mount{{Source: "/a\x00b"}}}, "NUL byte"},
		{Table{Rootfs: Rootfs{Base: BaseHost, Path: "/x"}}, "either a base or a path"},
		{Table{Rootfs: Rootfs{Base: "x"}}, "rootfs.base"},
		{Table{Rootfs: Rootfs{Overlay: OverlayKeep, Path: "/x"}}, "go together"},
		{Table{Rootfs: Rootfs{Overlay: OverlayDiscard}}, "needs a directory below it"},
		{Table{Masking: Masking{Unmask: []string{"/proc/nothing"}}}, "not a protected path"},
		{Table{Masking: Masking{Unmask: []string{"ALL", "/proc/sys"}}}, ""},
	} {
		err := c.table.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", c.table, err, c.says)
		}
	}
}
