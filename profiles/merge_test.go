package profiles

import (
	"reflect"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/spec"
)

// targets lists the mounts of a Spec by target.
func targets(s spec.Spec) string {
	var all []string
	for _, m := range s.Mounts {
		all = append(all, m.Target)
	}
	return strings.Join(all, " ")
}

func TestLaterValuesWinAndOtherValuesStay(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[network]\nmode = \"host\"\n[limits]\nnofile = 100\ncpus = 2\n[identity]\nuid = 5\n")
	w.write("p.toml", "extends = \"base.toml\"\n[network]\nmode = \"none\"\n[limits]\ncpus = 0.5\n[identity]\nuid = 0\n")
	s := w.load("p.toml").Spec
	if s.Network.Mode != "none" || s.Limits.CPUs != 0.5 || *s.Identity.UID != 0 || s.Limits.Nofile.Hard != 100 {
		t.Errorf("got %+v", s)
	}
}

func TestABooleanCanBeTurnedOffAgain(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[command]\nlinger = true\n[env]\ninherit = true\n")
	w.write("p.toml", "extends = \"base.toml\"\n[command]\nlinger = false\n")
	if s := w.load("p.toml").Spec; s.Command.Linger || !s.Env.Inherit {
		t.Errorf("linger %v, inherit %v", s.Command.Linger, s.Env.Inherit)
	}
}

// TestAnEmptyAllowIsAMistake holds that taking the last rule out does not open what the
// rules had shut.
func TestAnEmptyAllowIsAMistake(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[network]\nmode = \"private\"\nallow = [\"a.example\"]\n")
	for _, text := range []string{"[network]\nmode = \"private\"\nallow = [\n  # \"a.example\",\n]\n", "extends = \"base.toml\"\n[network]\nallow = [\"!a.example\"]\n"} {
		w.write("p.toml", text)
		if said := w.errors("p.toml"); !strings.Contains(said, "an empty list lets everything through") {
			t.Errorf("%s: %s", text, said)
		}
	}
}

