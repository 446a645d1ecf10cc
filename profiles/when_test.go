package profiles

import (
	"fmt"
	"testing"
)

func TestAnEntryIsUsedWhenAllItsConditionsHold(t *testing.T) {
	w := newWorld(t)
	w.env["SET"], w.env["EMPTY"] = "1", ""
	w.have["/here"], w.have["/home/ann/x"] = true, true
	for when, want := range map[string]bool{
		`exists = "/here"`:                                true,
		`exists = "~/x"`:                                  true,
		`exists = "/gone"`:                                false,
		`exists = ["/here", "~/x"]`:                       true,
		`exists = ["/here", "/gone"]`:                     false,
		`exists = []`:                                     true,
		`not_exists = "/gone"`:                            true,
		`not_exists = ["/gone", "/here"]`:                 false,
		`env = "SET"`:                                     true,
		`env = "EMPTY"`:                                   true,
		`env = "UNSET"`:                                   false,
		`env = ["SET", "UNSET"]`:                          false,
		`not_env = "UNSET"`:                               true,
		`not_env = ["UNSET", "SET"]`:                      false,
		`exists = "/here", env = "SET", not_env = "NONE"`: true,
		`exists = "/here", env = "UNSET"`:                 false,
		`exists = "/gone", env = "SET"`:                   false,
		``:                                                true,
		`covers_none = "/data"`:                           false, // is it
		`covers_none = "/data/x"`:                         false, // is above it
		`covers_none = "/dat"`:                            true,
		`covers_none = "/dataset"`:                        true,
		`covers_none = "/"`:                               true,
		`within_none = "/data"`:                           false, // is it
		`within_none = "/"`:                               false, // lies in it
		`within_none = "/data/x"`:                         true,
		`covers_none = ["/a", "/data/y"]`:                 false,
		`within_none = ["/a", "/b"]`:                      true,
		`covers_none = "/a", within_none = "/"`:           false,
	} {
		s := w.loadText("[[mounts]]\nsource = \"/data\"\nwhen = { " + when + " }\n").Spec
		if got := len(s.Mounts) == 1; got != want {
			t.Errorf("when { %s }: used %v, want %v", when, got, want)
		}
	}
}

// What comes first may depend on what a later profile, or the command line, makes the
// root.
func TestAConditionOnTheRoot(t *testing.T) {
	const base = "[[mounts]]\ntype = \"tmpfs\"\ntarget = \"/x\"\nwhen = { root = %s }\n"
	for _, c := range []struct {
		root, when, caller string
		want               bool
	}{
		{"", `"base"`, "", true},
		{"", `"image"`, "", false},
		{"", `["path", "image"]`, "", false},
		{"", `["path", "image"]`, "image", true},
		{"", `["base", "path"]`, "image", false},
		{"", `[]`, "", false},
		{"overlay = \"discard\"", `"base"`, "path", false},
		{"base = \"empty\"", `"base"`, "", true},
		{"path = \"/tree\"", `"base"`, "", false},
		{"path = \"/tree\"", `"path"`, "", true},
		{"image = \"debian\"", `"image"`, "", true},
		{"image = \"debian\"", `["base", "path"]`, "", false},
		{"image = \"debian\"", `["base", "path"]`, "path", true},
	} {
		w := newWorld(t)
		w.in.Root = c.caller
		w.write("low.toml", fmt.Sprintf(base, c.when))
		text := "extends = \"./low.toml\"\n"
		if c.root != "" {
			text += "[rootfs]\n" + c.root + "\n"
		}
		s := w.loadText(text).Spec
		if got := len(s.Mounts) == 1; got != c.want {
			t.Errorf("%+v: used %v", c, got)
		}
	}
}

func TestConditionsOnPlacesAskWhatOfTheHostIsShownOrHidden(t *testing.T) {
	w := newWorld(t)
	s := w.loadText(`
[[mounts]]
source = "/home"
target = "/a"
when = { covers_none = "/home/ann" }
[[mounts]]
source = "/data"
target = "/home"
when = { covers_none = "/home/ann" }
[[mounts]]
type = "tmpfs"
target = "/home/ann"
when = { covers_none = "/home/ann" }
`).Spec
	if got := targets(s); got != "/home" {
		t.Errorf("got %s", got)
	}
}

func TestConditionsOnPlacesSeeThroughSymbolicLinks(t *testing.T) {
	w := newWorld(t)
	w.link["/data"] = "/home/ann"
	w.link["/also"] = "/home"
	for when, want := range map[string]bool{
		`covers_none = "/home/ann"`:   false,
		`covers_none = "/home/ann/x"`: false,
		`covers_none = "/data"`:       false,
		`within_none = "/also"`:       false,
		`covers_none = "/elsewhere"`:  true,
	} {
		s := w.loadText("[[mounts]]\nsource = \"/data\"\nwhen = { " + when + " }\n").Spec
		if got := len(s.Mounts) == 1; got != want {
			t.Errorf("when { %s }: used %v, want %v", when, got, want)
		}
	}
}

func TestVariablesOfAnEntryThatIsNotUsedNeedNoValue(t *testing.T) {
	w := newWorld(t)
	w.loadText("[[mounts]]\nsource = \"${env:CARGO_HOME}/bin\"\nwhen = { env = \"CARGO_HOME\", exists = \"${env:CARGO_HOME}/bin\" }\n")
	w.loadText("[[mounts]]\ntype = \"overlay\"\ntarget = \"/${env:A}\"\nlower = [\"${env:A}\"]\nwhen = { env = \"A\" }\n")
	w.loadText("[[mounts]]\ntarget = \"/${env:A}\"\nremove = true\nwhen = { env = \"A\" }\n")
}

func TestOtherMistakesOfAnEntryThatIsNotUsedAreStillShown(t *testing.T) {
	got := mistakes(t, "[[mounts]]\nsource = \"${CARGO}\"\nmode = 1\nwhen = { env = \"NONE\", exist = \"x\" }\n")
	want := `p.toml:2:1: mounts[0].source: unknown variable ${CARGO}; did you mean ${env:CARGO}?
p.toml:3:1: mounts[0].mode: a mount of type "bind" does not take this key; it takes type, source, target, writable, noexec, optional and propagation
p.toml:4:24: mounts[0].when.exist: unknown key; did you mean "exists"?`
	if got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestOptionalIsLeftToTheSandbox(t *testing.T) {
	s := newWorld(t).loadText("[[mounts]]\nsource = \"/gone\"\noptional = true\n").Spec
	if len(s.Mounts) != 1 || !s.Mounts[0].Optional {
		t.Errorf("got %+v", s.Mounts)
	}
}
