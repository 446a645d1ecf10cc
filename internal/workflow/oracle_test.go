package workflow

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// The oracle is the runner's own way to read commands, in Go: ActionCommand.cs's
// TryParseV2 and TryParse, and the lines of .NET's StreamReader.

// runnerCommands are the names that a runner knows (ActionCommandManager.cs).
var runnerCommands = map[string]bool{}

func init() {
	for _, name := range strings.Fields("internal-set-repo-path set-env set-output save-state add-path add-mask add-matcher remove-matcher debug warning error notice echo group endgroup stop-commands") {
		runnerCommands[name] = true
	}
}

// runnerLines parts output as StreamReader.ReadLine does.
func runnerLines(out string) []string {
	return regexp.MustCompile("\r\n|\r|\n").Split(out, -1)
}

// skippable are runes that a comparison by the rules of a language may skip.
func skippable(r rune) rune {
	if r != '\t' && (unicode.Is(unicode.Cc, r) || unicode.In(r, unicode.Cf, unicode.M, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)) {
		return -1
	}
	return r
}

// isCommand reports whether the runner takes a line for a command, of any name:
// one that stop-commands ended would be one, too.
func isCommand(line string) bool {
	for _, form := range []string{line, strings.Map(skippable, line)} {
		if rest, ok := strings.CutPrefix(strings.TrimLeftFunc(form, unicode.IsSpace), "::"); ok && strings.Contains(rest, "::") {
			return true
		}
		if i := strings.Index(form, "##["); i >= 0 && strings.Contains(form[i:], "]") {
			return true
		}
	}
	return false
}

