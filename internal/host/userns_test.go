package host

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// ubuntu is what an ordinary user's process shows on Ubuntu 24.04.
func ubuntu() map[string]string {
	return map[string]string{
		"etc/os-release": "ID=ubuntu\nID_LIKE=debian\n",
		"etc/passwd":     "ann:x:1000:1000::/home/ann:/bin/sh\n",
		"etc/subuid":     "ann:100000:65536\n",
		"etc/subgid":     "ann:100000:65536\n",

		"proc/self/status": "Name:\tsnug\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\n" +
			"CapEff:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n",
		"proc/self/uid_map":               "         0          0 4294967295\n",
		"proc/self/gid_map":               "         0          0 4294967295\n",
		"proc/self/ns/user":               "",
		"proc/self/ns/mnt":                "",
		"proc/self/attr/apparmor/current": "unconfined\n",
		"proc/self/limits":                "Limit  Soft  Hard  Units\nMax processes             500                  600                  processes \n",
		"proc/self/cgroup":                "0::/\n",
		"proc/self/mountinfo": "20 1 8:1 / / rw - ext4 /dev/sda rw\n" +
			"21 20 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw\n" +
			"22 21 0:22 / /proc/sys/fs/binfmt_misc rw,relatime shared:13 - autofs systemd-1 rw\n",

		"proc/sys/kernel/unprivileged_userns_clone":             "1\n",
		"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
		"proc/sys/user/max_user_namespaces":                     "62973\n",
	}
}

func TestGatherUsernsOfUbuntu(t *testing.T) {
	u := GatherUserns(tree(t, ubuntu()))
	if u.NoProc || u.UID != 1000 || u.GID != 1000 || u.SubIDLogin != "ann" || !u.Distro.Is("debian") {
		t.Errorf("the caller: %+v", u.Facts)
	}
	want := map[string]int{
		"kernel.unprivileged_userns_clone":             1,
		"kernel.apparmor_restrict_unprivileged_userns": 1,
		"user.max_user_namespaces":                     62973,
	}
	if !reflect.DeepEqual(u.Sysctls, want) {
		t.Errorf("sysctls: %v", u.Sysctls)
	}
	if u.AppArmor != "unconfined" || u.Seccomp != 0 || u.NoNewPrivs || u.Caps != 0 || u.Container != "" {
		t.Errorf("confinement: %+v", u)
	}
	if u.Nested() || u.Chrooted || !u.Proc.Fresh() || u.MaxProcesses != 500 || u.FullPIDs != "" {
		t.Errorf("the rest: %+v", u)
	}
	if has, known := u.HasNamespace("user"); !has || !known {
		t.Errorf("namespaces: %v", u.Namespaces)
	}
	if has, known := u.HasNamespace("time"); has || !known {
		t.Errorf("namespaces: %v", u.Namespaces)
	}
}

func TestGatherUsernsWithoutProc(t *testing.T) {
	u := GatherUserns(t.TempDir())
	if !u.NoProc || u.UID != os.Geteuid() {
		t.Errorf("got %+v", u)
	}
	if _, known := u.HasNamespace("user"); known {
		t.Error("claims to know the namespaces")
	}
}

func TestGatherUsernsInDocker(t *testing.T) {
	files := ubuntu()
	files["proc/self/status"] = "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n"
	files["proc/self/attr/apparmor/current"] = "docker-default (enforce)\n"
	files[".dockerenv"] = ""
	files["proc/self/mountinfo"] = "900 800 0:60 / / rw - overlay overlay rw,lowerdir=/l\n" +
		"901 900 0:61 / /proc rw,nosuid - proc proc rw\n" +
		"902 901 0:61 /sys /proc/sys ro,nosuid - proc proc rw\n" +
		"903 901 0:62 / /proc/acpi ro - tmpfs tmpfs ro\n" +
		"904 902 0:62 / /proc/sys/kernel ro - tmpfs tmpfs ro\n"
	u := GatherUserns(tree(t, files))
	if u.Container != "docker" || u.Seccomp != 2 || !u.NoNewPrivs || u.AppArmor != "docker-default (enforce)" {
		t.Errorf("got %+v", u)
	}
	if u.UID != 0 || !u.Holds(unix.CAP_SETFCAP) || u.Holds(unix.CAP_SYS_ADMIN) {
		t.Errorf("caps %x", u.Caps)
	}
	want := ProcView{Mounted: true, SysRO: true, Covered: []string{"/proc/sys", "/proc/acpi"}}
	if !reflect.DeepEqual(u.Proc, want) || u.Proc.Fresh() {
		t.Errorf("proc: %+v", u.Proc)
	}
}

