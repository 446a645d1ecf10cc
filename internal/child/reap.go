package child

import (
	"syscall"
	"unsafe"
)

// Descriptors of the process that stays. The program puts them there and
// closes all others.
const (
	ControlFD  = 0 // one end of the socket pair, the supervisor has the other
	SignalFD   = 1 // signalfd(2) for SIGCHLD
	ChildrenFD = 2 // /proc/thread-self/children, where the pid namespace is shared
)

// Messages from the supervisor: an operation and a signal.
const (
	opSignal      = 1 // to the command
	opSignalGroup = 2 // to its process group
	opKillAll     = 3 // end everything
	opNamespace   = 4 // send the namespace of that number
)

// Messages to the supervisor: a letter and a byte.
const (
	msgStarted   = 's' // the command was executed
	msgIdle      = 'i' // it has run for a while
	msgStopped   = 't' // it was stopped by the signal
	msgEnded     = 'e' // it has ended; others are waited for
	msgNamespace = 'n' // with a descriptor of the namespace of that number
	msgDone      = 'd' // nothing is left but the sender, which ends
)

const (
	pollIn         = 0x1
	pollReadHangUp = 0x2000
	wNoHang        = 1
	wUntraced      = 2
	wAll           = 0x40000000 // __WALL
	rusageSelf     = 0
	rusageChildren = ^uintptr(0)
	msgNoSignal    = 0x4000
	msgDontWait    = 0x40
	statusStop     = 0x7f
	rusageWords    = unsafe.Sizeof(syscall.Rusage{}) / 8
	childrenSize   = 512
)

// reap is the life of the process that stays: it waits for every process that
// ends, passes signals on, and ends everything when the command has ended or
// the supervisor is gone. The supervisor's end is seen as the end of the
// control socket; PR_SET_PDEATHSIG would follow the thread that cloned us, and
// Go's threads come and go.
//
//go:nosplit
//go:norace
//go:noinline
func reap(r *region) {
	tell(r, msgStarted, 0)
	r.polls[0].fd, r.polls[0].events = ControlFD, pollIn
	r.polls[1].fd, r.polls[1].events = SignalFD, pollIn
	timeout := uintptr(unsafe.Pointer(&r.idle))
	if r.idle.Sec|r.idle.Nsec == 0 {
		timeout = 0
	}
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&r.polls)), 2, timeout, 0, 0, 0)
		if n == 0 && errno == 0 {
			tell(r, msgIdle, 0)
			timeout = 0
		}
		if r.polls[0].revents != 0 {
			obey(r)
		}
		if r.polls[1].revents != 0 {
			syscall.RawSyscall6(syscall.SYS_READ, SignalFD, uintptr(unsafe.Pointer(&r.buffer)), 128, 0, 0, 0)
		}
		none := collect(r)
		if r.ended != 0 && none {
			leave(r) // to kill(2) all of a namespace is to look at every process there is
		}
		if r.ended != 0 && r.linger|r.remain == 0 {
			finish(r)
		}
	}
}

// obey reads one message of the supervisor and does what it says.
//
//go:nosplit
//go:norace
//go:noinline
func obey(r *region) {
	n, _, _ := syscall.RawSyscall6(syscall.SYS_RECVFROM, ControlFD, uintptr(unsafe.Pointer(&r.message)), 2, msgDontWait, 0, 0)
	if int64(n) <= 0 {
		if r.remain == 0 {
			finish(r)
		}
		r.polls[0].fd = -1 // the supervisor is gone; ppoll(2) leaves this out
		return
	}
	sig := uintptr(r.message[1])
	switch r.message[0] {
	case opSignal:
		signal(r, uintptr(r.command), sig)
	case opSignalGroup:
		signal(r, uintptr(-r.command), sig)
	case opKillAll:
		finish(r)
	case opNamespace:
		show(r, r.message[1])
	}
}

// namespaceFiles are files of /proc/PID/ns, by the numbers that opNamespace has.
var namespaceFiles = [8]string{"user\x00", "cgroup\x00", "ipc\x00", "uts\x00", "net\x00", "pid\x00", "time_for_children\x00", "mnt\x00"}

// show sends the supervisor a descriptor of a namespace of this process, which
// nobody else can look at. One that there is not it says nothing about.
//
//go:nosplit
//go:norace
//go:noinline
func show(r *region, number uint8) {
	name := unsafe.Pointer(unsafe.StringData(namespaceFiles[number&7]))
	fd, _, errno := syscall.RawSyscall6(syscall.SYS_OPENAT, uintptr(r.namespaces), uintptr(name), syscall.O_RDONLY|syscall.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return
	}
	r.message[0] = msgNamespace
	m := &r.rights
	m.text, m.textSize = uint64(uintptr(unsafe.Pointer(&r.message))), 2
	m.iov, m.iovSize = uint64(uintptr(unsafe.Pointer(&m.text))), 1
	m.control, m.controlSize = uint64(uintptr(unsafe.Pointer(&m.size))), 24
	m.size, m.level, m.kind, m.fd = 20, syscall.SOL_SOCKET, syscall.SCM_RIGHTS, int32(fd)
	syscall.RawSyscall6(syscall.SYS_SENDMSG, ControlFD, uintptr(unsafe.Pointer(m)), msgNoSignal|msgDontWait, 0, 0, 0)
	closeFD(int32(fd))
}

