package host

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFindHelper(t *testing.T) {
	root := tree(t, map[string]string{
		"opt/first/tool":  "not executable",
		"opt/second/tool": "",
		"usr/sbin/tool":   "",
		"usr/sbin/daemon": "",
		"here/stray":      "",
	})
	for _, name := range []string{"opt/second/tool", "usr/sbin/tool", "usr/sbin/daemon", "here/stray"} {
		if err := os.Chmod(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "opt/first/daemon"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "here"))
	t.Setenv("PATH", ".::/opt/first:/opt/second")
	for name, want := range map[string]string{
		"tool":   "/opt/second/tool",
		"daemon": "/usr/sbin/daemon", // a directory of that name is no program
		"stray":  "",                 // only in a relative entry of PATH
		"absent": "",
	} {
		if want != "" {
			want = root + want
		}
		if got := findHelper(root, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestHelperPrivilege(t *testing.T) {
	plain := filepath.Join(tree(t, map[string]string{"tool": ""}), "tool")
	if got := HelperPrivilege(plain, unix.CAP_SETUID); got != Plain {
		t.Errorf("a plain file: %q", got)
	}
	// Set-user-ID of somebody but root gives no right to map ids.
	if err := os.Chmod(plain, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if got := HelperPrivilege(plain, unix.CAP_SETUID); os.Getuid() != 0 && got != Plain {
		t.Errorf("set-user-ID of an ordinary user: %q", got)
	}
	if got := HelperPrivilege(filepath.Join(plain, "absent"), unix.CAP_SETUID); got != Plain {
		t.Errorf("a missing file: %q", got)
	}
}

func TestHelperPrivilegeOfTheRealOne(t *testing.T) {
	helper := FindHelper("newuidmap")
	if helper == "" {
		t.Skip("needs newuidmap(1)")
	}
	st, err := os.Stat(helper)
	if err != nil {
		t.Fatal(err)
	}
	if got := HelperPrivilege(helper, unix.CAP_SETUID); st.Mode()&os.ModeSetuid != 0 && got != Setuid && got != Nosuid {
		t.Errorf("%s has mode %v: got %q", helper, st.Mode(), got)
	}
}
