package profiles

import (
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/units"
)

func TestVariablesAreReplacedWhereAPathOrValueIsMeant(t *testing.T) {
	w := newWorld(t)
	w.env = map[string]string{"A": "a", "EMPTY": "", "XDG_CACHE_HOME": "/cache", "XDG_DATA_HOME": "relative", "XDG_SEAT": "seat0"}
	w.in.UID = 1234
	for text, want := range map[string]string{
		"${HOME}/x":                        "/home/ann/x",
		"~/x":                              "/home/ann/x",
		"~":                                "/home/ann",
		"${PWD}/x":                         w.dir + "/x",
		"/run/user/${UID}":                 "/run/user/1234",
		"${XDG_CONFIG_HOME}":               "/home/ann/.config",
		"${XDG_CACHE_HOME}":                "/cache",
		"${XDG_DATA_HOME}":                 "/home/ann/.local/share",
		"${XDG_STATE_HOME}":                "/home/ann/.local/state",
		"/x${XDG_CONFIG_DIRS}":             "/x/etc/xdg",
		"/x${XDG_DATA_DIRS}":               "/x/usr/local/share/:/usr/share/",
		"/x/${XDG_SEAT}":                   "/x/seat0",
		"${profile_dir}/x":                 w.dir + "/sub/x",
		"/${env:A}":                        "/a",
		"/${env:A}${env:A}/":               "/aa/",
		"/${env:A:-b}":                     "/a",
		"/${env:NONE:-b}":                  "/b",
		"/${env:EMPTY:-b}":                 "/b",
		"/x${env:EMPTY}":                   "/x",
		"/x${env:NONE:-}":                  "/x",
		"${env:NONE:-${HOME}/y}":           "/home/ann/y",
		"${env:NONE:-${env:NO:-/z${UID}}}": "/z1234",
		"/$${HOME}":                        "/${HOME}",
		"/$$${HOME}":                       "/$${HOME}",
		"/$HOME":                           "/$HOME",
		"/{HOME}":                          "/{HOME}",
		"/a}b":                             "/a}b",
		"/${env:NONE:-$${}":                "/${",
		"x":                                w.dir + "/sub/x",
		"./x":                              w.dir + "/sub/x",
		".//x":                             w.dir + "/sub/x",
		".":                                w.dir + "/sub",
		"../x":                             w.dir + "/sub/../x",
		"./~x":                             w.dir + "/sub/~x",
		"/link/../x":                       "/link/../x",
	} {
		w.write("sub/p.toml", "[[mounts]]\ntarget = \"/t\"\nsource = "+units.TOML(text)+"\n")
		if got := w.load("sub/p.toml").Spec.Mounts[0].Source; got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestEveryPlaceThatTakesVariables(t *testing.T) {
	w := newWorld(t)
	s := w.loadText(`
[command]
args = ["${HOME}/bin/x", "--home=${HOME}", "~/x"]
argv0 = "${env:NAME:-x}"
workdir = "~/src"
[env]
set = { CACHE = "${XDG_CACHE_HOME}", TILDE = "~/x" }
[identity]
user = "${env:WHO:-me}"
home = "${HOME}"
shell = "${env:SHELL:-/bin/sh}"
[rootfs]
path = "~/tree"
overlay = "keep"
upper = "upper"
work = "${HOME}/work"
[namespaces]
hostname = "${env:HOST:-box}"
domainname = "${env:DOMAIN:-lan}"
[[mounts]]
type = "overlay"
target = "${HOME}/o"
lower = ["~/a", "b"]
upper = "~/u"
work = "~/w"
writable = true
[[mounts]]
type = "file"
target = "/f"
content = "home=${HOME}\u0000"
[[mounts]]
type = "symlink"
target = "/s"
source = "${env:TO:-usr/bin}"
`).Spec
	got := strings.Join([]string{strings.Join(s.Command.Args, " "), s.Command.Argv0, s.Command.Workdir, s.Env.Set["CACHE"], s.Env.Set["TILDE"],
		s.Identity.User, s.Identity.Home, s.Identity.Shell, s.Rootfs.Path, s.Rootfs.Upper, s.Rootfs.Work, s.Namespaces.Hostname,
		s.Namespaces.Domainname, s.Mounts[0].Target, strings.Join(s.Mounts[0].Lower, " "), s.Mounts[0].Upper, s.Mounts[0].Work,
		s.Mounts[1].Content, s.Mounts[2].Source}, "\n")
	want := strings.Join([]string{"/home/ann/bin/x --home=/home/ann ~/x", "x", "/home/ann/src", "/home/ann/.cache", "~/x",
		"me", "/home/ann", "/bin/sh", "/home/ann/tree", w.dir + "/upper", "/home/ann/work", "box",
		"lan", "/home/ann/o", "/home/ann/a " + w.dir + "/b", "/home/ann/u", "/home/ann/w",
		"home=/home/ann\x00", "usr/bin"}, "\n")
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A value of the environment is text, not a piece of profile.
func TestWhatAVariableHoldsIsNotReplacedAgain(t *testing.T) {
	w := newWorld(t)
	w.env["A"] = "${HOME}"
	if got := w.loadText("[env]\nset = { X = \"${env:A}\" }\n").Spec.Env.Set["X"]; got != "${HOME}" {
		t.Errorf("got %q", got)
	}
}

func TestWithoutADirectoryOrHomeOnlyTheirVariablesFail(t *testing.T) {
	w := newWorld(t)
	w.write("p.toml", "[[mounts]]\nsource = \"/x\"\n")
	w.write("q.toml", "[[mounts]]\nsource = \"${PWD}\"\n[[mounts]]\nsource = \"~/x\"\n[[mounts]]\nsource = \"${XDG_CACHE_HOME}\"\n")
	full := w.dir + "/"
	w.in.Dir, w.in.Home = "", ""
	w.load(full + "p.toml")
	want := `DIR/q.toml:2:1: mounts[0].source: ${PWD} has no value: the current directory has no path: it was deleted, or it is outside of the root directory | change to another directory
DIR/q.toml:4:1: mounts[1].source: ${HOME} has no value: the home directory is not known | set HOME in the environment
DIR/q.toml:6:1: mounts[2].source: ${HOME} has no value: the home directory is not known | set HOME in the environment`
	if got := w.errors(full + "q.toml"); got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestAHomeThatIsTheRootMakesNoDoubleSlash(t *testing.T) {
	w := newWorld(t)
	w.in.Home = "/"
	s := w.loadText("[[mounts]]\nsource = \"~/x\"\n[[mounts]]\nsource = \"${XDG_CACHE_HOME}\"\n").Spec
	if got := targets(s); got != "/x /.cache" {
		t.Errorf("got %s", got)
	}
}
