package host

import (
	"fmt"
	"os"
	"path/filepath"
)

// OwnProgram finds a helper program of Snug's: in $SNUG_LIBEXEC, where that is
// set, else beside the running program, or in the libexec directory that belongs
// to it.
func OwnProgram(name string) (string, error) {
	if dir := os.Getenv("SNUG_LIBEXEC"); dir != "" {
		return filepath.Join(dir, name), nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if target, err := filepath.EvalSymlinks(self); err == nil {
		self = target
	}
	dir := filepath.Dir(self)
	for _, path := range []string{filepath.Join(dir, name), filepath.Join(dir, "..", "libexec", "snug", name)} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("the program %s is missing beside %s (go install ./cmd/... installs it)", name, self)
}
