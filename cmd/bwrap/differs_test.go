package main

import (
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// differs are scripts that end or print otherwise with one of Debian's versions
// of bubblewrap, 0.8.0 and 0.12.0, each with the reason. Messages that changed are
// those of 0.11.
var differs = []struct{ name, why, text, out, err string }{
	{"same link twice", "bubblewrap 0.11 finds that it is there already",
		`bwrap $R --tmpfs /tmp --symlink a/b /tmp/l --symlink a/b /tmp/l readlink /tmp/l`, "a/b\n", ""},
	{"another link", "bubblewrap 0.11 names what is there",
		`bwrap $R --tmpfs /tmp --symlink a/b /tmp/l --symlink c /tmp/l true`, "", "bwrap: Can't make symlink at /tmp/l: existing destination is a/b\n"},
	{"link on a file", "bubblewrap 0.11 says what is there",
		`bwrap $R --symlink a /etc/passwd true`, "", "bwrap: Can't make symlink at /etc/passwd: destination exists and is not a symlink\n"},
	{"chmod of nothing", "0.12 opens it first",
		`bwrap $R --tmpfs /tmp --chmod 755 /tmp/a true`, "", "bwrap: Can't chmod 0755 /tmp/a: No such file or directory\n"},
	{"new file in a read-only directory", "0.12 has one message for files and directories",
		`bwrap $R --ro-bind /etc/passwd /usr/nonexist true`, "", "bwrap: Can't create file at /usr/nonexist: Read-only file system\n"},
	{"mount point in a read-only directory", "0.12 has one message for files and directories",
		`bwrap $R --tmpfs /usr/nonexist true`, "", "bwrap: Can't mkdir /usr/nonexist: Read-only file system\n"},
	{"dir on a file", "0.12 says that the destination is none",
		`bwrap $R --tmpfs /tmp --file 5 /tmp/f --dir /tmp/f stat -c %F /tmp/f 5</dev/null`, "", "bwrap: Can't mkdir /tmp/f: Not a directory\n"},
	{"directory on a file", "0.12 says that the destination is none",
		`bwrap $R --ro-bind /usr /etc/passwd true`, "", "bwrap: Can't mkdir /etc/passwd: Not a directory\n"},
	{"through a file, and links without an end", "0.12 says that the destination is none, and that it is about those above",
		`for x in '--ro-bind /usr /tmp/n/' '--symlink l /tmp/l --dir /tmp/l/x' '--symlink l2 /tmp/l1 --symlink l1 /tmp/l2 --tmpfs /tmp/l1/x'; do bwrap $R --tmpfs /tmp --file 5 /tmp/n $x true 5</etc/hostname; done`, "",
		"bwrap: Can't mkdir parents for /tmp/n/: Not a directory\nbwrap: Can't mkdir /tmp/l/x: Too many levels of symbolic links\nbwrap: Can't mkdir /tmp/l1/x: Too many levels of symbolic links\n"},
	{"file on a directory", "0.12 says that the destination is none",
		`bwrap $R --ro-bind /etc/passwd /usr true`, "", "bwrap: Can't create file at /usr: Is a directory\n"},
	{"file systems on a file", "0.12 says that the destination is none",
		`bwrap $R --tmpfs /etc/passwd true; bwrap $R --unshare-pid --proc /etc/passwd true; bwrap $R --dev /etc/passwd true`, "",
		strings.Repeat("bwrap: Can't mkdir /etc/passwd: Not a directory\n", 3)},
	{"data on a directory", "0.12 says that the destination is none",
		`bwrap $R --ro-bind-data 5 /usr true 5<<<x; bwrap $R --bind-data 5 /usr true 5<<<x`, "", strings.Repeat("bwrap: Can't create file at /usr: Is a directory\n", 2)},
	{"absolute links of the sandbox", "they lead to where the command will find them; with bubblewrap to its own root in between",
		`bwrap $R --tmpfs /tmp --dir /tmp/real --symlink /tmp/real /tmp/abs --dir /tmp/abs/a --bind /usr /tmp/abs/u ls /tmp/real`, "a\nu\n", ""},
	{"absolute links of the host", "the same; the host's /tmp is never written to",
		`mkdir d; ln -s /tmp/in d/abs; bwrap $R --tmpfs /tmp --dir /tmp/in --bind $PWD/d /tmp/d --file 5 /tmp/d/abs/f find /tmp/in -type f 5<<<x; ls -d /tmp/in/f 2>/dev/null || echo not outside`, "/tmp/in/f\nnot outside\n", ""},
	{"syncs", "up to 0.13.0 only the last one counts",
		`for fds in "5 7" "7 5" "5 5 7"; do exec 5>a 7>b; flock 5; flock 7; bwrap $R --dev /dev --unshare-pid $(printf -- '--sync-fd %s ' $fds) bash -c 'exec 5>&- 7>&-; until [ -e go ]; do sleep 0.1; done >/dev/null 2>&1 &'; exec 5>&- 7>&-; for f in a b; do flock -n $f echo free; done; touch go; for f in a b; do flock $f echo free at the end; done; rm go; done`,
		strings.Repeat("free at the end\nfree at the end\n", 3), ""},
	{"no boundary", "0.8.0 does not know --not-a-security-boundary", `bwrap $R --not-a-security-boundary --bind / /mnt sh -c 'test -d /mnt/usr && echo there'`, "there\n", ""},
	{"levels", "0.8.0 does not know --level-prefix",
		`bwrap --level-prefix --foo; bwrap --level-prefix --chdir / --chdir / $R --bind /nonexist / true`, "",
		"<3>bwrap: Unknown option --foo\n<4>bwrap: Only the last --chdir option will take effect\n<3>bwrap: Can't find source path /nonexist: No such file or directory\n"},
	{"argv0", "0.8.0 does not know --argv0",
		`bwrap $R --argv0 other bash -c 'echo $0' | head -c 0; bwrap $R --argv0 other cat /proc/self/cmdline | tr '\0' ' '`, "other /proc/self/cmdline ", ""},
	{"sessions", "the command leads its session itself, not process 1",
		`bwrap $R --unshare-pid --proc /proc --new-session sh -c 'cut -d" " -f6 /proc/$$/stat; echo $$'`, "2\n2\n", ""},
	{"closed standard input", "Go opens /dev/null in its place",
		`bwrap $R sh -c 'readlink /proc/$$/fd/0' <&-`, "/dev/null\n", ""},
	{"a filter that refuses everything", "the run ends all the same, and says what happened",
		`printf '\6\0\0\0\1\0\5\0' >all; bwrap $R --seccomp 5 true 5<all; echo $?`, "1\n", "bwrap: execvp true: Operation not permitted\n"},
	{"overlays", "0.8.0 does not know them",
		`mkdir a b up wk; echo a >a/f; echo b >b/f; echo a >a/g; for o in "--tmp-overlay" "--ro-overlay" "--overlay $PWD/up $PWD/wk"; do bwrap $R --tmpfs /tmp --overlay-src $PWD/a --overlay-src $PWD/b $o /tmp/o sh -c 'cat /tmp/o/f /tmp/o/g; echo x >/tmp/o/new && cat /tmp/o/new' 2>/dev/null; done; ls up`,
		"b\na\nx\nb\na\nb\na\nx\nnew\n", ""},
	{"environment of process 1", "nothing of the caller can be read there",
		`bwrap $R --unshare-pid --proc /proc --uid 0 --cap-add ALL sh -c 'cat /proc/1/environ /proc/1/cmdline; grep -a -c "correct horse" /proc/1/mem' 2>/dev/null`, "0\n", ""},
	{"joined and new pid namespace", "the command is process 1 of the new one, without a reaper",
		`mkfifo p; bwrap $R --unshare-user --unshare-pid --info-fd 5 sh -c 'echo >p; sleep 60' 5>i >/dev/null & read x <p; pid=$(grep -o '[0-9]*' i | head -1); bwrap $R --userns 6 --pidns 7 --unshare-pid --proc /proc sh -c 'echo $$' 6</proc/$pid/ns/user 7</proc/$pid/ns/pid; kill -9 $pid`, "1\n", ""},
}

func TestWhereItDiffers(t *testing.T) {
	kerneltest.Require(t, "userns", "proc", "overlay")
	for _, c := range differs {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			got := script(t, this(t), c.text)
			if got.out != c.out || got.err != c.err {
				t.Errorf("%s\n(%s)\nprinted\n%s%s\nwant\n%s%s", c.text, c.why, got.out, got.err, c.out, c.err)
			}
		})
	}
}
