// Package process is what the command itself gets: its words, environment,
// working directory, descriptors, terminal, signal state and resource limits.
package process

import "github.com/snug-sandbox/snug/internal/units"

// Command is the table [command]: what to run, and how its process starts.
type Command struct {
	// Args is the program and its arguments. A program without a slash is
	// looked up in the sandbox's PATH, inside the sandbox. Empty: a shell.
	Args []string `toml:"args"`

	// Argv0 is the name that the program sees as its own (argv[0]) when it
	// differs from Args[0].
	Argv0 string `toml:"argv0"`

	// Workdir is the working directory, an absolute path inside. Default: the
	// caller's directory when the sandbox shows it, else the home directory
	// when it shows that, else /.
	Workdir string `toml:"workdir"`

	// PID1 makes the command itself process 1 of its pid namespace. It then
	// has to reap orphans, and signals without a handler do not reach it
	// (pid_namespaces(7)). Default: a small reaper is process 1.
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
	// Timeout ends the command after this wall-clock time: SIGTERM, then
	// SIGKILL after Grace. The exit code is then 124.
	Timeout units.Duration `toml:"timeout"`

	// Grace is the time between SIGTERM and SIGKILL. Default 10s.
	Grace units.Duration `toml:"grace"`

	// CPUTime limits the CPU time of each process (RLIMIT_CPU), rounded up to
	// whole seconds: SIGXCPU, and SIGKILL a second later.
	CPUTime units.Duration `toml:"cpu_time"`

	Nofile     *units.Limit `toml:"nofile"`     // open descriptors of a process (RLIMIT_NOFILE)
	Core       *units.Limit `toml:"core"`       // size of a core dump in bytes (RLIMIT_CORE)
	Fsize      *units.Limit `toml:"fsize"`      // size of a file it writes in bytes (RLIMIT_FSIZE)
	Stack      *units.Limit `toml:"stack"`      // size of the stack in bytes (RLIMIT_STACK)
	Data       *units.Limit `toml:"data"`       // size of the data segment in bytes (RLIMIT_DATA)
	AS         *units.Limit `toml:"as"`         // size of the address space in bytes (RLIMIT_AS)
	Memlock    *units.Limit `toml:"memlock"`    // locked memory in bytes (RLIMIT_MEMLOCK)
	Nproc      *units.Limit `toml:"nproc"`      // processes and threads of the user (RLIMIT_NPROC)
	Msgqueue   *units.Limit `toml:"msgqueue"`   // POSIX message queues in bytes (RLIMIT_MSGQUEUE)
	Sigpending *units.Limit `toml:"sigpending"` // queued signals (RLIMIT_SIGPENDING)
}
