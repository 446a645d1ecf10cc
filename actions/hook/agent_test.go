package hook

import (
	"os"
	"testing"
)

// What a step leaves running prints on when the step has ended, even if the log of
// the runner was closed before.
func TestNobodyReadsAnyMore(t *testing.T) {
	log, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	inside, pumps, err := through([]*os.File{to})
	if err != nil {
		t.Fatal(err)
	}
	defer inside[0].Close()
	log.Close()
	if _, err := inside[0].WriteString("while the step runs\n"); err != nil {
		t.Fatal(err)
	}
	pumps[0].finish()
	if _, err := inside[0].Write(make([]byte, 1<<20)); err != nil { // more than a pipe holds
		t.Errorf("after its end: %v", err)
	}
}
