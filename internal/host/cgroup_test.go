package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	v2Mounts = "20 1 8:1 / / rw - ext4 /dev/sda rw\n" +
		"30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mounts = "20 1 8:1 / / rw - ext4 /dev/sda rw\n" +
		"30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"31 20 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	app = "sys/fs/cgroup/user.slice/app.scope/"
)

// cgroupFiles are those of a directory with these controllers.
func cgroupFiles(dir, controllers string) map[string]string {
	return map[string]string{
		dir + "cgroup.controllers":     controllers,
		dir + "cgroup.procs":           "",
		dir + "cgroup.subtree_control": "",
	}
}

func with(files map[string]string, more ...string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return files
}

func TestCgroupSubtree(t *testing.T) {
	const member, mounts = "proc/self/cgroup", "proc/self/mountinfo"
	for _, tt := range []struct {
		name  string
		files map[string]string
		dir   string // empty: there is none
		why   string
	}{
		{"delegated", with(cgroupFiles(app, "cpu memory pids\n"),
			member, "0::/user.slice/app.scope\n", mounts, v2Mounts),
			"/sys/fs/cgroup/user.slice/app.scope", ""},
		{"in a cgroup namespace", with(cgroupFiles("sys/fs/cgroup/", "memory pids\n"),
			member, "0::/\n", mounts, strings.Replace(v2Mounts, "0:26 / ", "0:26 /user.slice ", 1)),
			"", "lies outside"},
		{"mount of a part", with(cgroupFiles("sys/fs/cgroup/app.scope/", "memory pids\n"),
			member, "0::/user.slice/app.scope\n", mounts, strings.Replace(v2Mounts, "0:26 / ", "0:26 /user.slice ", 1)),
			"/sys/fs/cgroup/app.scope", ""},
		{"leads out of the namespace", with(cgroupFiles("sys/fs/other/", "memory pids\n"),
			member, "0::/../other\n", mounts, v2Mounts), "", "lies outside"},
		{"no controllers", with(cgroupFiles(app, "\n"),
			member, "0::/user.slice/app.scope\n", mounts, v2Mounts), "", "was given none"},
		{"read-only", with(cgroupFiles(app, "cpu memory pids\n"),
			member, "0::/user.slice/app.scope\n", mounts, strings.Replace(v2Mounts, "rw,nosuid", "ro,nosuid", 1)),
			"", "read-only"},
		{"hybrid", with(cgroupFiles("sys/fs/cgroup/unified/", "hugetlb\n"),
			member, "4:memory:/x\n0::/\n", mounts, v1Mounts), "", "cgroup v1 host: the controllers belong"},
		{"v1 only", with(map[string]string{}, member, "4:memory:/x\n1:name=systemd:/\n", mounts, v1Mounts),
			"", "cgroup v1 host: there is no"},
		{"not mounted", with(map[string]string{}, member, "0::/\n",
			mounts, "20 1 8:1 / / rw - ext4 /dev/sda rw\n"), "", "no cgroup v2 file system is mounted"},
		{"threaded", with(cgroupFiles(app, "cpu memory pids\n"), app+"cgroup.type", "threaded\n",
			member, "0::/user.slice/app.scope\n", mounts, v2Mounts), "", "is a threaded cgroup (cgroup.type is \"threaded\")"},
		{"a domain", with(cgroupFiles(app, "cpu memory pids\n"), app+"cgroup.type", "domain\n",
			member, "0::/user.slice/app.scope\n", mounts, v2Mounts), "/sys/fs/cgroup/user.slice/app.scope", ""},
		{"no proc", map[string]string{"x": ""}, "", "cgroup v1 host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, controllers, why := cgroupSubtree(tree(t, tt.files), "")
			if dir != tt.dir || (tt.why == "") != (why == "") || !strings.Contains(why, tt.why) {
				t.Errorf("got %q, %q", dir, why)
			}
			if (dir != "") != slices.Contains(controllers, "memory") {
				t.Errorf("controllers %q", controllers)
			}
		})
	}
}

func TestWhichSubtree(t *testing.T) {
	files := with(cgroupFiles(app, "cpu memory pids\n"), "proc/self/mountinfo", v2Mounts, "sys/fs/cgroup/cgroup.procs", "", "sys/fs/cgroup/other/cgroup.procs", "")
	for _, tt := range []struct{ name, member, named, dir, why string }{
		{"moved aside", "0::/user.slice/app.scope/snug-outside\n", "", "/sys/fs/cgroup/user.slice/app.scope", ""},
		{"named", "0::/other\n", "/sys/fs/cgroup/user.slice/app.scope/", "/sys/fs/cgroup/user.slice/app.scope", ""},
		{"named outside", "0::/other\n", "/sys/fs/cgroup/../x", "", "SNUG_CGROUP=/sys/fs/cgroup/../x is not below /sys/fs/cgroup"},
		{"named and not there", "0::/other\n", "/sys/fs/cgroup/nothing", "", "SNUG_CGROUP=/sys/fs/cgroup/nothing does not exist"},
	} {
		dir, _, why := cgroupSubtree(tree(t, with(files, "proc/self/cgroup", tt.member)), tt.named)
		if dir != tt.dir || (tt.why == "") != (why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%s: got %q, %q", tt.name, dir, why)
		}
	}
}