func TestViewProc(t *testing.T) {
	const first = "21 20 0:21 / /proc rw - proc proc rw\n"
	for _, tt := range []struct {
		name, mounts string
		fresh        bool
	}{
		{"plain", first, true},
		{"none", "20 1 8:1 / / rw - ext4 /dev/sda rw\n", false},
		{"only a part of it", "21 20 0:21 /sys /proc/sys rw - proc proc rw\n", false},
		{"read-only mount", "21 20 0:21 / /proc ro - proc proc rw\n", false},
		{"read-only file system", "21 20 0:21 / /proc rw - proc proc ro\n", false},
		{"covered", first + "22 21 0:5 /null /proc/kcore rw - devtmpfs dev rw\n", false},
		{"covered whole", first + "22 21 0:5 / /proc rw - tmpfs tmpfs rw\n", false},
		{"places meant for mounts", first + "22 21 0:5 / /proc/sys/fs/binfmt_misc rw - autofs a rw\n" +
			"23 22 0:6 / /proc/sys/fs/binfmt_misc rw - binfmt_misc b rw\n24 21 0:7 / /proc/fs/nfsd rw - nfsd nfsd rw\n", true},
		{"another one elsewhere", first + "22 21 0:5 /null /proc/kcore rw - devtmpfs dev rw\n" +
			"30 20 0:21 / /srv/proc rw - proc proc rw\n", true},
		{"a second one over a covered one", first + "22 21 0:5 /null /proc/kcore rw - devtmpfs dev rw\n" +
			"30 21 0:31 / /proc rw - proc proc rw\n", true},
		{"path that only begins alike", first + "22 20 0:5 / /processes rw - tmpfs t rw\n", true},
	} {
		root := tree(t, map[string]string{"proc/self/mountinfo": tt.mounts})
		if v := viewProc(readMounts(root)); v.Fresh() != tt.fresh {
			t.Errorf("%s: got %+v", tt.name, v)
		}
	}
}

func TestChrooted(t *testing.T) {
	for mounts, want := range map[string]bool{
		"20 1 8:1 / / rw - ext4 /dev/sda rw\n":   false,
		"21 20 0:21 / /proc rw - proc proc rw\n": true,
		"":                                       false, // unknown
		"20 1 8:1 / /x rw - ext4\nnonsense\n- - -": false,
	} {
		files := ubuntu()
		files["proc/self/mountinfo"] = mounts
		if u := GatherUserns(tree(t, files)); u.Chrooted != want {
			t.Errorf("%q: chrooted %v", mounts, u.Chrooted)
		}
	}
}

