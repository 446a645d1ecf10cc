package profiles

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// everything uses every key.
const everything = `
version = 1
description = "All of it: \"quotes\", \\, $${braces}, é, \u0001 and \u007f"
[command]
args = ["prog", "", "a b", "$${HOME}", "tab\there", "line\nbreak"]
argv0 = "other"
workdir = "/work"
linger = true
pid1 = true
entrypoint = ["env", "-i"]
stop_signal = "SIGINT"
umask = "0077"
nice = 0
oom_score_adj = -5
fds = [3, 9]
[env]
inherit = true
keep = ["A", "LC_*"]
unset = ["B"]
set = { C = "", "with space" = "x", D = "1" }
[identity]
map = "range"
uid = 0
gid = 7
groups = [8, 9]
user = "ann"
home = "/home/ann"
shell = "/bin/zsh"
[rootfs]
driver = "fuse"
path = "tree"
overlay = "keep"
upper = "/up"
work = "/wk"
writable = true
keep_etc = true
[namespaces]
user = "new"
pid = "new"
net = "new"
ipc = "share"
uts = "new"
cgroup = "share"
time = "new"
hostname = "box"
domainname = "(none)"
monotonic_offset = "1h0m1s"
boottime_offset = "-3s"
[network]
mode = "private"
driver = "gvisor"
allow = ["*.debian.org:443", "10.0.0.0/8"]
deny = ["bad.example"]
publish = ["127.0.0.1:8080:80/tcp"]
allow_ech = true
publish_all = true
host_loopback = true
dns = ["192.0.2.53"]
mtu = 1500
bandwidth = { up = "2Mbit", down = "10Mbit", latency = "20ms" }
required = true
[limits]
memory = "512MiB"
memory_high = "400MiB"
memory_swap = "1GiB"
oom = "group"
cpus = 0.25
cpu_weight = 50
cpuset = "0-3,8"
pids = 12
io_weight = 30
account = true
enforce = "best-effort"
timeout = "90s"
grace = "1ms"
cpu_time = "1h"
nofile = "1024:4096"
core = 0
fsize = "infinity"
stack = "8MiB"
data = "1GB"
as = 1
memlock = 0
nproc = 3
msgqueue = 0
sigpending = 9
rtprio = 5
rttime = "200ms:1s"
nice = "20:40"
io = [
  { path = "data", read = "10MB/s", write = 4096, read_iops = 100, write_iops = 50, weight = 200 },
  { device = "8:0", read = "1GiB/s" },
]
hugetlb = { "2MiB" = "64MiB", "1GiB" = 0 }
[security]
landlock = "no"
memory_deny_write_execute = true
core_scheduling = true
seccomp = { base = "strict", allow = ["ptrace", "socket(arg0 == AF_PACKET)"], deny = ["@sysv-ipc:ENOSYS"], log = ["getcwd"], errno = "EACCES", compat = true, log_denials = true }
capabilities = ["CAP_KILL", "ALL"]
nested_userns = true
hidepid = "noaccess"
proc_subset = "pid"
unmask = ["/proc/keys"]
[desktop]
app_id = "org.example.App"
home = "private"
downloads = "rw"
wayland = true
x11 = false
gpu = true
audio = true
record = true
dbus.session = { talk = ["org.example.A.*"], own = ["org.example.B"], see = ["org.example.C"], call = ["org.example.D=*@/x"], broadcast = ["org.example.E=*"] }
dbus.system.talk = ["org.freedesktop.UPower"]
portals = ["all", "clipboard"]
notifications = true
tray = true
mpris = "player"
keyring = "service"
a11y = true
input_method = "ibus"
camera = "devices"
joystick = true
printing = "cups"
open_links = true
fonts = true
theme = true
locale = true
[terminal]
tty = "yes"
[[mounts]]
source = "~/x"
target = "/x"
writable = true
noexec = true
optional = true
propagation = "slave"
[[mounts]]
type = "dev-bind"
source = "/dev/kvm"
[[mounts]]
type = "tmpfs"
target = "/t"
size = "64MiB"
mode = "1777"
read_only = true
[[mounts]]
type = "proc"
target = "/proc"
fallback = "bind"
[[mounts]]
type = "dev"
target = "/dev"
[[mounts]]
type = "mqueue"
target = "/dev/mqueue"
[[mounts]]
type = "overlay"
target = "/o"
lower = ["/a", "b"]
upper = "/u"
work = "/w"
writable = true
[[mounts]]
type = "symlink"
target = "/l"
source = "usr/bin"
[[mounts]]
type = "dir"
target = "/d"
mode = "0000"
[[mounts]]
type = "file"
target = "/f"
content = "first\n\u0000second ${HOME} $${HOME}"
[[mounts]]
type = "mask"
target = "/m"
[[mounts]]
type = "remount"
target = "/usr"
noexec = true
`

