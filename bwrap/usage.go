package bwrap

// Usage is what --help prints, for a program that was called by the given name.
func Usage(name string) string { return "usage: " + name + usage }

const usage = ` [OPTIONS...] [--] COMMAND [ARGS...]

    --help                       Print this help
    --version                    Print the version of bubblewrap that this behaves like
    --args FD                    Read options, each ended by a NUL byte, from FD
    --argv0 VALUE                Set argv[0] of COMMAND to VALUE
    --level-prefix               Begin each message with its syslog level, as <3>
    --unshare-all                New namespaces of every kind
    --share-net                  Keep the network namespace, after --unshare-all
    --unshare-user               New user namespace (needed, and implied, when not root)
    --unshare-user-try           The same, where it is possible
    --unshare-ipc                New ipc namespace
    --unshare-pid                New pid namespace
    --unshare-net                New network namespace
    --unshare-uts                New uts namespace
    --unshare-cgroup             New cgroup namespace
    --unshare-cgroup-try         The same, where it is possible
    --userns FD                  Enter this user namespace (not with --unshare-user)
    --userns2 FD                 Enter this user namespace last of all
    --disable-userns             Forbid user namespaces inside
    --assert-userns-disabled     Fail unless user namespaces are forbidden inside
    --pidns FD                   Enter this pid namespace, or make a new one below it
    --uid UID                    User id inside (with a user namespace)
    --gid GID                    Group id inside (with a user namespace)
    --hostname NAME              Host name inside (with --unshare-uts)
    --chdir DIR                  Run COMMAND in DIR
    --clearenv                   Begin with an empty environment
    --setenv VAR VALUE           Set an environment variable
    --unsetenv VAR               Remove an environment variable
    --lock-file DEST             Hold a lock on DEST while the sandbox lives; repeatable
    --sync-fd FD                 Keep FD open while the sandbox lives; repeatable
    --bind SRC DEST              Show the host's SRC at DEST
    --bind-try SRC DEST          The same, unless SRC does not exist
    --dev-bind SRC DEST          Show the host's SRC at DEST, with working devices
    --dev-bind-try SRC DEST      The same, unless SRC does not exist
    --ro-bind SRC DEST           Show the host's SRC at DEST, read-only
    --ro-bind-try SRC DEST       The same, unless SRC does not exist
    --bind-fd FD DEST            Show what FD has open at DEST
    --ro-bind-fd FD DEST         The same, read-only
    --remount-ro DEST            Make the mount at DEST read-only, without those below it
    --overlay-src SRC            A layer of the next overlay, the lowest first
    --overlay RWSRC WORKDIR DEST Mount an overlay; what is written goes to RWSRC, and WORKDIR
                                 is an empty directory on the same file system
    --tmp-overlay DEST           Mount an overlay; what is written is lost
    --ro-overlay DEST            Mount an overlay, read-only
    --exec-label LABEL           SELinux context of COMMAND
    --file-label LABEL           SELinux context of what is made for the sandbox
    --proc DEST                  Mount a procfs
    --dev DEST                   Make a minimal /dev
    --tmpfs DEST                 Mount a tmpfs
    --mqueue DEST                Mount POSIX message queues
    --dir DEST                   Make a directory
    --file FD DEST               Write what FD holds to DEST
    --bind-data FD DEST          Show what FD holds as a file at DEST
    --ro-bind-data FD DEST       The same, read-only
    --symlink SRC DEST           Make a symbolic link at DEST to SRC
    --seccomp FD                 Load the seccomp filter that FD holds
    --add-seccomp-fd FD          The same; repeatable
    --block-fd FD                Wait for a byte from FD before COMMAND is run
    --userns-block-fd FD         Wait for a byte from FD; the caller maps the ids meanwhile
    --info-fd FD                 Write what is known of the sandbox to FD, as JSON
    --json-status-fd FD          The same, and the exit code at the end
    --new-session                Start a new session, without the caller's terminal
    --die-with-parent            Kill everything when the caller ends
    --as-pid-1                   COMMAND is process 1 itself
    --cap-add CAP                Give COMMAND the capability CAP inside, or ALL
    --cap-drop CAP               Take the capability CAP, or ALL
    --perms OCTAL                Permissions for the next --dir, --tmpfs, --file or --*bind-data
    --size BYTES                 Size of the next --tmpfs
    --chmod OCTAL PATH           Change the permissions of PATH
    --not-a-security-boundary    Does nothing: no mount below a bind can fail by itself here
`
