package bwrap

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// said is what a command line is answered with before anything happens: the
// warnings and the error, or the first line of the usage. A command line that
// would run is answered with nothing.
func said(args []string) string {
	r, err := Parse(args, nil, Caller{UID: os.Getuid(), GID: os.Getgid()})
	lines := r.Warnings
	var usage *UsageError
	switch {
	case errors.As(err, &usage):
		first, _, _ := strings.Cut(Usage("bwrap"), "\n")
		lines = append(lines, first)
	case err != nil:
		lines = append(lines, Format(Fatal, r.LevelPrefix, err.Error()))
	}
	return strings.Join(lines, "\n")
}

// TestAlike compares with the installed bubblewrap; SNUG_TEST_BWRAP names
// another one.
func TestAlike(t *testing.T) {
	program, err := exec.LookPath(cmp.Or(os.Getenv("SNUG_TEST_BWRAP"), "bwrap"))
	if err != nil {
		t.Skip("needs bubblewrap to compare with:", err)
	}
	if SELinux() {
		t.Skip("with SELinux, options of labels do more than parse")
	}
	help, err := exec.Command(program, "--help").Output()
	if err != nil {
		t.Skip("needs a bubblewrap that runs:", err)
	}
	text, err := os.ReadFile("testdata/alike.txt")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(text)) {
		args := unescape(strings.TrimSuffix(line, "\n"))
		if len(args) == 0 || args[0] == "#" || !knows(help, args) {
			continue
		}
		want := said(args)
		if want == "" {
			continue // --uid asks nothing of one who is not root
		}
		compared++
		if got := answer(t, program, args, len(strings.Split(want, "\n"))); got != want && got != reworded.Replace(want) {
			t.Errorf("%sit says:   %s\nwe say: %s", line, got, want)
		}
	}
	if compared < 200 {
		t.Errorf("only %d command lines were compared", compared)
	}
}

// reworded is what 0.12 says in other words.
var reworded = strings.NewReplacer("--userns not compatible --", "--userns is not compatible with --", "compatible with  --", "compatible with --")

func unescape(line string) []string {
	args := strings.Fields(line)
	for i, arg := range args {
		args[i] = strings.NewReplacer("''", "", `\s`, " ", `\t`, "\t").Replace(arg)
	}
	return args
}

// knows reports whether all options that we know are in the other one's help.
func knows(help []byte, args []string) bool {
	for _, arg := range args {
		if arity(arg) >= 0 && !bytes.Contains(help, []byte("    "+arg+" ")) {
			return false
		}
	}
	return true
}

