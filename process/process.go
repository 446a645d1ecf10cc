// Package process is what the command itself gets: its words, environment,
// working directory, descriptors, terminal, signal state and resource limits.
package process

import "github.com/snug-sandbox/snug/internal/units"

// Command is the table [command]: what to run, and how its process starts.
type Command struct {
	// Args is the program and its arguments. A program without a slash is
	// looked up in the sandbox's PATH, inside the sandbox. Empty: a shell.
	Args []string `toml:"args"`

	// Entrypoint is what runs with Args as its arguments. Default: what the image
	// says, where the root is one; one empty word is none. Without it the first
	// word of Args is the program.
	Entrypoint []string `toml:"entrypoint"`

	// Argv0 is the name that the program sees as its own (argv[0]) when it
	// differs from Args[0].
	Argv0 string `toml:"argv0"`

	// Workdir is the working directory, an absolute path inside. Default: the
	// caller's directory when the sandbox shows it, else the home directory
	// when it shows that, else /.
	Workdir string `toml:"workdir"`

	// StopSignal is what asks the command to end at its time limit, such as
	// "SIGINT". Default: what the image says, else SIGTERM.
	StopSignal string `toml:"stop_signal"`

	// PID1 makes the command itself process 1 of its pid namespace. It then
	// has to reap orphans, and signals without a handler do not reach it
	// (pid_namespaces(7)); zombies that it does not reap stay until it ends, as
	// in a container without --init. Default: a small reaper is process 1.
	PID1 bool `toml:"pid1"`

	// Linger waits for every process of the sandbox when the command has
	// ended, instead of killing those that are left.
	Linger bool `toml:"linger"`

	// Umask is the file mode creation mask (umask(2)). Default 0022.
	Umask *units.FileMode `toml:"umask"`

	// Nice is the nice value, -20 to 19 (nice(2)); lowering it below the
	// caller's needs RLIMIT_NICE. Default: the caller's.
	Nice *int `toml:"nice"`

	// OOMScoreAdj is the command's oom_score_adj, -1000 to 1000 (proc(5));
	// lowering it below the caller's needs privilege. Default: the caller's.
	OOMScoreAdj *int `toml:"oom_score_adj"`

	// FDs are descriptors of the caller that stay open inside under the same
	// number, beside 0, 1 and 2.
	FDs []int `toml:"fds"`
}

// Env is the table [env]. The environment starts empty but for PATH, HOME,
// USER, LOGNAME, SHELL and, where the caller has them, TERM, COLORTERM,
// NO_COLOR, LANG, LANGUAGE, LC_* and TZ.
type Env struct {
	// Inherit starts from the caller's whole environment instead. It hands
	// every secret kept there to the command.
	Inherit bool `toml:"inherit"`

	// Keep are names of the caller's variables to pass on; a trailing * takes
	// all names that begin so.
	Keep []string `toml:"keep"`

	// Unset are names to leave out, of the defaults too; a trailing * takes
	// all names that begin so.
	Unset []string `toml:"unset"`

	// Set are variables with their values. They win over everything else.
	Set map[string]string `toml:"set"`
}

// Terminal is the table [terminal].
type Terminal struct {
	// TTY is "auto" (default): a pseudo-terminal of the sandbox's own when
	// standard input and output are terminals; "yes": always; "no": never, the
	// caller's descriptors are passed as they are.
	TTY string `toml:"tty"`
}

// Limits is the part of the table [limits] that the process itself carries:
// time limits and setrlimit(2).
type Limits struct {
	// Timeout ends the command after this wall-clock time: StopSignal of the command,
	// then SIGKILL after Grace. The exit code is then 124.
	Timeout units.Duration `toml:"timeout"`

	// Grace is the time between SIGTERM and SIGKILL. Default 10s.
	Grace units.Duration `toml:"grace"`

	// CPUTime ends the command when all processes of the sandbox together have
	// used this CPU time: SIGTERM, then SIGKILL after Grace. The exit code is then
	// 124. Without a cgroup v2 subtree it is the CPU time of each process alone
	// (RLIMIT_CPU), rounded up to whole seconds: SIGXCPU, and SIGKILL after Grace
	// of CPU time.
	CPUTime units.Duration `toml:"cpu_time"`

	// Limits of setrlimit(2) are one value for the soft and the hard limit, or
	// "SOFT:HARD". A hard limit above the caller's own needs privilege.

	Nofile     *units.Rlimit `toml:"nofile"`     // open descriptors of a process, plus one (RLIMIT_NOFILE)
	Core       *units.Rlimit `toml:"core"`       // size of a core dump in bytes (RLIMIT_CORE). Default: none are made
	Fsize      *units.Rlimit `toml:"fsize"`      // size of a file it writes in bytes (RLIMIT_FSIZE)
	Stack      *units.Rlimit `toml:"stack"`      // size of the stack in bytes (RLIMIT_STACK)
	Data       *units.Rlimit `toml:"data"`       // private writable memory of a process in bytes (RLIMIT_DATA)
	AS         *units.Rlimit `toml:"as"`         // size of the address space in bytes (RLIMIT_AS)
	Memlock    *units.Rlimit `toml:"memlock"`    // locked memory in bytes (RLIMIT_MEMLOCK)
	Nproc      *units.Rlimit `toml:"nproc"`      // processes and threads of the user, in the sandbox's user namespace since Linux 5.14 (RLIMIT_NPROC)
	Msgqueue   *units.Rlimit `toml:"msgqueue"`   // POSIX message queues in bytes (RLIMIT_MSGQUEUE)
	Sigpending *units.Rlimit `toml:"sigpending"` // queued signals (RLIMIT_SIGPENDING)
	Rtprio     *units.Rlimit `toml:"rtprio"`     // highest real-time priority that may be set, 0 to 99 (RLIMIT_RTPRIO)
	Rttime     *units.Rlimit `toml:"rttime"`     // CPU time between two blocking calls under a real-time policy, "200ms" or microseconds (RLIMIT_RTTIME)
	Nice       *units.Rlimit `toml:"nice"`       // how far the nice value may be lowered: to 20 minus this, 0 to 40 (RLIMIT_NICE)
}