func TestManaged(t *testing.T) {
	const manager = "/sys/fs/cgroup/user.slice/user-1.slice/user@1.service"
	root := tree(t, map[string]string{manager[1:] + "/app.slice/x.scope/sub/cgroup.procs": "", manager[1:] + "/app.slice/y.service/cgroup.procs": ""})
	if err := unix.Setxattr(root+manager+"/app.slice/x.scope", "user.delegate", []byte("1"), 0); err != nil {
		t.Skipf("needs extended attributes in the directory of the test: %v", err)
	}
	for _, c := range []struct {
		dir  string
		uid  int
		want bool
	}{
		{manager + "/app.slice/x.scope", 1, false}, {manager + "/app.slice/x.scope/sub", 1, false}, {manager + "/app.slice/y.service", 1, true},
		{manager + "/app.slice", 1, true}, {"/sys/fs/cgroup/user.slice/user-1.slice/session-1.scope", 1, false}, {"/sys/fs/cgroup/system.slice/runner.service", 1, false},
		{"/sys/fs/cgroup/system.slice/runner.service", 0, true}, {"/sys/fs/cgroup", 0, false}, {"/sys/fs/cgroup/mine", 0, false},
	} {
		if got := managed(root, c.dir, c.uid); got != c.want {
			t.Errorf("%s of %d: %v", c.dir, c.uid, got)
		}
	}
}

func TestCgroupFrom(t *testing.T) {
	for dir, want := range map[string]string{
		"sys/fs/cgroup/user.slice/snug-7.scope/": "a scope of the user's systemd", "sys/fs/cgroup/user.slice/app.scope/": "a subtree that was left to the caller",
	} {
		f := Facts{UID: 1000}
		root := tree(t, with(cgroupFiles(dir, "memory\n"), "proc/self/mountinfo", v2Mounts, "proc/self/cgroup", "0::/"+strings.TrimSuffix(strings.TrimPrefix(dir, "sys/fs/cgroup/"), "/")+"\n"))
		f.gatherCgroup(root, "")
		if f.CgroupFrom != want || f.Memory == 0 {
			t.Errorf("%s: %+v", dir, f)
		}
		if f.gatherCgroup(root, "/"+dir); f.CgroupFrom != "$SNUG_CGROUP" || f.CgroupManaged {
			t.Errorf("named: %+v", f)
		}
	}
}

func TestCgroupWithoutDelegation(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everything")
	}
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		root := tree(t, with(cgroupFiles(app, "cpu memory pids\n"),
			"proc/self/cgroup", "0::/user.slice/app.scope\n", "proc/self/mountinfo", v2Mounts))
		closed := filepath.Join(root, app, name)
		if err := os.Chmod(closed, 0o555); err != nil {
			t.Fatal(err)
		}
		dir, _, why := cgroupSubtree(root, "")
		if err := os.Chmod(closed, 0o755); err != nil { // or it cannot be removed
			t.Fatal(err)
		}
		if dir != "" || !strings.HasPrefix(why, "no delegation: /sys/fs/cgroup/user.slice/app.scope") || !strings.Contains(why, name) {
			t.Errorf("%q closed: got %q, %q", name, dir, why)
		}
	}
}

func TestFullPIDs(t *testing.T) {
	const v1 = "20 1 8:1 / / rw - ext4 /dev/sda rw\n30 20 0:26 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	for _, tt := range []struct {
		name                   string
		member, mounts         string
		dir, limit, now, wants string
	}{
		{"own is full", "0::/a/b\n", v2Mounts, "a/b/", "5\n", "5\n", "/sys/fs/cgroup/a/b"},
		{"parent is full", "0::/a/b\n", v2Mounts, "a/", "5\n", "6\n", "/sys/fs/cgroup/a"},
		{"room left", "0::/a/b\n", v2Mounts, "a/", "5\n", "4\n", ""},
		{"no limit", "0::/a/b\n", v2Mounts, "a/", "max\n", "4000\n", ""},
		{"v1", "8:pids:/a\n0::/\n", v1, "pids/a/", "5\n", "5\n", "/sys/fs/cgroup/pids/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := tree(t, map[string]string{
				"proc/self/cgroup":                         tt.member,
				"proc/self/mountinfo":                      tt.mounts,
				"sys/fs/cgroup/" + tt.dir + "pids.max":     tt.limit,
				"sys/fs/cgroup/" + tt.dir + "pids.current": tt.now,
			})
			if got := fullPIDs(root, readMounts(root)); got != tt.wants {
				t.Errorf("got %q, want %q", got, tt.wants)
			}
		})
	}
}
