# shellcheck shell=bash
# Common pieces of the scripts here; sourced by bash.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

PATH=$PATH:/usr/sbin:/sbin

# The ordinary user that runs what must not run as root.
test_user=snugtest

say() { printf '== %s\n' "$*"; }

die() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	[ $# -lt 2 ] || printf '  try: %s\n' "$2" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

# as_root runs a command as root without asking for a password; it fails where
# that is not possible.
as_root() {
	if is_root; then
		"$@"
	else
		sudo -n "$@"
	fi
}

can_be_root() { is_root || { have sudo && sudo -n true 2>/dev/null; }; }

# as_user runs a command as an ordinary user: the caller, or the test user
# when the caller is root. It has no PAM, so that it works in containers.
as_user() {
	if is_root; then
		setpriv --reuid="$test_user" --regid="$test_user" --init-groups --reset-env \
			env PATH="$PATH" SNUG_TEST_MUST="${SNUG_TEST_MUST-}" "$@"
	else
		"$@"
	fi
}

# user_name is whom as_user runs commands as.
user_name() {
	if is_root; then
		echo "$test_user"
	else
		id -un
	fi
}

# find_go puts the go command into PATH, where it usually lies beside it.
find_go() {
	local dir
	for dir in "" /usr/local/go/bin /usr/lib/go/bin /usr/lib/go-1.26/bin "$HOME/go/bin" /snap/bin; do
		if [ -z "$dir" ]; then
			have go && break
		elif [ -x "$dir/go" ]; then
			PATH=$dir:$PATH
			break
		fi
	done
	have go || die "there is no go command" "install Go 1.26 or newer and put it into PATH"
	# Version control often refuses to look at a tree of another owner.
	export PATH GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"
}

# light_go is the go command for what starts light. The collector that is new in Go
# 1.26 (GOEXPERIMENT=greenteagc) writes to the end of every run of small objects
# when that is made: a page each, and a program that ends soon collects nothing.
light_go() {
	case $(go env GOVERSION) in
	go1.26*) GOEXPERIMENT=nogreenteagc${GOEXPERIMENT:+,$GOEXPERIMENT} go "$@" ;;
	*) go "$@" ;;
	esac
}

# open_dir makes a temporary directory that every user may enter, and removes
# it at the end. Its path is in $stage. An overmounted /tmp is why it lies in
# /var/tmp: sandboxes hide the host's /tmp.
open_dir() {
	stage=$(TMPDIR=/var/tmp mktemp -d -t snug.XXXXXX)
	chmod 755 "$stage"
	trap 'chmod -R u+w "$stage" 2>/dev/null || true; rm -rf "$stage" 2>/dev/null || as_root rm -rf "$stage"' EXIT
}

# packages of Debian and Ubuntu that bring a command.
package_of() {
	case $1 in
	newuidmap | newgidmap) echo uidmap ;;
	bwrap) echo bubblewrap ;;
	gcc) echo gcc libc6-dev ;;
	setpriv | unshare) echo util-linux ;;
	script) echo bsdutils ;;
	groff) echo groff-base ;;
	useradd) echo passwd ;;
	qemu-system-x86_64) echo qemu-system-x86 ;;
	qemu-system-aarch64) echo qemu-system-arm ;;
	xz) echo xz-utils ;;
	mke2fs | filefrag) echo e2fsprogs ;;
	mkfs.btrfs) echo btrfs-progs ;;
	mkfs.xfs) echo xfsprogs ;;
	ip) echo iproute2 ;;
	ping) echo iputils-ping ;;
	nsenter) echo util-linux ;;
	pgrep) echo procps ;;
	pasta) echo passt ;;
	busybox) echo busybox-static ;;
	*/netavark) echo netavark ;;
	*) echo "$1" ;;
	esac
}

# want installs what brings the commands, where that is possible without
# asking. It says what stays missing; the tests that need it will skip.
want() {
	local cmd missing=()
	for cmd; do
		have "$cmd" || missing+=($(package_of "$cmd"))
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if have apt-get && can_be_root; then
		say "installing ${missing[*]}"
		install "${missing[@]}" || say "the installation failed"
	fi
	for cmd; do
		have "$cmd" || say "missing: $cmd (package $(package_of "$cmd"))"
	done
}

install() {
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
	as_root "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >/dev/null 2>&1 || {
		as_root "${apt[@]}" update </dev/null >/dev/null &&
			as_root "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >/dev/null
	}
}
