package network

import (
	"strings"
	"syscall"
	"testing"

	"github.com/snug-sandbox/snug/internal/plan"
)

func TestValidate(t *testing.T) {
	for mode, says := range map[string]string{
		"": "", None: "", Host: "",
		Private: "",
		"pasta": `network.mode: "pasta" is not a mode`,
		"HOST":  "is not a mode",
	} {
		err := Config{Mode: mode}.Validate()
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v, want %q", mode, err, says)
		}
	}
}

func TestPlanBringsLoopbackUp(t *testing.T) {
	b := plan.NewBuilder([]int{0, 1, 2})
	Plan(b)
	if b.Err() != nil || len(b.Program.Steps) != 3 {
		t.Fatalf("%v, %+v", b.Err(), b.Program.Steps)
	}
	request := b.Program.Data[b.Program.Steps[1].Args[2].Value:]
	if string(request[:3]) != "lo\x00" || request[16]&1 == 0 {
		t.Errorf("the request is %q", request[:20])
	}
}

// TestSlirpNamesTheDevice holds that a tap device which cannot be had is named, with
// what to do, for each of the errors that its absence has.
func TestSlirpNamesTheDevice(t *testing.T) {
	b := plan.NewBuilder([]int{0, 1, 2})
	planKept(b)
	known := map[syscall.Errno]bool{}
	for h := b.Program.Steps[0].Help; h != nil; h = h.Next {
		known[h.Errno] = strings.Contains(h.Why, "tun") && strings.Contains(h.Fix, "gvisor")
	}
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.ENOENT, syscall.ENODEV} {
		if !known[errno] {
			t.Errorf("%v: %v", errno, known)
		}
	}
}