func TestContainer(t *testing.T) {
	const plainRoot = "20 1 8:1 / / rw - ext4 /dev/sda rw\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"none", nil, ""},
		{"podman", map[string]string{"run/.containerenv": ""}, "podman"},
		{"podman without its file", map[string]string{"proc/self/cgroup": "0::/user.slice/libpod-0af.scope\n"}, "podman"},
		{"docker with an overlay", map[string]string{".dockerenv": "",
			"proc/self/mountinfo": "900 800 0:60 / / rw - overlay overlay rw\n"}, "docker"},
		{"docker with another root", map[string]string{".dockerenv": "",
			"proc/self/mountinfo": plainRoot + "21 20 8:1 /x /etc/hosts rw - ext4 /dev/sda rw\n"}, "docker"},
		{"disk made from an image", map[string]string{".dockerenv": ""}, ""},
		{"kubernetes", map[string]string{"var/run/secrets/kubernetes.io/x": ""}, "kubernetes"},
		{"kubernetes by cgroup", map[string]string{"proc/self/cgroup": "0::/kubepods.slice/pod1\n"}, "kubernetes"},
		{"lxc", map[string]string{"proc/self/environ": "A=b\x00container=lxc\x00"}, "lxc"},
		{"nspawn", map[string]string{"run/systemd/container": "systemd-nspawn\n"}, "systemd-nspawn"},
		{"flatpak", map[string]string{".flatpak-info": "", "proc/self/environ": "container=flatpak"}, "flatpak"},
	} {
		files := map[string]string{"proc/self/mountinfo": plainRoot}
		for name, text := range tt.files {
			files[name] = text
		}
		root := tree(t, files)
		if got := container(root, readMounts(root)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMaps(t *testing.T) {
	list := []IDMap{{0, 1000, 1}, {1, 100000, 65536}}
	for id, want := range map[int]bool{0: true, 1: true, 65536: true, 65537: false, -1: false} {
		if Maps(list, id) != want {
			t.Errorf("id %d: %v", id, !want)
		}
	}
}

func TestNested(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n": false,
		"         0       1000          1\n": true,
		"0 1000 1\n1 100000 65536\n":         true,
		"":                                   false, // unknown
	} {
		root := tree(t, map[string]string{"uid_map": text})
		if got := (Userns{UIDMap: readIDMap(filepath.Join(root, "uid_map"))}).Nested(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSELinux(t *testing.T) {
	files := ubuntu()
	delete(files, "proc/self/attr/apparmor/current")
	files["proc/self/attr/current"] = "staff_u:staff_r:staff_t:s0\x00"
	files["sys/fs/selinux/enforce"] = "0"
	if u := GatherUserns(tree(t, files)); u.SELinux != "" || u.AppArmor != "" {
		t.Errorf("permissive: %q, %q", u.SELinux, u.AppArmor)
	}
	files["sys/fs/selinux/enforce"] = "1"
	if u := GatherUserns(tree(t, files)); u.SELinux != "staff_u:staff_r:staff_t:s0" || u.AppArmor != "" {
		t.Errorf("enforcing: %q, %q", u.SELinux, u.AppArmor)
	}
}

func TestHiddenSysctl(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	root := tree(t, ubuntu())
	const name = "kernel.apparmor_restrict_unprivileged_userns"
	if err := os.Chmod(filepath.Join(root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns"), 0); err != nil {
		t.Fatal(err)
	}
	u := GatherUserns(root)
	if _, ok := u.Sysctl(name); ok || !slices.Contains(u.HiddenSysctls, name) {
		t.Errorf("got %v, hidden %v", u.Sysctls, u.HiddenSysctls)
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`/plain`: "/plain", `/a\040b`: "/a b", `/a\134040`: `/a\040`, `/tab\011`: "/tab\t",
		`/end\04`: `/end\04`, `\999`: `\999`, `/new\012line`: "/new\nline",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestGatherUsernsOfThisMachine(t *testing.T) {
	u := GatherUserns("/")
	if u.NoProc {
		t.Skip("needs /proc")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if u.UID != os.Geteuid() || u.Exe != exe || len(u.UIDMap) == 0 || !Maps(u.UIDMap, u.UID) {
		t.Errorf("got %+v", u)
	}
	if !slices.Contains(u.Namespaces, "mnt") {
		t.Errorf("namespaces: %v", u.Namespaces)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(u.MaxProcesses); limit.Cur != unix.RLIM_INFINITY && got != fmt.Sprint(limit.Cur) {
		t.Errorf("RLIMIT_NPROC is %d, got %s", limit.Cur, got)
	}
}