func TestListsAddUpInOrderWithoutRepetition(t *testing.T) {
	w := newWorld(t)
	w.write("a.toml", "[env]\nkeep = [\"A\", \"B\"]\nset = { X = \"1\", Y = \"1\" }\n[command]\nfds = [3, 4]\n[security]\ncapabilities = [\"CAP_KILL\"]\nunmask = [\"/proc/keys\"]\n")
	w.write("b.toml", "[env]\nkeep = [\"B\", \"C\"]\nset = { Y = \"2\" }\n[command]\nfds = [4, 5]\n[security]\ncapabilities = [\"CAP_CHOWN\"]\nunmask = [\"ALL\"]\n")
	w.write("p.toml", "extends = [\"a.toml\", \"b.toml\"]\n[env]\nkeep = [\"D\"]\n")
	s := w.load("p.toml").Spec
	want := spec.Spec{}
	want.Env.Keep = []string{"A", "B", "C", "D"}
	want.Env.Set = map[string]string{"X": "1", "Y": "2"}
	want.Command.FDs = []int{3, 4, 5}
	want.Security.Capabilities = []string{"CAP_KILL", "CAP_CHOWN"}
	want.Security.Unmask = []string{"/proc/keys", "ALL"}
	want.Name = "p.toml"
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestTheCommandIsOneValue(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[command]\nargs = [\"make\", \"all\"]\n")
	w.write("p.toml", "extends = \"base.toml\"\n[command]\nargs = [\"ls\"]\n")
	w.write("q.toml", "extends = \"base.toml\"\n[command]\nargs = []\n")
	if args := w.load("p.toml").Spec.Command.Args; !reflect.DeepEqual(args, []string{"ls"}) {
		t.Errorf("got %q", args)
	}
	if args := w.load("q.toml").Spec.Command.Args; args != nil {
		t.Errorf("an empty list leaves %q", args)
	}
}

func TestAnExclamationMarkTakesAnEntryOut(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[env]\nkeep = [\"A\", \"B\", \"LC_*\"]\nunset = [\"U\"]\n[command]\nfds = [3, 4]\n[security]\ncapabilities = [\"CAP_KILL\"]\nunmask = [\"ALL\"]\n")
	w.write("p.toml", "extends = \"base.toml\"\n[env]\nkeep = [\"!A\", \"C\", \"!LC_*\"]\nunset = [\"!U\"]\n[command]\nfds = [\"!3\"]\n[security]\ncapabilities = [\"!CAP_KILL\"]\nunmask = [\"!ALL\"]\n")
	s := w.load("p.toml").Spec
	want := spec.Spec{Name: "p.toml"}
	want.Env.Keep = []string{"B", "C"}
	want.Command.FDs = []int{4}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestAnEntryCanBeTakenOutAndPutBackInOneList(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[env]\nkeep = [\"A\", \"B\"]\n")
	w.write("p.toml", "extends = \"base.toml\"\n[env]\nkeep = [\"!A\", \"A\"]\n")
	if keep := w.load("p.toml").Spec.Env.Keep; !reflect.DeepEqual(keep, []string{"B", "A"}) {
		t.Errorf("got %q", keep)
	}
}

func TestOfUnsetAndSetTheLaterProfileWins(t *testing.T) {
	w := newWorld(t)
	w.write("sets.toml", "[env]\nset = { A = \"1\", AB = \"2\", C = \"3\" }\nkeep = [\"K\"]\n")
	w.write("unsets.toml", "[env]\nunset = [\"A*\", \"C\", \"K\", \"D\"]\n")
	s := w.load("sets.toml", "unsets.toml").Spec
	if s.Env.Set != nil || s.Env.Keep != nil || !reflect.DeepEqual(s.Env.Unset, []string{"A*", "C", "K", "D"}) {
		t.Errorf("unset last: %+v", s.Env)
	}
	s = w.load("unsets.toml", "sets.toml").Spec
	if !reflect.DeepEqual(s.Env.Unset, []string{"A*", "D"}) || s.Env.Set["C"] != "3" || s.Env.Keep[0] != "K" {
		t.Errorf("set last: %+v", s.Env)
	}
}

func TestSeveralProfilesCountAsIfOneExtendedThemAll(t *testing.T) {
	w := newWorld(t)
	w.write("a.toml", "[env]\nkeep = [\"A\"]\n[network]\nmode = \"host\"\n")
	w.write("b.toml", "[env]\nkeep = [\"B\"]\n[network]\nmode = \"none\"\n")
	w.write("p.toml", "extends = [\"a.toml\", \"b.toml\"]\n")
	one, both := w.load("p.toml").Spec, w.load("a.toml", "b.toml")
	both.Spec.Name, one.Name = "", ""
	if !reflect.DeepEqual(one, both.Spec) {
		t.Errorf("got %+v and %+v", one, both.Spec)
	}
	if got := w.load("a.toml", "b.toml").Spec.Name; got != "a.toml+b.toml" {
		t.Errorf("the name is %q", got)
	}
}

// A shared base that applied twice would undo what the first of two profiles
// changed in it.
func TestASharedBaseAppliesOnce(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[limits]\nnofile = 10\n[env]\nkeep = [\"A\"]\n[[mounts]]\nsource = \"/data\"\n")
	w.write("left.toml", "extends = \"base.toml\"\n[limits]\nnofile = 20\n[env]\nkeep = [\"!A\"]\n[[mounts]]\ntarget = \"/data\"\nremove = true\n")
	w.write("right.toml", "extends = \"base.toml\"\n[limits]\ncore = 0\n")
	w.write("p.toml", "extends = [\"left.toml\", \"right.toml\"]\n")
	p := w.load("p.toml")
	if p.Spec.Limits.Nofile.Soft != 20 || p.Spec.Env.Keep != nil || p.Spec.Mounts != nil || p.Spec.Limits.Core == nil {
		t.Errorf("got %+v", p.Spec)
	}
	want := []string{"base.toml", "left.toml", "right.toml", "p.toml"}
	if !reflect.DeepEqual(p.Sources, want) {
		t.Errorf("read %v, want %v", p.Sources, want)
	}
}

func TestTheDescriptionIsNotInherited(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "description = \"The base\"\n")
	w.write("p.toml", "extends = \"base.toml\"\n")
	if d := w.load("p.toml").Spec.Description; d != "" {
		t.Errorf("got %q", d)
	}
}

func TestAMountReplacesTheInheritedOneAtItsTarget(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[[mounts]]\nsource = \"/a\"\ntarget = \"/t\"\n[[mounts]]\nsource = \"/keep\"\n")
	w.write("p.toml", "extends = \"base.toml\"\n[[mounts]]\ntype = \"tmpfs\"\ntarget = \"/t/\"\n")
	s := w.load("p.toml").Spec
	if len(s.Mounts) != 2 || targets(s) != "/keep /t" || s.Mounts[1].Type != mounts.Tmpfs {
		t.Errorf("got %+v", s.Mounts)
	}
}

func TestAMaskOrRemountStaysBesideTheMountItChanges(t *testing.T) {
	w := newWorld(t)
	w.write("p.toml", "[[mounts]]\nsource = \"/a\"\n[[mounts]]\ntype = \"remount\"\ntarget = \"/a\"\nnoexec = true\n[[mounts]]\ntype = \"mask\"\ntarget = \"/a\"\n")
	if got := targets(w.load("p.toml").Spec); got != "/a /a /a" {
		t.Errorf("got %s", got)
	}
}

// An optional entry may vanish when the sandbox starts; what it would have
// replaced has to be there then.
func TestUnderAnOptionalMountTheEarlierOneStays(t *testing.T) {
	w := newWorld(t)
	s := w.loadText("[[mounts]]\ntype = \"tmpfs\"\ntarget = \"/c\"\n[[mounts]]\nsource = \"/x\"\ntarget = \"/c\"\noptional = true\n").Spec
	if got := targets(s); got != "/c /c" {
		t.Errorf("got %s", got)
	}
}

