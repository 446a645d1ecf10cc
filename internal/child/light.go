//go:build snug_light && linux && (amd64 || arm64) && !cgo && !race && go1.26 && !go1.27

package child

import (
	"os"
	"syscall"
	"unsafe"
)

// Go's runtime starts with a thread that watches the others, goroutines that
// collect garbage, and threads that these wake: a third of the time that an empty
// program takes, and switches between threads all through its life. A program that
// only starts a command that is over soon needs none of it.
//
// A light start leaves it out. The runtime is told to begin with lightMain instead
// of its own main function (runtime.main in $GOROOT/src/runtime/proc.go), which
// does what that one does but for what Whole makes up for. Everything here holds
// for the versions of Go that are named above; with others a program starts as
// all programs do.

//go:linkname mainStarted runtime.mainStarted
var mainStarted bool

//go:linkname maxStack runtime.maxstacksize
var maxStack uintptr

//go:linkname maxStackCeiling runtime.maxstackceiling
var maxStackCeiling uintptr

//go:linkname runtimeTasks runtime.runtime_inittasks
var runtimeTasks []*byte

//go:linkname module runtime.firstmoduledata
var module [62]uintptr

// tasks is where the list of what initializes packages is in module: a slice.
const tasks = 59

//go:linkname doInit runtime.doInit
func doInit(tasks []*byte)

//go:linkname runtimeMain runtime.main
func runtimeMain()

//go:linkname mainMain main.main
func mainMain()

//go:linkname systemStack runtime.systemstack
func systemStack(f func())

//go:linkname newThread runtime.newm
func newThread(f func(), p *byte, id int64)

//go:linkname watchThreads runtime.sysmon
func watchThreads()

//go:linkname collectGarbage runtime.gcenable
func collectGarbage()

//go:linkname findLimit runtime.defaultGOMAXPROCSInit
func findLimit()

//go:linkname followProcessors runtime.defaultGOMAXPROCSUpdateEnable
func followProcessors()

// signals is what the runtime knows of signals: those that somebody waits for are
// kept until he asks.
//
//go:linkname signals runtime.sig
var signals struct {
	note                        uintptr
	mask, wanted, ignored, recv [3]uint32
	state, delivering           uint32
	inuse                       bool
}

// light says that the rest of the runtime is still to come, later what is to be
// done then.
var (
	light bool
	later []func()
)

// lightMain is the main goroutine.
func lightMain() {
	setOpenFiles(&openFiles)
	list := *(*[]*byte)(unsafe.Pointer(&module[tasks]))
	if n := len(list); n == 0 || n > 10000 || n != cap(list) {
		runtimeMain()
	}
	const gigabyte = 1000000000
	maxStack, maxStackCeiling = gigabyte, 2*gigabyte
	light = true
	doInit(runtimeTasks)
	grow()
	doInit(list)
	mainMain()
	os.Exit(0)
}

// grow makes the stack of this goroutine large at once: it would be copied five
// times until it is.
//
//go:noinline
func grow() {
	if !light {
		var room [40 << 10]byte
		fill(&room)
	}
}

//go:noinline
func fill(room *[40 << 10]byte) { room[0] = 1 }

// Whole brings up what is missing of Go's runtime. It must be called before
// anything that waits for another goroutine, or may take long: until then nobody
// runs other goroutines while this one is in a system call, and nothing collects
// garbage.
func Whole() {
	if !light {
		return
	}
	light = false
	mainStarted = true
	systemStack(startWatch)
	collectGarbage()
	findLimit()
	followProcessors()
	for _, f := range later {
		f()
	}
}

func startWatch() { newThread(watchThreads, nil, -1) }

// Later calls f once all of Go's runtime is there, at once or by Whole, or never if
// the program ends before. Signals of the list that come until then are kept for
// f to ask for (os/signal.Notify); SIGTSTP and SIGCONT do what they do by default.
func Later(list []os.Signal, f func()) {
	if !light {
		f()
		return
	}
	signals.inuse = true
	for _, s := range list {
		n := s.(syscall.Signal)
		if bit := uint32(1) << (n % 32); signals.ignored[n/32]&bit == 0 && n != syscall.SIGTSTP && n != syscall.SIGCONT {
			signals.wanted[n/32] |= bit
		}
	}
	later = append(later, f)
}
