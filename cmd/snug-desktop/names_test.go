package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// written makes files of these contents below a directory of their own.
func written(t *testing.T, mode os.FileMode, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNamesOfAProgramAreThoseOfItsEntries(t *testing.T) {
	bin := written(t, 0o755, map[string]string{"viewer": "", "other": "", "python3.11": ""})
	for from, to := range map[string]string{"see": "viewer", "python3": "python3.11"} {
		if err := os.Symlink(to, filepath.Join(bin, from)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	data := written(t, 0o644, map[string]string{
		"applications/org.example.Viewer.desktop":  "[Desktop Entry]\nExec=viewer %u\n",
		"applications/org.example.Wrapped.desktop": "[Desktop Entry]\nExec=snug run -p gtk -- viewer\nX-Snug-Profile=gtk\n",
		"applications/org.example.Other.desktop":   "[Desktop Entry]\nExec=other viewer\n",
		"applications/org.example.Python.desktop":  "[Desktop Entry]\nExec=python3 /usr/bin/tool\n",
		"applications/org.example.Odd.desktop":     "[Desktop Entry\nviewer",
		"applications/viewer.desktop":              "[Desktop Entry]\nExec=viewer\n",
		"applications/sub/org.example.desktop":     "[Desktop Entry]\nExec=" + bin + "/viewer\n",
	})
	p := places{home: t.TempDir(), dirs: []string{data}}
	for program, want := range map[string][]string{
		"viewer": {"org.example.Viewer", "org.example.Wrapped"}, bin + "/viewer": {"org.example.Viewer", "org.example.Wrapped"},
		"other": {"org.example.Other"}, "python3": nil, "missing": nil, "": nil,
	} {
		if got := p.names(program); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", program, got, want)
		}
	}
}