func TestOracleFindsCommands(t *testing.T) {
	for line, want := range map[string]bool{
		"::error::x": true, "  ::set-output name=a::b": true, "\u2003::debug::": true, "a ##[error]x": true, "##[add-mask]": true,
		"": false, ":: no end": false, "a ::error::x": false, "##[ no end": false, "| ::error::": false, "## [error]": false,
		"#\u200b#[error]x": true,
	} {
		if got := isCommand(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestCommandIsOneLine(t *testing.T) {
	c := Command{"error", [][2]string{{"file", "a:b,c"}, {"line", ""}, {"title", "x\n::y"}}, "50%\r\n::set-env name=a::b"}
	const want = "::error file=a%3Ab%2Cc,title=x%0A%3A%3Ay::50%25%0D%0A::set-env name=a::b"
	if c.String() != want {
		t.Errorf("%s\nwant %s", c, want)
	}
}

// defused pushes parts through a Defuser.
func defused(t testing.TB, parts ...string) (string, *Defuser) {
	t.Helper()
	var out bytes.Buffer
	d := NewDefuser(&out)
	for _, p := range parts {
		if n, err := d.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", p, n, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), d
}

func TestDefuser(t *testing.T) {
	for _, c := range []struct {
		in, want string
		commands int
	}{
		{"", "", 0},
		{"hello\n", "| hello\n", 0},
		{"no end", "| no end\n", 0},
		{"\n\n", "| \n| \n", 0},
		{"::error::x\n", "| ::error::x\n", 1},
		{"a\r::error::x\r\nb\n", "| a\n| ::error::x\n| b\n", 1},
		{"x ##[error]y ##[z]\n", "| x ## [error]y ## [z]\n", 1},
		{"###[a]\n", "| ### [a]\n", 1},
		{"#\x00#\u200b[a]\n", "| #\x00#\u200b [a]\n", 1},
		{"#[derive(x)]\n", "| #[derive(x)]\n", 0},
		{"# # [x]\n", "| # # [x]\n", 0},
	} {
		got, d := defused(t, c.in)
		if got != c.want || d.Commands != c.commands {
			t.Errorf("%q: %q with %d, want %q with %d", c.in, got, d.Commands, c.want, c.commands)
		}
		var bytewise []string
		for i := range len(c.in) {
			bytewise = append(bytewise, c.in[i:i+1])
		}
		if got, _ := defused(t, bytewise...); got != c.want {
			t.Errorf("%q byte by byte: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestLongLinesComeInParts(t *testing.T) {
	out, _ := defused(t, strings.Repeat("é", longest)+"##", "[error]x\n")
	for _, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
		if len(line) > longest+len(prefix)+1 || !strings.HasPrefix(line, prefix) || strings.ContainsRune(line, unicode.ReplacementChar) {
			t.Errorf("a line of %d bytes: %.20q", len(line), line)
		}
		if isCommand(line) {
			t.Errorf("a command: %q", line)
		}
	}
	if got := strings.NewReplacer("\n", "", prefix, "").Replace(out); got != strings.Repeat("é", longest)+"## [error]x" {
		t.Error("something is missing")
	}
}

// TestNoRuneHidesACommand tries every rune that says nothing by itself before,
// within and after the marks of a command.
func TestNoRuneHidesACommand(t *testing.T) {
	tried := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if skippable(r) >= 0 && !unicode.IsSpace(r) && r%4999 != 0 {
			continue
		}
		tried++
		s := string(r)
		text := s + "::error::x\n:" + s + ":error::x\n" + s + "##[error]x\n#" + s + "#[error]x\n##" + s + "[error]x\na " + s + "#" + s + "#" + s + "[" + s + "error]x"
		out, _ := defused(t, text)
		for _, line := range runnerLines(out) {
			if isCommand(line) {
				t.Fatalf("%U: %q is a command", r, line)
			}
		}
	}
	if tried < 1000 {
		t.Errorf("%d runes were tried", tried)
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "snug: it failed\n": "snug: it failed\n", "no end": "no end", "::error::x\n": "| ::error::x\n", "a\r::error::x": "a\n| ::error::x", "image ##[error]x: no": "image ## [error]x: no",
		" \u200b:\u200b:x::y": "|  \u200b:\u200b:x::y",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzText holds the same of words of Snug's own.
func FuzzText(f *testing.F) {
	f.Add("a\r::error::x\n##[error]y")
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range runnerLines(Text(text)) {
			if isCommand(line) {
				t.Fatalf("%q is a command, of %q", line, text)
			}
		}
	})
}

// FuzzDefuse holds that no line which a step prints is a command to the runner,
// and that nothing of it is lost, wherever what it writes to one stream comes
// between two writes to the other.
func FuzzDefuse(f *testing.F) {
	for _, seed := range []string{
		"::error::x", "\r::error::x", "##[error]x", "a##[b]", "#\u200b#[x]", "\u2028::a::", "\x0b::a::", "::stop-commands::x", "\xff::a::\xfe", "  ::a::b", "##\n[a]",
		"\ufeff::a::", "##\x1b[1m[error]", "\xff\xfe:\x00:\x00a\x00:\x00:\x00", "\x85::a::", "\u0085::a::", "\u2029##[a]", "\t::a::b", "\x00::a::b", "::snug-0123::", "\f\v ::a::b", "#\U0001d165#[a]",
	} {
		f.Add(seed, "", 3)
		f.Add(seed, "::b::", 1)
		f.Add("#\n:", seed, 1)
	}
	f.Fuzz(func(t *testing.T, text, other string, at int) {
		if at = max(0, min(at, len(text))); len(text)+len(other) > 3*longest {
			t.Skip("long lines have a test of their own")
		}
		out, _ := defused(t, text[:at], other, text[at:])
		text = text[:at] + other + text[at:]
		for _, line := range runnerLines(out) {
			if isCommand(line) {
				t.Fatalf("%q is a command, of %q", line, text)
			}
		}
		plain := func(s string) string {
			return strings.NewReplacer("\r", "", "\n", "", " ", "", "| ", "").Replace(s)
		}
		if len(text) < longest && !strings.Contains(text, "|") && plain(out) != plain(text) {
			t.Fatalf("%q came out as %q", text, out)
		}
	})
}
