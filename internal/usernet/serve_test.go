package usernet

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/network"
)

// A program is not taken for that of the next refusal when its name comes late.
func TestARefusalHasItsOwnProgram(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, supervisor := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "supervisor")
	defer ours.Close()
	defer supervisor.Close()
	in, out := json.NewDecoder(supervisor), json.NewEncoder(supervisor)
	out.Encode(network.Order{})
	s, err := NewServer(ours)
	if err != nil {
		t.Fatal(err)
	}
	go s.listen(nil, nil)
	read := func() (m network.Message) {
		if err := in.Decode(&m); err != nil {
			t.Error(err)
		}
		return m
	}
	read() // that the network is there
	s.patience = 0
	if got := s.refused(network.Contact{}, 1); got != "" {
		t.Errorf("before it was told, the program is %q", got)
	}
	s.patience = time.Minute
	go func() {
		for _, program := range []string{"first", "second"} {
			out.Encode(network.Reply{Program: program, Number: read().Number})
		}
	}()
	if got := s.refused(network.Contact{}, 2); got != "second" {
		t.Errorf("the program of the second refusal is %q", got)
	}
}
