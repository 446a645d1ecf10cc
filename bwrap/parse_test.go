package bwrap

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// words splits a command line at spaces.
func words(line string) []string { return strings.Fields(line) }

// plain is a caller who is no root, whose descriptor 9 holds what --args gets.
func plain(content string) Caller {
	return Caller{UID: 1000, GID: 1000, Open: func(fd int) (io.ReadCloser, error) {
		if fd != 9 {
			return nil, syscall.EBADF
		}
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// The words are those of bubblewrap; cmd/bwrap compares many with the installed one.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ line, says string }{
		{"--foo true", "Unknown option --foo"},
		{"-h", "Unknown option -h"},
		{"--bind=/ / true", "Unknown option --bind=/"},
		{"--unshare", "Unknown option --unshare"},
		{"--bind a", "--bind takes two arguments"},
		{"--setenv a", "--setenv takes two arguments"},
		{"--chmod 755", "--chmod takes two arguments"},
		{"--overlay a b", "--overlay takes three arguments"},
		{"--proc", "--proc takes an argument"},
		{"--chdir", "--chdir takes one argument"},
		{"--remount-ro", "--remount-ro takes one argument"},
		{"--perms 9 --dir /x true", "--perms takes an octal argument <= 07777"},
		{"--perms 10000 --dir /x true", "--perms takes an octal argument <= 07777"},
		{"--perms -1 --dir /x true", "--perms takes an octal argument <= 07777"},
		{"--perms 0x1 --dir /x true", "--perms takes an octal argument <= 07777"},
		{"--perms 755 --perms 755 --dir /x true", "--perms given twice for the same action"},
		{"--perms 755 --proc /p true", "--perms must be followed by an option that creates a file"},
		{"--perms 755 --bind / / true", "--perms must be followed by an option that creates a file"},
		{"--perms 755 --chmod 755 / true", "--perms must be followed by an option that creates a file"},
		{"--perms 755 --unshare-pid --dir /x true", "--perms must be followed by an option that creates a file"},
		{"--size 0 --tmpfs /t true", "--size takes a non-zero number of bytes"},
		{"--size -1 --tmpfs /t true", "--size takes a non-zero number of bytes"},
		{"--size 1k --tmpfs /t true", "--size takes a non-zero number of bytes"},
		{"--size 5 --size 5 --tmpfs /t true", "--size given twice for the same action"},
		{"--size 5 --dir /x true", "--size must be followed by --tmpfs"},
		{"--perms 700 --size 5 --dir /x true", "--size must be followed by --tmpfs"},
		{"--overlay-src / --tmpfs /t true", "--overlay-src must be followed by another --overlay-src or one of --overlay, --tmp-overlay, or --ro-overlay"},
		{"--overlay a b /t true", "--overlay requires at least one --overlay-src"},
		{"--tmp-overlay /t true", "--tmp-overlay requires at least one --overlay-src"},
		{"--overlay-src / --ro-overlay /t true", "--ro-overlay requires at least two --overlay-src"},
		{"--chmod 8 /x true", "--chmod takes an octal argument <= 07777"},
		{"--uid x true", "Invalid uid: x"}, {"--uid -1 true", "Invalid uid: -1"}, {"--gid 1x true", "Invalid gid: 1x"},
		{"--cap-add foo true", "unknown cap: foo"}, {"--cap-drop cap_5 true", "unknown cap: cap_5"}, {"--cap-add 64 true", "unknown cap: 64"},
		{"--sync-fd x true", "Invalid fd: x"}, {"--file -1 /f true", "Invalid fd: -1"}, {"--bind-fd 1x /f true", "Invalid fd: 1x"},
		{"--userns 3 --unshare-user true", "--userns not compatible --unshare-user"},
		{"--userns 3 --unshare-user-try true", "--userns not compatible --unshare-user-try"},
		{"--disable-userns true", "--disable-userns requires --unshare-user"},
		{"--unshare-all --disable-userns true", "--disable-userns requires --unshare-user"},
		{"--userns-block-fd 3 true", "--userns-block-fd requires --unshare-user"},
		{"--unshare-user --userns-block-fd 3 true", "--userns-block-fd requires --info-fd"},
		{"--unshare-user --disable-userns --userns-block-fd 3 --info-fd 4 true", "--disable-userns is not compatible with  --userns-block-fd"},
		{"--hostname h true", "Specifying --hostname requires --unshare-uts"},
		{"--as-pid-1 true", "Specifying --as-pid-1 requires --unshare-pid"},
		{"--unshare-pid --as-pid-1 --lock-file /l true", "Specifying --as-pid-1 and --lock-file is not permitted"},
		{"--seccomp 3 --add-seccomp-fd 4 true", "--add-seccomp-fd cannot be combined with --seccomp"},
		{"--add-seccomp-fd 4 --seccomp 3 true", "--seccomp cannot be combined with --add-seccomp-fd"},
		{"--argv0 a --argv0 b true", "--argv0 used multiple times"},
		{"--setenv A=B c true", "setenv failed"}, {"--unsetenv A= true", "unsetenv failed"},
		{"--exec-label l true", "labeling not supported on this system"}, {"--file-label l true", "labeling not supported on this system"},
		{"--args 9 true", "--args not supported in arguments file"},
	} {
		r, err := Parse(words(c.line), nil, plain("--args\x009\x00"))
		if err == nil || err.Error() != c.says {
			t.Errorf("%s: %v, want %q", c.line, err, c.says)
		}
		if r == nil {
			t.Errorf("%s: no request", c.line)
		}
	}
}

func TestUsageWithoutCommand(t *testing.T) {
	for _, line := range []string{"", "--", "--ro-bind / /", "--unshare-all --", "--args 9", "--perms 755", "--size 5"} {
		_, err := Parse(words(line), nil, plain("--unshare-pid"))
		var usage *UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestTooManyArguments(t *testing.T) {
	flags := func(n int) []string { return slices.Repeat([]string{"--unshare-pid"}, n) }
	const says = "Exceeded maximum number of arguments 9000"
	if _, err := Parse(append(flags(maxArgs-1), "true"), nil, plain("")); err != nil {
		t.Error(err)
	}
	if _, err := Parse(append(flags(maxArgs), "true"), nil, plain("")); err == nil || err.Error() != says {
		t.Error(err)
	}
	inside := strings.Join(flags(maxArgs-2), "\x00")
	if _, err := Parse(words("--args 9 true"), nil, plain(inside)); err == nil || err.Error() != says {
		t.Error("those of --args:", err)
	}
}

// Every word of the list of options is a line of --help, and the other way round.
func TestHelpListsEveryOption(t *testing.T) {
	told := 0
	for _, line := range strings.Split(Usage("bwrap"), "\n") {
		if f := strings.Fields(line); len(f) > 0 && strings.HasPrefix(f[0], "--") {
			told++
			if values := arity(f[0]); values < 0 || len(f) <= values || values > 0 && f[values] != strings.ToUpper(f[values]) {
				t.Errorf("%q: %d values are taken", line, values)
			}
		}
	}
	if told < 65 {
		t.Errorf("only %d options are told", told)
	}
}

// Each option with values that it takes parses, and changes the request.
func TestEveryOptionParses(t *testing.T) {
	values := map[string]string{
		"--perms": "700 --dir /x", "--size": "5 --tmpfs /x", "--overlay-src": "/a --overlay-src /b --ro-overlay /x", "--overlay": "a b /x",
		"--cap-add": "cap_chown", "--cap-drop": "ALL", "--setenv": "K new", "--unsetenv": "K", "--hostname": "h --unshare-uts", "--chmod": "700 /x",
		"--as-pid-1": "--unshare-pid", "--disable-userns": "--unshare-user", "--userns-block-fd": "3 --unshare-user --info-fd 4", "--args": "9",
		"--share-net": "--unshare-all --share-net",
	}
	before := map[string]string{"--overlay": "--overlay-src /l ", "--tmp-overlay": "--overlay-src /l ", "--ro-overlay": "--overlay-src /l --overlay-src /m "}
	caller := plain("--unshare-pid")
	caller.SELinux = true
	empty, _ := Parse([]string{"true"}, []string{"K=v"}, caller)
	for _, line := range strings.Split(Usage("bwrap"), "\n") {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "--") {
			continue
		}
		value, ok := values[name]
		if !ok {
			value = strings.Repeat(" 7", arity(name))
		}
		r, err := Parse(words(before[name]+name+" "+value+" true"), []string{"K=v"}, caller)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if dump(r) == dump(empty) != (name == "--not-a-security-boundary") {
			t.Errorf("%s changes nothing", name)
		}
	}
}

// dump is all of a request as text.
func dump(r *Request) string {
	number := func(p *int) string {
		if p == nil {
			return "-"
		}
		return strconv.Itoa(*p)
	}
	c := *r
	var b strings.Builder
	for _, p := range []**int{&c.UserFD, &c.User2FD, &c.PIDFD, &c.UID, &c.GID, &c.Seccomp, &c.BlockFD, &c.UsernsBlockFD, &c.InfoFD, &c.StatusFD} {
		b.WriteString(number(*p) + " ")
		*p = nil
	}
	b.WriteString(stringOf(c.Chdir) + " " + stringOf(c.Hostname) + " ")
	c.Chdir, c.Hostname = nil, nil
	for i := range c.Operations {
		b.WriteString(number(c.Operations[i].Perms) + " ")
	}
	c.Operations = slices.Clone(c.Operations)
	for i := range c.Operations {
		c.Operations[i].Perms = nil
	}
	return b.String() + fmt.Sprintf("%+v", c)
}

func TestLastOneCounts(t *testing.T) {
	for _, name := range words("--block-fd --userns-block-fd --info-fd --json-status-fd --seccomp --userns --userns2 --pidns --uid --gid --chdir --hostname") {
		line := name + " 5 " + name + " 6"
		r, _ := Parse(words(line+" true"), nil, plain(""))
		if want := []string{"bwrap: Only the last " + name + " option will take effect"}; !slices.Equal(r.Warnings, want) {
			t.Errorf("%s: %q", line, r.Warnings)
		}
		if got := dump(r); strings.Count(got, "5") != 0 || !strings.Contains(got, "6") {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestEnvironmentInOrder(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", "A=a B=b"}, {"--clearenv", ""}, {"--setenv A 1", "A=1 B=b"}, {"--setenv A 1 --clearenv --setenv B 2", "B=2"},
		{"--unsetenv A", "B=b"}, {"--setenv C 1 --unsetenv C", "A=a B=b"}, {"--setenv C 1 --setenv C 2", "A=a B=b C=2"}, {"--unsetenv Z", "A=a B=b"},
	} {
		r, err := Parse(words(c.line+" true"), []string{"A=a", "B=b"}, plain(""))
		if err != nil || !slices.Equal(r.Environ, words(c.want)) {
			t.Errorf("%q: %v, %v", c.line, r.Environ, err)
		}
	}
}

func TestCommand(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"true", "true"}, {"-- true", "true"}, {"--unshare-pid -- --bind a", "--bind a"}, {"ls -l --bind", "ls -l --bind"},
		{"--args 9 ls", "ls"}, {"-- -- x", "-- x"},
	} {
		r, err := Parse(words(c.line), nil, plain("--unshare-pid\x00ignored\x00"))
		if err != nil || !slices.Equal(r.Args, words(c.want)) {
			t.Errorf("%q: %v, %v", c.line, r.Args, err)
		}
	}
}

func TestArgumentsOfAFile(t *testing.T) {
	r, err := Parse(words("--dir /1 --args 9 --dir /3 true"), nil, plain("--dir\x00/2\x00--dir\x00/with \n\x00--setenv\x00E\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range r.Operations {
		got = append(got, op.Dest)
	}
	if !slices.Equal(got, []string{"/1", "/2", "/with \n", "/3"}) || !slices.Equal(r.Environ, []string{"E="}) {
		t.Errorf("%q %q", got, r.Environ)
	}
}

func TestModifiers(t *testing.T) {
	r, err := Parse(words("--perms 01700 --size 0x10 --tmpfs /a --tmpfs /b --size 010 --perms 0 --tmpfs /c --overlay-src l --overlay-src m --tmp-overlay /d"), nil, plain(""))
	if err == nil {
		t.Fatal("there is no command")
	}
	var got []string
	for _, op := range r.Operations {
		perms := "-"
		if op.Perms != nil {
			perms = strconv.FormatInt(int64(*op.Perms), 8)
		}
		got = append(got, perms+","+strconv.FormatInt(op.Size, 10)+","+strings.Join(op.Layers, ":"))
	}
	if strings.Join(got, " ") != "1700,16, -,0, 0,8, -,0,l:m" {
		t.Error(got)
	}
}

func TestRootNeedsAUserNamespaceForIDs(t *testing.T) {
	for _, c := range []struct {
		line, says string
		uid        int
	}{
		{"--uid 5 true", "Specifying --uid requires --unshare-user or --userns", 0},
		{"--uid 0 true", "", 0}, {"--unshare-user --uid 5 true", "", 0}, {"--userns 3 --uid 5 true", "", 0}, {"--uid 5 true", "", 1000},
		{"--gid 77777 true", "Specifying --gid requires --unshare-user or --userns", 0},
	} {
		_, err := Parse(words(c.line), nil, Caller{UID: c.uid})
		if got := ""; err != nil && err.Error() != c.says || err == nil && c.says != got {
			t.Errorf("%d, %s: %v", c.uid, c.line, err)
		}
	}
}

func TestUnshareAllAndShareNet(t *testing.T) {
	for line, net := range map[string]bool{"--unshare-all": true, "--unshare-all --share-net": false, "--share-net --unshare-all": true, "--unshare-net --share-net": false} {
		r, err := Parse(words(line+" true"), nil, plain(""))
		if err != nil || r.Net != net {
			t.Errorf("%s: %v, %v", line, r.Net, err)
		}
	}
}

func TestFormat(t *testing.T) {
	if got := Format(Fatal, false, "x") + "|" + Format(Warning, true, "y"); got != "bwrap: x|<4>bwrap: y" {
		t.Error(got)
	}
}

// sane reports what an accepted request must not look like.
func sane(r *Request) string {
	if len(r.Args) == 0 {
		return "no command"
	}
	for _, op := range r.Operations {
		switch {
		case op.Option == "":
			return "an operation without a name"
		case op.FD < 0 || op.Size < 0:
			return "a negative number"
		case op.Perms != nil && (*op.Perms < 0 || *op.Perms > 0o7777):
			return "permissions out of range"
		case op.Kind == ROOverlay && len(op.Layers) < 2 || op.Kind == TmpOverlay && len(op.Layers) < 1:
			return "an overlay of nothing"
		}
	}
	for _, kv := range r.Environ {
		if strings.Index(kv, "=") < 1 {
			return "a variable without a name"
		}
	}
	return ""
}

// Whatever the words, there is a request or a message, and never a panic. The
// same words in a file of --args mean the same.
func FuzzParse(f *testing.F) {
	for _, line := range []string{"--ro-bind / / true", "--perms 700 --size 9 --tmpfs /t -- x", "--args 9 true", "--uid 4294967295 true", "--overlay-src a --tmp-overlay b x"} {
		f.Add(strings.ReplaceAll(line, " ", "\x00"), "--dir\x00/x")
	}
	f.Fuzz(func(t *testing.T, line, content string) {
		r, err := Parse(strings.Split(line, "\x00"), nil, plain(content))
		if r == nil {
			t.Fatal("no request")
		}
		if err == nil && !r.Help && !r.Version {
			if why := sane(r); why != "" {
				t.Fatal(why)
			}
			if _, err := r.Spec(Surroundings{UID: 1000, Workdir: "/", Data: func(int) ([]byte, error) { return nil, nil }}); err != nil && strings.Contains(line, "true") && len(r.AddSeccomp) == 0 {
				t.Log(err)
			}
		}
		if err != nil && err.Error() == "" {
			t.Fatal("no message")
		}
	})
}
