package child

import (
	"os"
	"syscall"
	"unsafe"
)

// Question is a system call that waits for an answer: struct seccomp_notif
// (seccomp_unotify(2)).
type Question struct {
	id      uint64
	PID     uint32 // of the thread, as the caller sees it
	_       uint32
	Nr      uint32
	Arch    uint32
	Pointer uint64 // of instructions
	Args    [6]uint64
}

// reply is struct seccomp_notif_resp.
type reply struct {
	id    uint64
	_     int64
	error int32
	flags uint32
}

const (
	notifyReceive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	notifySend    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	notifyValid   = 0x40082102 // SECCOMP_IOCTL_NOTIF_ID_VALID
	goOn          = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE, Linux 5.5
	pollHangUp    = 0x10
)

// Listen asks f, which a Listener event gave, for the questions until there is no
// process left that could ask. The errno that answer returns is what the call
// fails with; 0 lets it be made. Valid reports whether the process still waits:
// what was read of it before is its own then.
func Listen(f *os.File, answer func(q *Question, valid func() bool) syscall.Errno) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	conn.Read(func(fd uintptr) bool {
		for {
			switch events := ready(fd); {
			case events&pollIn != 0:
				serve(fd, answer)
			case events&pollHangUp != 0:
				return true
			default:
				return false
			}
		}
	})
}

// ready polls without waiting.
func ready(fd uintptr) int16 {
	p := pollfd{fd: int32(fd), events: pollIn}
	var none syscall.Timespec
	syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&none)), 0, 0, 0)
	return p.revents
}

// serve answers one question. The process may be gone at any moment.
func serve(fd uintptr, answer func(*Question, func() bool) syscall.Errno) {
	var q Question
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, notifyReceive, uintptr(unsafe.Pointer(&q))); errno != 0 {
		return
	}
	r := reply{id: q.id}
	valid := func() bool {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, notifyValid, uintptr(unsafe.Pointer(&q.id)))
		return errno == 0
	}
	if errno := answer(&q, valid); errno != 0 {
		r.error = -int32(errno)
	} else {
		r.flags = goOn
	}
	syscall.Syscall(syscall.SYS_IOCTL, fd, notifySend, uintptr(unsafe.Pointer(&r)))
}
