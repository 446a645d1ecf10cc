// Snug-net is the network of one sandbox, outside of it. Snug starts it for the
// network mode "private", in a sandbox of its own, and hands it what it needs as
// open descriptors: 3 is a socket to speak with Snug, 4 the other end of the
// sandbox's interface, 5 a socket that listens for changes. It ends when 3 is
// closed. For a driver of somebody else's, which has to enter the sandbox's
// namespaces, it is an ordinary process with 3 only. It is not for people.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/snug-sandbox/snug/internal/netdriver"
	"github.com/snug-sandbox/snug/internal/usernet"
)

func main() {
	// What it starts ends with the thread that started it (PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	if len(os.Args) == 3 && os.Args[1] == netdriver.PortsVerb {
		exit(netdriver.ServePorts(os.Args[2]))
	}
	if len(os.Args) != 2 || os.Args[1] != "serve" {
		fmt.Fprintln(os.Stderr, "snug-net: this is a part of snug: snug run --net private")
		os.Exit(2)
	}
	// Half of the processors is for those who speak: waking another one for each
	// packet costs more than what it does with it.
	runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2))
	// Packets make much garbage; memory that stays is what people look at.
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(256 << 20)
	exit(serve())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "snug-net:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve() error {
	server, err := usernet.NewServer(os.NewFile(3, "control"))
	if err != nil {
		return err
	}
	if server.Foreign() {
		return server.Connect()
	}
	changes, _ := net.FileListener(os.NewFile(5, "changes"))
	listener, _ := changes.(*net.UnixListener)
	return server.Serve(4, listener)
}