func shown(t testing.TB, p *Profile) string {
	t.Helper()
	var b bytes.Buffer
	if err := Show(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sameAgain checks that what Show writes is the same profile, and is written
// the same again.
func sameAgain(t testing.TB, w *world, p *Profile) {
	t.Helper()
	text := shown(t, p)
	again := w.loadText(text)
	first, second := p.Spec, again.Spec
	first.Name, second.Name = "", ""
	if !reflect.DeepEqual(first, second) {
		t.Errorf("shown:\n%s\nfirst  %+v\nsecond %+v", text, first, second)
	}
	comment := regexp.MustCompile(`(?m) *#.*$`)
	if one, two := comment.ReplaceAllString(text, ""), comment.ReplaceAllString(shown(t, again), ""); one != two {
		t.Errorf("shown once:\n%s\nand again:\n%s", one, two)
	}
}

func TestWhatIsShownIsTheSameProfile(t *testing.T) {
	w := newWorld(t)
	w.write("all.toml", everything)
	sameAgain(t, w, w.load("all.toml"))
	for _, b := range builtins {
		sameAgain(t, w, w.load(b.name))
	}
	sameAgain(t, w, w.load("build", "strict", "all.toml"))
}

func TestEverythingIsEverything(t *testing.T) {
	w := newWorld(t)
	w.write("all.toml", everything)
	p := w.load("all.toml")
	for i := range tables {
		for _, k := range tables[i].keys {
			name := tables[i].name + "." + k.name
			if reflect.ValueOf(k.at(&p.Spec)).Elem().IsZero() && name != "rootfs.base" && name != "rootfs.image" && name != "rootfs.name" && name != "namespaces.none" && name != "network.join" {
				t.Errorf("%s is not in the profile of this test", name)
			}
		}
	}
	for _, k := range mountKeys {
		used := false
		for i := range p.Spec.Mounts {
			used = used || !reflect.ValueOf(k.at(&p.Spec.Mounts[i])).Elem().IsZero()
		}
		if !used {
			t.Errorf("mounts.%s is not in the profile of this test", k.name)
		}
	}
}

func TestEveryValueIsShownWithItsPlace(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", strings.Join([]string{
		"[env]",
		"keep = [\"A\", \"B\",",
		"  \"C\"]",
		"set = { X = \"1\", Y = \"2\" }",
		"[network]",
		"mode = \"host\"",
		"[command]",
		"args = [\"a\"]",
		"[[mounts]]",
		"source = \"/a\"",
		"[[mounts]]",
		"source = \"/b\"",
		"noexec = true",
		"[[mounts]]",
		"source = \"/c\"",
	}, "\n"))
	w.write("p.toml", strings.Join([]string{
		"description = \"d\"",
		"extends = \"base.toml\"",
		"[env]",
		"keep = [\"!B\", \"D\"]",
		"unset = [\"X\"]",
		"[command]",
		"args = [\"b\", \"c\"]",
		"[[mounts]]",
		"target = \"/a\"",
		"remove = true",
		"[[mounts]]",
		"source = \"/other\"",
		"target = \"/c\"",
		"when = { not_env = \"NONE\" }",
	}, "\n"))
	want := `# Profile p.toml, resolved from base.toml, p.toml
version = 1
description = "d"  # p.toml:1

[command]
args = ["b", "c"]  # p.toml:7

[env]
keep = [
  "A",  # base.toml:2
  "C",  # base.toml:3
  "D",  # p.toml:4
]
unset = ["X"]  # p.toml:5

[env.set]
Y = "2"  # base.toml:4

[network]
mode = "host"  # base.toml:6

[[mounts]]  # base.toml:11
type = "bind"
source = "/b"  # base.toml:12
target = "/b"
noexec = true  # base.toml:13

[[mounts]]  # p.toml:11
type = "bind"
source = "/other"  # p.toml:12
target = "/c"  # p.toml:13
`
	if got := shown(t, w.load("p.toml")); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestOriginsHaveTheKeysOfTheSpec(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[[mounts]]\nsource = \"/a\"\n[[mounts]]\nsource = \"/b\"\n[env]\nkeep = [\"A\", \"B\"]\n[command]\nfds = [3, 4]\n")
	w.write("p.toml", "extends = \"base.toml\"\n[env]\nkeep = [\"!A\", \"C\"]\nset = { \"a.b\" = \"1\" }\n[[mounts]]\ntarget = \"/a\"\nremove = true\n[command]\nfds = [\"!3\"]\n")
	got := w.load("p.toml").Origins()
	want := map[string]Origin{
		"env.keep[0]": {"base.toml", 6, 14}, "env.keep[1]": {"p.toml", 3, 15}, `env.set."a.b"`: {"p.toml", 4, 9},
		"mounts[0]": {"base.toml", 3, 3}, "mounts[0].source": {"base.toml", 4, 1}, "command.fds[0]": {"base.toml", 8, 11},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestShowCopesWithAChangedSpec(t *testing.T) {
	w := newWorld(t)
	p := w.load("default")
	p.Spec.Env.Keep = append(p.Spec.Env.Keep, "FROM_A_FLAG")
	p.Spec.Network.Mode = "host"
	p.Spec.Mounts = append(p.Spec.Mounts, p.Spec.Mounts[0])
	text := shown(t, p)
	if !strings.Contains(text, "keep = [\"FROM_A_FLAG\"]\n") || !strings.Contains(text, "mode = \"host\"\n") {
		t.Errorf("got:\n%s", text)
	}
}

func TestWhatTOMLCannotHoldIsAComment(t *testing.T) {
	w := newWorld(t)
	w.env["BYTES"] = "/a\xff"
	p := w.loadText(`[env]
keep = ["A"]
set = { X = "${env:BYTES}", Y = "y" }
[command]
args = ["a", "${env:BYTES}", "b"]
[[mounts]]
source = "${env:BYTES}"
target = "/data"
`)
	p.Spec.Env.Set["\xfe"] = "z"
	var b bytes.Buffer
	err := Show(&b, p)
	for _, says := range []string{
		`env.set.X: "/a\xff" is not UTF-8 text`, `env.set: "\xfe" is not`, `command.args[1]: "/a\xff" is not`, `mounts[0].source: "/a\xff" is not`,
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %s", err, says)
		}
	}
	for _, row := range []string{
		"keep = [\"A\"]  # p.toml:2\n", `# X = "/a\xff"  # p.toml:3` + "\n", "Y = \"y\"  # p.toml:3\n", `# "\xfe" = "z"` + "\n",
		"# args = \"/a\\xff\"  # p.toml:5\nargs = [\n  \"a\",  # p.toml:5\n  \"b\",  # p.toml:5\n]\n",
		"\n# [[mounts]]  # p.toml:6\n# type = \"bind\"\n# source = \"/a\\xff\"  # p.toml:7\n# target = \"/data\"  # p.toml:8\n",
	} {
		if !strings.Contains(b.String(), row) {
			t.Errorf("no %q in\n%s", row, &b)
		}
	}
	if again := w.loadText(b.String()); len(again.Spec.Mounts) != 0 {
		t.Errorf("half of a mount is left: %v", again.Spec.Mounts)
	}
}

// A file's name is the only text of others that gets into a comment.
func TestAHostileFileNameStaysInItsComment(t *testing.T) {
	w := newWorld(t)
	name := "a\nmode = 1\x1b[2J\xff.toml"
	w.write(name, "[network]\nmode = \"none\"\n")
	text := shown(t, w.load(name))
	if strings.ContainsAny(text, "\x1b") {
		t.Errorf("got %q", text)
	}
	w.loadText(text)
}