//go:nosplit
//go:norace
//go:noinline
func signal(r *region, pid, sig uintptr) {
	if r.ended == 0 {
		syscall.RawSyscall6(syscall.SYS_KILL, pid, sig, 0, 0, 0, 0)
	}
}

// collect waits for all children that have ended or stopped. It reports
// whether none is left.
//
//go:nosplit
//go:norace
//go:noinline
func collect(r *region) bool {
	for {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&r.status)),
			wNoHang|wUntraced|wAll, uintptr(unsafe.Pointer(&r.usage)), 0, 0)
		if errno != 0 {
			return errno == syscall.ECHILD
		}
		if pid == 0 {
			return false
		}
		if int64(pid) != r.command || r.ended != 0 {
			continue
		}
		if r.status&0xff == statusStop {
			tell(r, msgStopped, uint8(r.status>>8))
			continue
		}
		record(r)
	}
}

// record keeps how the command ended.
//
//go:nosplit
//go:norace
//go:noinline
func record(r *region) {
	out := &r.outcome
	out.status = r.status
	from, to := (*[rusageWords]uint64)(unsafe.Pointer(&r.usage)), (*[rusageWords]uint64)(unsafe.Pointer(&out.usage))
	for i := range from {
		to[i] = from[i]
	}
	syscall.RawSyscall6(syscall.SYS_GETRUSAGE, rusageSelf, uintptr(unsafe.Pointer(&r.usage)), 0, 0, 0, 0)
	out.baseline = r.usage.Maxrss
	r.ended, out.ended = 1, 1
	if r.linger|r.remain != 0 {
		tell(r, msgEnded, 0)
	}
}

// finish kills and counts what is left, and ends this process.
//
//go:nosplit
//go:norace
//go:noinline
func finish(r *region) {
	outlived := r.ended
	for {
		switch r.killer {
		case killNamespace:
			syscall.RawSyscall6(syscall.SYS_KILL, ^uintptr(0), uintptr(syscall.SIGKILL), 0, 0, 0, 0)
		case killCommand:
			signal(r, uintptr(r.command), uintptr(syscall.SIGKILL))
		case killChildren:
			killListed(r)
		}
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&r.status)),
			wAll, uintptr(unsafe.Pointer(&r.usage)), 0, 0)
		if errno != 0 {
			leave(r)
		}
		if int64(pid) == r.command && r.ended == 0 {
			record(r)
			continue
		}
		if outlived != 0 && r.status&0x7f == int32(syscall.SIGKILL) {
			r.outcome.left++
		}
	}
}

// leave ends this process, the last one.
//
//go:nosplit
//go:norace
//go:noinline
func leave(r *region) {
	syscall.RawSyscall6(syscall.SYS_GETRUSAGE, rusageChildren, uintptr(unsafe.Pointer(&r.outcome.total)), 0, 0, 0, 0)
	tell(r, msgDone, 0)
	const write = 1 // SHUT_WR
	syscall.RawSyscall6(syscall.SYS_SHUTDOWN, ControlFD, write, 0, 0, 0, 0)
	outlive(r)
	exit(0)
}

// outlive waits for a supervisor that has other things to do first, for a moment.
//
//go:nosplit
//go:norace
//go:noinline
func outlive(r *region) {
	if r.outlives == 0 || r.polls[0].fd < 0 {
		return
	}
	r.polls[0].events = pollReadHangUp
	r.idle.Sec, r.idle.Nsec = 0, 20e6
	syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&r.polls)), 1, uintptr(unsafe.Pointer(&r.idle)), 0, 0, 0)
}

// killListed kills the processes in the list of our children: those of the
// command that ended before their own, which came to us because we are their
// subreaper. More come with each that dies, so the caller asks again.
//
//go:nosplit
//go:norace
//go:noinline
func killListed(r *region) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_PREAD64, ChildrenFD, uintptr(unsafe.Pointer(&r.buffer)), childrenSize, 0, 0, 0)
	if errno != 0 || int64(n) <= 0 {
		signal(r, uintptr(r.command), uintptr(syscall.SIGKILL))
		return
	}
	pid := uintptr(0)
	for i := uintptr(0); i < n; i++ {
		c := r.buffer[i&(childrenSize-1)]
		if c >= '0' && c <= '9' {
			pid = pid*10 + uintptr(c-'0')
			continue
		}
		if pid > 1 {
			syscall.RawSyscall6(syscall.SYS_KILL, pid, uintptr(syscall.SIGKILL), 0, 0, 0, 0)
		}
		pid = 0
	}
}

// tell sends a message to the supervisor. One that is gone or does not read is
// no reason to wait.
//
//go:nosplit
//go:norace
//go:noinline
func tell(r *region, letter, b uint8) {
	r.message[0], r.message[1] = letter, b
	syscall.RawSyscall6(syscall.SYS_SENDTO, ControlFD, uintptr(unsafe.Pointer(&r.message)), 2, msgNoSignal|msgDontWait, 0, 0)
}
