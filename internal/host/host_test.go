package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

func TestMain(m *testing.M) { kerneltest.Main(m) }

// tree writes a fake root directory: path below it → content.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(root, name), text)
	}
	return root
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