func TestRemoveTakesAnInheritedMountOut(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[[mounts]]\nsource = \"/a\"\n[[mounts]]\nsource = \"${HOME}/b\"\n[[mounts]]\nsource = \"/c\"\n")
	w.write("p.toml", "extends = \"base.toml\"\n[[mounts]]\ntarget = \"~/b/\"\nremove = true\n")
	if got := targets(w.load("p.toml").Spec); got != "/a /c" {
		t.Errorf("got %s", got)
	}
}

func TestRemovingWhatAConditionAlreadyLeftOutIsNoMistake(t *testing.T) {
	w := newWorld(t)
	w.write("base.toml", "[[mounts]]\nsource = \"/a\"\nwhen = { exists = \"/a\" }\n")
	w.write("p.toml", "extends = \"base.toml\"\n[[mounts]]\ntarget = \"/a\"\nremove = true\n")
	w.load("p.toml")
	w.have["/a"] = true
	if got := targets(w.load("p.toml").Spec); got != "" {
		t.Errorf("got %s", got)
	}
}

func TestABindNeedsOnlyOneOfSourceAndTarget(t *testing.T) {
	w := newWorld(t)
	s := w.loadText("[[mounts]]\nsource = \"/a/../b/\"\n[[mounts]]\ntarget = \"/c\"\n[[mounts]]\ntype = \"dev-bind\"\nsource = \"/dev/kvm\"\n").Spec
	want := []mounts.Mount{{Type: "bind", Source: "/a/../b/", Target: "/b"}, {Type: "bind", Source: "/c", Target: "/c"},
		{Type: "dev-bind", Source: "/dev/kvm", Target: "/dev/kvm"}}
	if !reflect.DeepEqual(s.Mounts, want) {
		t.Errorf("got %+v", s.Mounts)
	}
}

func TestOfBaseAndPathTheLaterProfileWins(t *testing.T) {
	w := newWorld(t)
	w.write("tree.toml", "[rootfs]\npath = \"/srv/tree\"\noverlay = \"discard\"\n")
	w.write("host.toml", "[rootfs]\nbase = \"host\"\n")
	if r := w.load("tree.toml", "host.toml").Spec.Rootfs; !reflect.DeepEqual(r, mounts.Rootfs{Base: "host"}) {
		t.Errorf("host last: %+v", r)
	}
	if r := w.load("host.toml", "tree.toml").Spec.Rootfs; !reflect.DeepEqual(r, mounts.Rootfs{Path: "/srv/tree", Overlay: "discard"}) {
		t.Errorf("tree last: %+v", r)
	}
}

func TestAnInheritedOverlayCanBeTurnedOff(t *testing.T) {
	w := newWorld(t)
	w.write("tree.toml", "[rootfs]\npath = \"/srv/tree\"\noverlay = \"discard\"\n")
	w.write("p.toml", "extends = \"tree.toml\"\n[rootfs]\noverlay = \"none\"\n")
	if got := w.load("p.toml").Spec.Rootfs.Overlay; got != "" {
		t.Errorf("got %q", got)
	}
}

func TestMistakesOfAllFilesAreShownAtOnce(t *testing.T) {
	w := newWorld(t)
	w.write("a.toml", "x = 1\n[network]\nmode = 1\n")
	w.write("b.toml", "[network\n")
	w.write("p.toml", "extends = [\"a.toml\", \"b.toml\", \"c.toml\"]\ny = 1\n[env]\nkeep = [\"!Z\"]\n")
	got := w.errors("p.toml")
	want := `a.toml:1:1: x: unknown key; expected one of version, description, extends, command, env, identity, rootfs, namespaces, network, limits, security, desktop, terminal or mounts
a.toml:3:1: network.mode: expected "none", "host" or "private", got 1
b.toml:1:9: expected '.' or ']' to end table name, but got '\n' instead
p.toml:1:32: extends[2]: profile c.toml: there is no such file
p.toml:2:1: y: unknown key; expected one of version, description, extends, command, env, identity, rootfs, namespaces, network, limits, security, desktop, terminal or mounts`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestProfilesThatDoNotFitTogetherAreBlamedAtTheKey(t *testing.T) {
	w := newWorld(t)
	w.write("a.toml", "\n\n[network]\nmode = \"host\"\n")
	w.write("b.toml", "[namespaces]\nnet = \"new\"\n")
	want := "a.toml:4:1: network.mode: \"host\" is the caller's network, but namespaces.net is \"new\" | leave one of them out"
	if got := w.errors("a.toml", "b.toml"); got != want {
		t.Errorf("got %s", got)
	}
}

// The option --rootfs names the tree.
func TestAProfileMayPutAnOverlayOverATreeThatIsNamedLater(t *testing.T) {
	if r := newWorld(t).loadText("[rootfs]\noverlay = \"discard\"\n").Spec.Rootfs; !reflect.DeepEqual(r, mounts.Rootfs{Overlay: "discard"}) {
		t.Errorf("got %+v", r)
	}
}
