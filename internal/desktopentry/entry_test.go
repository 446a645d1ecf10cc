package desktopentry

import (
	"reflect"
	"strings"
	"testing"
)

const viewer = `#!/usr/bin/env xdg-open
# A comment
[Desktop Entry]
Type=Application
Name=Viewer
Name[de]=Betrachter
Exec = viewer --title "a \\"b\\" \\$c" %F
TryExec=viewer
DBusActivatable=true

[Desktop Action new]
Name=New
Exec=viewer 100%% --new
TryExec=viewer

[X-Other]
Exec=stays
`

func TestEveryStartGoesThroughTheSandbox(t *testing.T) {
	f, err := Parse(viewer)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sandboxed([]string{"/opt/my apps/snug", "run", "-p", "50%", "--"}, "50%"); err != nil {
		t.Fatal(err)
	}
	const before = `"/opt/my apps/snug" run -p 50%% -- `
	if got, want := f.Main().Get("Exec"), before+`viewer --title "a \\"b\\" \\$c" %F`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := f.Group("Desktop Action new").Get("Exec"), before+"viewer 100%% --new"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	text := f.String()
	for _, gone := range []string{"TryExec", "DBusActivatable=true"} {
		if strings.Contains(text, gone) {
			t.Errorf("%s is left in\n%s", gone, text)
		}
	}
	for _, kept := range []string{"#!/usr/bin/env xdg-open\n# A comment\n[Desktop Entry]", "Name[de]=Betrachter\n", "[X-Other]\nExec=stays\n", "X-Snug-Profile=50%\n"} {
		if !strings.Contains(text, kept) {
			t.Errorf("%q is not in\n%s", kept, text)
		}
	}
}

// The last of several keys of one name is the one that counts.
func TestNoSecondKeyStartsTheProgramOutside(t *testing.T) {
	f, err := Parse("[Desktop Entry]\nExec=a\nDBusActivatable=false\nName=A\nExec=b %f\nDBusActivatable=true\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sandboxed([]string{"snug", "run", "--"}, "p"); err != nil {
		t.Fatal(err)
	}
	if got, want := f.String(), "[Desktop Entry]\nName=A\nExec=snug run -- b %f\nDBusActivatable=false\nX-Snug-Profile=p\n"; got != want {
		t.Errorf("got %s", got)
	}
	f.Unboxed()
	if got, want := f.String(), "[Desktop Entry]\nName=A\nExec=b %f\nDBusActivatable=false\n"; got != want {
		t.Errorf("taken back: %s", got)
	}
}

// What the bus alone starts goes by the bus, or not at all.
func TestWhatHasNoExecIsTheBuss(t *testing.T) {
	const actions = "Actions=dead;live;\n\n[Desktop Action dead]\nName=D\n\n[Desktop Action live]\nExec=b\n"
	for text, want := range map[string][]string{
		"[Desktop Entry]\nExec=a\nDBusActivatable=true\n" + actions: {"DBusActivatable=false", "Actions=live;\n"},
		"[Desktop Entry]\nDBusActivatable=true\n" + actions:         {"DBusActivatable=true", "Actions=dead;live;\n", "[Desktop Action dead]"},
	} {
		f, err := Parse(text)
		if err != nil || f.Startable() != nil {
			t.Fatal(err, f.Startable())
		}
		f.Sandboxed([]string{"snug", "--"}, "p")
		for _, line := range want {
			if !strings.Contains(f.String(), line) {
				t.Errorf("%q is not in\n%s", line, f)
			}
		}
	}
}

func TestWhatStartsNothingIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"Type=Link\nURL=http://x": "Type=Link", "Exec=a\nHidden=true": "Hidden", "Name=x": "no Exec", "DBusActivatable=false": "no Exec",
	} {
		f, err := Parse("[Desktop Entry]\n" + text)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Startable(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWordsAreThoseOfTheSpecification(t *testing.T) {
	for text, want := range map[string][]string{
		`a b  c`:                  {"a", "b", "c"},
		`"a b" c`:                 {"a b", "c"},
		`a "" b`:                  {"a", "", "b"},
		`"q\\"q" "s\\\\s" "d\\$"`: {`q"q`, `s\s`, "d$"},
		`sh -c "echo \\$1" %u`:    {"sh", "-c", "echo $1", "%u"},
		`a\sb`:                    {"a", "b"},
		`pre"mid dle"post`:        {"premid dlepost"},
	} {
		if got, err := Words(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "   ", `"open`, `a "b`} {
		if got, err := Words(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}

func TestWhatIsNoEntryIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "no group",
		"Name=x\n[Desktop Entry]":               "line 1: a key before",
		"[Desktop Entry]\nnonsense":             "line 2",
		"[Desktop Entry\nName=x":                "line 1",
		"[Desktop Entry]\n[Desktop Entry]":      "twice",
		"[Desktop Entry]\nName=a\x00b":          "NUL",
		"[Other]\nName=x\n[Desktop Action a]\n": "no group",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAServiceStartsInTheSandbox(t *testing.T) {
	f, err := ParseService("[D-BUS Service]\nName=org.example.A\nExec=/usr/bin/a --gapplication-service\nSystemdService=a.service\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SandboxedService([]string{"snug", "run", "-p", "gtk", "--"}, "gtk"); err != nil {
		t.Fatal(err)
	}
	want := "[D-BUS Service]\nName=org.example.A\nExec=snug run -p gtk -- /usr/bin/a --gapplication-service\nX-Snug-Profile=gtk\n"
	if f.String() != want {
		t.Errorf("got %s", f)
	}
	if _, err := ParseService("[Other]\nName=x\n"); err == nil {
		t.Error("a file without the group is taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(viewer)
	f.Add("[Desktop Entry]\nExec=a \"b\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(parsed.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, parsed, err)
		}
		if again.String() != parsed.String() {
			t.Errorf("%q is written as %q, then as %q", text, parsed, again)
		}
	})
}

func FuzzExec(f *testing.F) {
	f.Add("a b", "$x")
	f.Add("", "\\\"`\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		words := []string{"program", a, b}
		got, err := Words(Exec(words))
		if err != nil || !reflect.DeepEqual(got, words) {
			t.Errorf("%q is written as %q and read as %q, %v", words, Exec(words), got, err)
		}
	})
}