// answer runs bubblewrap, by the name bwrap, and returns the first lines of what
// it says. Standard input is empty.
func answer(t *testing.T, program string, args []string, lines int) string {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Args = append([]string{"bwrap"}, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != codeFailed {
		t.Errorf("%q ends with %v", args, err)
	}
	all := strings.SplitAfter(stderr.String(), "\n")
	return strings.TrimSuffix(strings.Join(all[:min(lines, len(all))], ""), "\n")
}

// TestHelpAlike compares the options of --help and their order.
func TestHelpAlike(t *testing.T) {
	help, err := exec.Command(cmp.Or(os.Getenv("SNUG_TEST_BWRAP"), "bwrap"), "--help").Output()
	if err != nil {
		t.Skip("needs bubblewrap to compare with:", err)
	}
	theirs, ours := columns(string(help)), columns(Usage("bwrap"))
	if len(theirs) < 50 {
		t.Fatalf("only %d options are listed", len(theirs))
	}
	for _, option := range theirs {
		for len(ours) > 0 && ours[0] != option {
			ours = ours[1:]
		}
	}
	if len(ours) == 0 {
		t.Errorf("not all of these are in our help, in this order:\n%s", strings.Join(theirs, "\n"))
	}
}

// columns are the options of a usage, with the names of their values.
func columns(help string) []string {
	var list []string
	for line := range strings.Lines(help) {
		if strings.HasPrefix(line, "    --") && len(line) > 32 {
			list = append(list, strings.TrimSpace(line[:33]))
		}
	}
	return list
}

// The values of numbers that bubblewrap's own reading gives.
func TestNumbers(t *testing.T) {
	for value, want := range map[string]int{"7": 7, "+7": 7, " 07": 7, "-0": 0, "4294967299": 3, "-4294967293": 3, "-99999999999999999999": 0} {
		if got, err := natural(value, "fd"); got != want || err != nil {
			t.Errorf("natural(%q) = %d, %v", value, got, err)
		}
	}
	for value, want := range map[string]int{"755": 0o755, "+07": 7, " 7": 7, "-1777777777777777777777": 1} {
		if got, err := octal("--perms", value); err != nil || *got != want {
			t.Errorf("octal(%q): %v", value, err)
		}
	}
	for value, want := range map[string]int64{"10": 10, "010": 8, "0x10": 16, "0XaF": 0xaf, "0b101": 5, "0B1": 1, "9223372036854775807": 1<<63 - 1} {
		if got, err := size(value); got != want || err != nil {
			t.Errorf("size(%q) = %d, %v", value, got, err)
		}
	}
	for name, want := range map[string]int{
		"cap_chown": 0, "CAP_NET_RAW": 13, "Cap_Bpf": 39, "13": 13, "0xd": 13, "015": 13, "63": 63, "08": 0, "13x": 13, "cap_net_raw,cap_chown": 13, "cap_net_raw é": 13,
	} {
		if got, ok := capabilityNumber(name); got != want || !ok {
			t.Errorf("capabilityNumber(%q) = %d, %t", name, got, ok)
		}
	}
}

// A destination is one of the new root, whatever it looks like.
func TestDestinationIsAbsolute(t *testing.T) {
	for given, want := range map[string]string{"/": "/", "/x": "/x", "x/y": "/x/y", "../x": "/../x"} {
		r, err := Parse([]string{"--dir", given, "true"}, nil, plain(""))
		if err != nil || r.Operations[0].Dest != want {
			t.Errorf("%q: %v, %v", given, r.Operations, err)
		}
	}
}

func TestWarningsKeepTheirLevel(t *testing.T) {
	r, err := Parse(words("--uid 1 --uid 2 --level-prefix --uid 3 --nonsense"), nil, plain(""))
	const text = "bwrap: Only the last --uid option will take effect"
	if err == nil || strings.Join(r.Warnings, "\n") != text+"\n<4>"+text {
		t.Errorf("%q, %v", r.Warnings, err)
	}
}

func TestLabels(t *testing.T) {
	r, err := Parse(words("--exec-label a --file-label b --file-label c true"), nil, Caller{UID: 1, SELinux: true})
	if err != nil || r.ExecLabel != "a" || r.FileLabel != "c" || len(r.Warnings) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// --help and --version end everything, whatever follows and whatever is unused.
func TestEnds(t *testing.T) {
	for _, line := range []string{"--help --nonsense", "--perms 7 --help", "--overlay-src / --help", "--args 9 --nonsense"} {
		if r, err := Parse(words(line), nil, plain("--help\x00--bad")); err != nil || !r.Help || r.Version {
			t.Errorf("%s: %+v, %v", line, r, err)
		}
	}
	if r, err := Parse(words("--version --help"), nil, plain("")); err != nil || r.Help || !r.Version {
		t.Errorf("%+v, %v", r, err)
	}
}

// The bounds between a file of --args and what stands around it.
func TestArgumentsBounds(t *testing.T) {
	const perms = "--perms must be followed by an option that creates a file"
	for _, c := range []struct{ line, content, says string }{
		{"--args 9 /x true", "--dir\x00", "--dir takes an argument"},
		{"--args 9 /x", "\x00--bad\x00", ""}, // an empty word is a command
		{"--args 9 x", "--\x00--bad\x00", ""},
		{"--args 9 x", "--argv0\x00\x00", ""}, // an empty value
		{"--args 9 x", "--dir\x00\x00", "--dir does not take an empty path argument"},
		{"--perms 700 --args 9 x", "--dir\x00/x\x00", ""},
		{"--perms 700 --args 9 x", "", perms},
		{"--args 9 --dir /x true", "--perms\x00700\x00", perms},
		{"--args 9 --tmp-overlay /x true", "--overlay-src\x00/\x00", overlaySrcUnused},
		{"--args 9 --args 8 x", "", "Can't read --args data: Bad file descriptor"},
	} {
		_, err := Parse(words(c.line), nil, plain(c.content))
		if got := ""; err != nil && err.Error() != c.says || err == nil && c.says != got {
			t.Errorf("%s with %q: %v", c.line, c.content, err)
		}
	}
}

// FuzzArguments: options in a file of --args mean what they mean in their place.
func FuzzArguments(f *testing.F) {
	text, err := os.ReadFile("testdata/alike.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f.Add(strings.Join(strings.Fields(line), "\x00"))
	}
	f.Fuzz(func(t *testing.T, content string) {
		inside, err := Parse(words("--args 9 cmd"), []string{"A=1"}, plain(content))
		if err != nil {
			return
		}
		outside, err := Parse(append(split(content), "--", "cmd"), []string{"A=1"}, Caller{UID: 1000, Open: noArguments})
		if err != nil {
			t.Fatalf("%q is accepted in a file only: %v", content, err)
		}
		inside.Args, outside.Args = nil, nil
		if dump(inside) != dump(outside) {
			t.Errorf("%q\nin a file: %s\nin place:  %s", content, dump(inside), dump(outside))
		}
	})
}

func noArguments(int) (io.ReadCloser, error) { return nil, errors.ErrUnsupported }
