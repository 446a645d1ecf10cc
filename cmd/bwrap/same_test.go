package main

import (
	"os"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// same are scripts that end and print alike with this program and with
// bubblewrap, from 0.8.0 to 0.12.0.
var same = []struct{ name, text string }{
	// Files.
	{"modes", `bwrap $R --tmpfs /tmp --perms 1777 --tmpfs /tmp/t --dir /tmp/a --perms 700 --dir /tmp/b/c --perms 0 --dir /tmp/z --file 5 /tmp/d/f --perms 640 --file 6 /tmp/g --perms 4755 --dir /tmp/s \
		find /tmp -printf '%m %y %p\n' 5</etc/hostname 6</etc/passwd | sort`},
	{"modes of parents", `bwrap $R --tmpfs /tmp --bind /usr /tmp/1/2/usr --tmpfs /tmp/2/3/t --proc /tmp/3/4/p --symlink x /tmp/4/5/l --dev /tmp/5/6/d --ro-bind-data 5 /tmp/6/7/f --bind-data 6 /tmp/7/8/f --perms 755 --bind-data 7 /tmp/8/9/f --perms 750 --dir /tmp/9/1/d \
		find /tmp -maxdepth 2 -printf '%m %y %p\n' 5</etc/hostname 6</etc/passwd 7</etc/group | sort`},
	{"root", `bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev find / -maxdepth 1 -printf '%m %y %p %l\n' | sort`},
	{"root is writable", `bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 sh -c 'mkdir /x && ls -d /x'`},
	{"root made read-only", `bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --tmpfs /t --remount-ro / sh -c 'mkdir /x; mkdir /t/x && ls /t'`},
	{"limit of open files", `ulimit -Sn 512; bwrap $R sh -c 'ulimit -Sn; ulimit -Hn' | head -n 1; bwrap $R --unshare-all sh -c 'ulimit -Sn'`},
	{"tmpfs as root", `bwrap --tmpfs / --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 sh -c 'cd /; ls . .. /..'`},
	{"dev as root", `bwrap --tmpfs / --dev / --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 ls /..`},
	{"missing root", `bwrap --tmpfs / --bind-try /nonexist / --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 ls /..`},
	{"dev", `bwrap $R --dev /dev find /dev -printf '%m %y %p %l\n' | sort`},
	{"dev works", `bwrap $R --dev /dev --proc /proc sh -c 'echo x >/dev/null; head -c 3 /dev/zero | od -An -c; echo y >/dev/stdout; : >/dev/shm/a; ls /dev/shm; test -c /dev/full; echo $?; mkdir /dev/d; ls -d /dev/d'`},
	{"proc", `bwrap $R --unshare-pid --proc /proc sh -c 'set -- /proc/[0-9]*; echo $#; cat /proc/1/comm; echo $$; echo x >/proc/sysrq-trigger'`},
	{"proc of the host", `bwrap $R --proc /proc sh -c 'test -e /proc/$$ && echo there'`},
	{"mount options", `bwrap $R --tmpfs /tmp --bind /usr /tmp/u --dev-bind /dev /tmp/dev --proc /tmp/p --dev /tmp/d --ro-bind /etc /tmp/e --perms 700 --size 1048576 --tmpfs /tmp/s \
		awk '$5 ~ "^/tmp" && $5 !~ "/p/|/dev/.|/d/." { split($6, o, ","); r = ""; for (i in o) if (o[i] !~ "atime|^rw") r = r " " o[i]; n = asort2(r); print $5, n } function asort2(s) { return (s ~ /nosuid/) " " (s ~ /nodev/) " " (s ~ / ro/) " " (s ~ /noexec/) }' /proc/self/mountinfo | sort`},
	{"size", `bwrap $R --size 1048576 --tmpfs /tmp sh -c 'df --output=size /tmp; head -c 2000000 /dev/zero >/tmp/f; stat -c %s /tmp/f'`},
	{"files of bind", `echo 1 >f; mkdir d; bwrap $R --tmpfs /tmp --bind "$PWD/f" /tmp/f --bind "$PWD/d" /tmp/d sh -c 'echo 2 >/tmp/f; echo 3 >/tmp/d/new; ls -l /tmp | cut -c1-10'; cat f d/new`},
	{"bind is read-only", `echo 1 >f; bwrap $R sh -c "echo 2 >$PWD/f"; cat f; bwrap --ro-bind / / --bind $PWD $PWD sh -c "echo 2 >$PWD/f"; cat f`},
	{"file on a file", `echo 1 >f; echo 2 >g; bwrap --bind / / --ro-bind f $PWD/g cat $PWD/g; cat g`},
	{"no name", `bwrap $R '' a; echo $?`},
	{"missing source", `bwrap $R --ro-bind /nonexist/x /tmp true`},
	{"missing source of a new target", `bwrap --ro-bind /nonexist/x /tmp/a true`},
	{"try", `bwrap $R --tmpfs /tmp --bind-try /nonexist /tmp/a/b --ro-bind-try /nonexist /tmp/c --dev-bind-try /nonexist /tmp/d --ro-bind-try /etc /tmp/e --dir /tmp/a/b/c find /tmp -maxdepth 2 -path '/tmp/e/*' -prune -o -printf '%m %p\n' | sort`},
	{"try of what comes", `mkdir d; bwrap $R --tmpfs /tmp --ro-bind-try $PWD/d/new /tmp/before --bind d /tmp/d --file 5 /tmp/d/new --dir /tmp/d/e/f --ro-bind-try $PWD/d/new /tmp/x --ro-bind-try $PWD/d/e/f /tmp/y --ro-bind-try $PWD/e /tmp/z find /tmp -mindepth 1 -maxdepth 1 -printf '%f %y %m\n' 5</etc/hostname | sort`},
	{"through a file", `for x in '--ro-bind /usr /tmp/n/c' '--dir /tmp/n/s' '--dir /tmp/n/a/b' '--tmpfs /tmp/n/c' '--symlink a /tmp/n/l' '--file 6 /tmp/n/f' '--bind-data 6 /tmp/n/f' '--proc /tmp/n/p' '--dev /tmp/n/d'; do bwrap $R --tmpfs /tmp --file 5 /tmp/n $x true 5</etc/hostname 6</etc/hostname; echo $?; done 2>&1`},
	{"try without permission", `mkdir -m 0 d; bwrap $R --ro-bind-try $PWD/d/x /tmp true; echo $?`},
	{"relative source", `mkdir a; echo x >a/f; bwrap $R --tmpfs /tmp --bind a /tmp/a cat /tmp/a/f`},
	{"relative destination", `bwrap $R --tmpfs /tmp --dir tmp/x ls /tmp`},
	{"dir that exists", `bwrap $R --perms 700 --dir /usr stat -c %a /usr`},
	{"order hides", `bwrap $R --tmpfs /tmp --dir /tmp/a --tmpfs /tmp --dir /tmp/b ls /tmp`},
	{"root again", `bwrap --dir /x --tmpfs /y --bind / / ls -d /x /usr`},
	{"tmpfs as root", `bwrap --bind / / --tmpfs / --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 ls /`},
	{"host's directory is written", `mkdir h; bwrap --bind / / --bind /usr $PWD/h/a/usr --tmpfs $PWD/h/t --bind /etc/passwd $PWD/h/f --dir $PWD/h/dir --symlink x $PWD/h/l --file 5 $PWD/h/new true 5<<<data; find h -printf '%m %y %p %s %l\n' | sed 's/ [0-9]* $//' | sort`},
	{"host's file is truncated", `echo long text >f; bwrap --bind / / --file 5 $PWD/f cat $PWD/f 5<<<a; cat f`},
	{"mount point below a file", `bwrap $R --tmpfs /etc/passwd/x true`},
	{"new directories in a read-only directory", `bwrap $R --dir /usr/nonexist/a/b true`},
	{"new link in a read-only directory", `bwrap $R --symlink a /usr/nonexist true`},
	{"written file in a read-only directory", `bwrap $R --file 5 /usr/nonexist true 5</dev/null`},
	{"names", `d=$'a b\nc\td\\e"f\047g'; mkdir "$d"; touch "$d/x"; bwrap $R --tmpfs /tmp --bind "$d" "/tmp/$d" --dir /tmp/ü ls -1 "/tmp/$d" /tmp/`},
	{"dots", `bwrap $R --tmpfs /tmp --dir /tmp/./a//b/ --dir /tmp/a/../c ls -R /tmp`},
	{"deep", `d=$(printf 'd%.0s/' {1..200}); bwrap $R --tmpfs /tmp --bind /usr "/tmp/$d" ls -d "/tmp/${d}bin"`},
	{"chmod", `bwrap $R --tmpfs /tmp --dir /tmp/a --chmod 1777 /tmp/a --file 5 /tmp/f --chmod 400 /tmp/f stat -c '%a %n' /tmp/a /tmp/f 5</dev/null`},
	{"chmod read-only", `bwrap $R --chmod 755 /usr true`},
	{"remount is not recursive", `bwrap $R --tmpfs /tmp --tmpfs /tmp/a --remount-ro /tmp sh -c 'touch /tmp/a/x && ls /tmp/a; touch /tmp/x'`},
	{"mqueue", `bwrap $R --unshare-ipc --tmpfs /tmp --mqueue /tmp/q stat -f -c %T /tmp/q`},
	{"data", `head -c 5000000 /dev/urandom >b; bwrap $R --tmpfs /tmp --file 5 /tmp/f --bind-data 6 /tmp/g --ro-bind-data 7 /tmp/h cmp /tmp/f /tmp/g 5<b 6<b 7<b && echo same`},
	{"data is written", `bwrap $R --tmpfs /tmp --bind-data 5 /tmp/g --ro-bind-data 6 /tmp/h sh -c 'echo more >>/tmp/g; echo more >>/tmp/h; cat /tmp/g /tmp/h; stat -c "%a" /tmp/g /tmp/h' 5<<<a 6<<<b`},
	{"data from a pipe", `printf 'a\0b\n' | bwrap $R --dev /dev --tmpfs /tmp --ro-bind-data 0 /tmp/g od -An -c /tmp/g`},
	{"data on a file", `bwrap $R --ro-bind-data 5 /etc/passwd cat /etc/passwd 5<<<mine`},

	// Command, environment, descriptors.
	{"exit code", `bwrap $R sh -c 'exit 42'; echo $?; bwrap $R --unshare-pid sh -c 'kill -9 $$'; echo $?; bwrap $R sh -c 'kill -TERM $$'; echo $?`},
	{"as pid 1", `bwrap $R --unshare-pid --as-pid-1 --proc /proc sh -c 'echo $$; cat /proc/1/comm; exit 3'; echo $?`},
	{"as pid 1 dies", `bwrap $R --unshare-pid --as-pid-1 bash -c 'kill -9 $$; exit 4'; echo $?`},
	{"no command", `bwrap $R nonexist-command; echo $?; bwrap $R /etc/passwd; echo $?; bwrap $R /nonexist; echo $?`},
	{"script without interpreter", `printf 'echo shell $1\n' >s; chmod +x s; bwrap $R ./s arg`},
	{"interpreter that is missing", `printf '#!/nonexist\n' >s; chmod +x s; bwrap $R ./s`},
	{"directory as command", `bwrap $R /usr`},
	{"directory of PATH is tried in order", `mkdir a b; printf '#!/bin/sh\necho a' >a/x; printf '#!/bin/sh\necho b' >b/x; chmod +x b/x; PATH=$PWD/a:$PWD/b:$PATH; bwrap $R x`},
	{"PATH of the sandbox", `mkdir b; printf '#!/bin/sh\necho b' >b/x; chmod +x b/x; bwrap $R --setenv PATH $PWD/b x; bwrap $R --unsetenv PATH ls -d /`},
	{"environment", `unset PROGRAM; _=; PATH=/usr/bin:/bin $(command -v bwrap) $R --unsetenv _ --setenv A 1 --setenv B 2 --unsetenv B --setenv A 3 env | sort; bwrap $R --clearenv --setenv C 1 /usr/bin/env`},
	{"environment of nothing", `bwrap $R --clearenv /usr/bin/env | sort`},
	{"workdir", `cd /usr; bwrap $R sh -c 'pwd; echo $PWD'; bwrap $R --tmpfs /usr/share --chdir /etc sh -c 'pwd; echo $PWD'`},
	{"workdir that is gone", `mkdir d; cd d; HOME=/var bwrap $R --tmpfs /tmp sh -c 'echo $PWD; pwd'; HOME=/nonexist bwrap $R --tmpfs /tmp --tmpfs /var/tmp pwd; HOME= bwrap $R --tmpfs /tmp pwd; bwrap $R --tmpfs /tmp --setenv HOME /usr pwd`},
	{"workdir by a link", `ln -s /usr l; cd l; bwrap $R sh -c 'echo $PWD'; PWD=/x bwrap $R sh -c 'echo $PWD'`},
	{"chdir fails", `bwrap $R --chdir /nonexist true`},
	{"chdir relative", `bwrap $R --chdir usr pwd`},
	{"umask", `umask 027; bwrap $R --tmpfs /tmp --dir /tmp/a sh -c 'umask; stat -c %a /tmp/a'`},
	{"descriptors", `exec 7<<<seven 900<<<far; bwrap $R sh -c 'cat <&7; readlink /proc/self/fd/900 >/dev/null && cat /proc/self/fd/900; ls /proc/self/fd | wc -l'`},
	{"end of a pipe", `printf abc | bwrap $R cat; bwrap $R echo x | cat; (bwrap $R --dev /dev sh -c 'sleep 1 >/dev/null 2>&1 & echo out') | cat`},
	{"data descriptors are closed", `bwrap $R --tmpfs /tmp --file 5 /tmp/f sh -c 'ls /proc/self/fd | tr "\n" " "' 5<<<x`},
	{"hostname", `bwrap $R --unshare-uts --hostname box uname -n`},
	{"args", `printf '%s\0' --tmpfs /tmp --dir '/tmp/a b' --setenv X "y z" >a; bwrap $R --args 5 sh -c 'ls /tmp; echo $X' 5<a; bwrap --args 5 --foo 5<a; bwrap $R --args 5 true 5</dev/null; echo $?`},
	{"block", `(sleep 0.3; echo x) | bwrap $R --dev /dev --block-fd 0 echo ran`},
	{"block ends", `bwrap $R --block-fd 5 echo ran 5</dev/null`},
	{"sync", `(bwrap $R --dev /dev --unshare-pid --sync-fd 5 sh -c 'ls /proc/self/fd | wc -l; sleep 0.5 >/dev/null 2>&1 & exit 0' 5>&1 >&2 | cat; echo end of pipe) 2>&1`},

	{"ignored signals", `(trap '' HUP; bwrap $R sh -c 'kill -HUP $$; echo survived'); bwrap $R sh -c 'kill -HUP $$; echo survived'; echo $?`},

	// Identity and privileges.
	{"ids", `bwrap $R --uid 5 --gid 6 sh -c 'id -u; id -g; cat /proc/self/uid_map | wc -l'; bwrap $R --uid 0 id -u; bwrap $R stat -c '%u' / `},
	{"no capabilities", `bwrap $R --uid 0 grep Cap /proc/self/status; bwrap $R grep -E 'NoNewPrivs|CapEff' /proc/self/status`},
	{"capabilities", `bwrap $R --cap-add CAP_NET_ADMIN --cap-add cap_sys_admin --cap-drop cap_sys_admin grep Cap /proc/self/status; bwrap $R --unshare-user --uid 0 --cap-add ALL --cap-drop CAP_CHOWN grep Cap /proc/self/status`},
	{"namespaces", `ns() { for n in user mnt pid net ipc uts cgroup; do test "$(readlink /proc/self/ns/$n)" = "$(bwrap $R "$@" readlink /proc/self/ns/$n)" && echo -n "$n "; done; echo; }; ns; ns --unshare-all; ns --unshare-all --share-net; ns --unshare-pid --unshare-ipc; ns --unshare-user-try --unshare-cgroup-try`},
	{"loopback", `bwrap $R --unshare-net sh -c 'cat /proc/net/dev | grep -c :; cat /proc/net/fib_trie | grep -c 127.0.0.1'`},
	{"user namespaces are forbidden", `bwrap $R --unshare-user --disable-userns unshare -U true; echo $?; bwrap $R --unshare-user --disable-userns --dev /dev --proc /proc sh -c 'echo x >/proc/sys/user/max_user_namespaces'; echo $?`},
	{"not forbidden", `bwrap $R --assert-userns-disabled true; echo $?; bwrap $R --unshare-user --disable-userns --assert-userns-disabled true; echo $?`},
	{"nested", `bwrap $R --unshare-all --dev /dev --proc /proc $(command -v bwrap) $R --unshare-all --dev /dev --proc /proc --tmpfs /tmp sh -c 'ls /tmp; echo $$; cat /proc/1/comm'`},
	{"nested without proc", `bwrap --dev-bind / / $(command -v bwrap) $R --unshare-pid echo deep`},
	{"joined", `mkfifo p; bwrap $R --unshare-user --unshare-pid --uid 7 --info-fd 5 sh -c 'echo ready >p; sleep 60' 5>info >/dev/null 2>&1 & read x <p; pid=$(grep -o '[0-9]*' info | head -1); bwrap $R --userns 6 id -u 6</proc/$pid/ns/user; bwrap $R --userns 6 --pidns 7 --proc /proc sh -c 'cat /proc/1/comm' 6</proc/$pid/ns/user 7</proc/$pid/ns/pid; bwrap $R --userns 6 --unshare-net true 6</proc/$pid/ns/net; echo $?; kill -9 $pid; wait`},
	{"ids by the caller", `mkfifo i b; bwrap $R --unshare-user --userns-block-fd 5 --info-fd 6 sh -c 'id -u; id -g; cat /proc/self/setgroups' 5<b 6>i & exec 8>b; exec 9<i; pid=$(cat <&9 | grep -o 'pid": [0-9]*' | grep -o '[0-9]*'); echo deny >/proc/$pid/setgroups; echo "33 $(id -u) 1" >/proc/$pid/uid_map; echo "44 $(id -g) 1" >/proc/$pid/gid_map; echo x >&8; wait; echo $?`},
	{"ids by the caller, as process 1", `mkfifo i b; bwrap $R --unshare-user --unshare-pid --as-pid-1 --userns-block-fd 5 --info-fd 6 sh -c 'echo $$; id -u; id -g; cat /proc/self/setgroups' 5<b 6>i & exec 8>b; exec 9<i; pid=$(cat <&9 | grep -o 'pid": [0-9]*' | grep -o '[0-9]*'); echo deny >/proc/$pid/setgroups; echo "33 $(id -u) 1" >/proc/$pid/uid_map; echo "44 $(id -g) 1" >/proc/$pid/gid_map; echo x >&8; wait; echo $?`},

	// What is told.
	{"info", `bwrap $R --unshare-all --info-fd 5 sleep 0.2 5>i; sed 's/[0-9]\+/N/' i; bwrap $R --info-fd 5 true 5>i; sed 's/[0-9]\+/N/' i`},
	{"status", `bwrap $R --unshare-all --json-status-fd 5 sh -c 'exit 9' 5>i; sed 's/: [0-9]\{2,\}/: N/g' i; bwrap $R --json-status-fd 5 /nonexist 5>i; sed 's/: [0-9]\{2,\}/: N/g' i; bwrap $R --json-status-fd 5 sh -c 'kill -9 $$' 5>i; tail -n 1 i`},
	{"told namespaces are right", `bwrap $R --unshare-pid --unshare-ipc --info-fd 5 sh -c 'for n in mnt pid ipc; do readlink /proc/self/ns/$n; done | grep -o "[0-9]*"' 5>i >o; for n in mnt pid ipc; do grep -o "$n-namespace\": [0-9]*" i | grep -o '[0-9]*$'; done | cmp - o && echo right`},
	{"bad descriptors", `bwrap --seccomp 99 true; bwrap --userns 99 true; bwrap $R --args 99 true; bwrap $R --lock-file /nonexist true`},
	{"seccomp", `printf '\6\0\0\0\0\0\377\177' >allow; bwrap $R --seccomp 5 grep Seccomp_filters /proc/self/status 5<allow; printf 123 >bad; bwrap $R --seccomp 5 true 5<bad; bwrap $R --add-seccomp-fd 5 --add-seccomp-fd 6 grep Seccomp_filters /proc/self/status 5<allow 6<allow`},

	// Lives and deaths.
	// Whoever has a pipe open lives: its end is the end of them all.
	{"what is left lives on", `mkfifo p q; bwrap $R --dev /dev --bind . $PWD sh -c '(read x <p; echo later >q) >/dev/null 2>&1 & echo first'; echo >p; timeout 60 cat q`},
	{"killed caller", `mkfifo p q; bwrap $R --unshare-pid --bind . $PWD sh -c 'echo >p; read x <p; echo later >q' & read x <p; kill -9 $!; wait $! 2>/dev/null; echo $?; echo >p; timeout 60 cat q`},
	{"killed caller takes all along", `mkfifo p q; bwrap $R --unshare-pid --die-with-parent --bind . $PWD sh -c 'exec 8>q; echo >p; sleep 1000' & exec 9<q; read x <p; kill -9 $!; wait $! 2>/dev/null; echo $?; timeout 60 cat <&9; echo $?`},
	{"dies with its parent", `mkfifo p q; sh -c 'bwrap $R --unshare-pid --die-with-parent --bind . $PWD sh -c "exec 8>q; echo >p; sleep 1000" & read x <p' & exec 9<q; wait; timeout 60 cat <&9; echo $?`},
	{"terminated", `mkfifo p; bwrap $R --dev /dev sh -c 'exec >/dev/null 2>&1; echo >p; read x <p' & read x <p; kill -TERM $!; wait $!; echo $?; echo >p`},
	{"quit, which the background ignores", `ulimit -c 0; mkfifo p; bwrap $R --dev /dev sh -c 'exec >/dev/null 2>&1; echo >p; read x <p' & read x <p; kill -QUIT $!; echo >p; wait $! 2>/dev/null; echo $?`},
	{"itself inside", `mkdir own; cp -L "$(command -v bwrap)" own/bwrap; PATH=$PWD/own:$PATH; bwrap --unshare-user --uid 0 --gid 0 --cap-add ALL --bind / / --bind /proc /proc -- /proc/self/exe --unshare-all --bind / / --bind /proc /proc echo hello; bwrap $R --proc /proc --unshare-pid -- /proc/self/exe $R echo again`},
	{"lock", `touch l; mkfifo p; bwrap --dev-bind / / --unshare-pid --lock-file $PWD/l sh -c 'echo >p; read x <p' & read x <p; try='import fcntl
try: fcntl.lockf(open("l","r+"), fcntl.LOCK_EX|fcntl.LOCK_NB); print("free")
except OSError: print("held")'; python3 -c "$try"; echo >p; wait; for i in {1..600}; do free=$(python3 -c "$try"); test $free = held || break; sleep 0.1; done; echo $free`},
	{"many binds", `a=(); for i in {1..1500}; do a+=(--ro-bind /etc/hostname /tmp/d/$i); done; bwrap $R --tmpfs /tmp "${a[@]}" sh -c 'ls /tmp/d | wc -l; cmp /tmp/d/1500 /etc/hostname && echo same'`},
}

func TestSameAsBubblewrap(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	if _, err := os.Stat(installed); err != nil {
		t.Skip("needs " + installed)
	}
	for _, c := range same {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			theirs, ours := script(t, installed, c.text), script(t, this(t), c.text)
			if theirs.out+theirs.err == "" {
				t.Fatal("a script that prints nothing compares nothing")
			}
			if ours != theirs {
				t.Errorf("%s\nours  %d\n%s%s\ntheirs  %d\n%s%s", c.text, ours.code, ours.out, ours.err, theirs.code, theirs.out, theirs.err)
			}
		})
	}
}
