package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/snug-sandbox/snug/desktop"
)

// One run takes no other's directory for what a crash left.
func TestRunsThatBeginAtOnceHaveADirectoryEach(t *testing.T) {
	env := map[string]string{"XDG_RUNTIME_DIR": t.TempDir()}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				s := &session{facts: desktop.Facts{UID: os.Getuid(), Env: env}}
				if err := s.directory(); err != nil {
					t.Errorf("a directory: %v", err)
				} else if _, err := os.Stat(s.Run.Dir); err != nil {
					t.Errorf("it was removed: %v", err)
				}
				s.close()
			}
		})
	}
	all.Wait()
}

// Without a document portal the caller shows the file itself, at its own place,
// which a private home has to have.
func TestAFileThatNoPortalTakesGetsAPlace(t *testing.T) {
	outside := written(t, 0o600, map[string]string{"docs/odd\xff name": "text"})
	file := filepath.Join(outside, "docs/odd\xff name")
	for _, join := range []bool{false, true} {
		s := &session{facts: desktop.Facts{Home: outside}}
		s.Join, s.layout.Work.Home = join, t.TempDir()
		handed := s.hand([]desktop.Path{desktop.Path(file), desktop.Path(outside + "/docs")})
		if len(handed.Files) != 2 || len(handed.Files[0])+len(handed.Files[1]) > 0 || handed.Why == "" {
			t.Errorf("it was handed over: %+v", handed)
		}
		info, err := os.Stat(filepath.Join(s.layout.Work.Home, "docs/odd\xff name"))
		if made := err == nil && info.Mode().IsRegular() && info.Size() == 0; made == join {
			t.Errorf("joining %v: %v", join, err)
		}
	}
}
