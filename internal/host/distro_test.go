package host

import (
	"slices"
	"testing"
)

func TestReadDistro(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Distro
	}{
		{"PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nID=ubuntu\nID_LIKE=debian\n", Distro{"ubuntu", []string{"debian"}, "Ubuntu 24.04.1 LTS"}},
		{"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Distro{"rocky", []string{"rhel", "centos", "fedora"}, ""}},
		{"ID='arch'\nPRETTY_NAME='Arch Linux'", Distro{"arch", nil, "Arch Linux"}},
		{`PRETTY_NAME="A \"quoted\" \\ name"`, Distro{"", nil, `A "quoted" \ name`}},
		{`PRETTY_NAME='one \ stays'`, Distro{"", nil, `one \ stays`}},
		{"# comment\n\nID=Fedora\nID\n=\n\"", Distro{"", nil, ""}}, // the last ID line, without a value, wins
		{"", Distro{}},
	} {
		got := ReadDistro(tree(t, map[string]string{"etc/os-release": tt.text}))
		if got.ID != tt.want.ID || !slices.Equal(got.Like, tt.want.Like) || got.Name != tt.want.Name {
			t.Errorf("%q: got %+v, want %+v", tt.text, got, tt.want)
		}
	}
}

func TestReadDistroOfUsrLib(t *testing.T) {
	root := tree(t, map[string]string{"usr/lib/os-release": "ID=alpine\n"})
	if got := ReadDistro(root); got.ID != "alpine" {
		t.Errorf("got %+v", got)
	}
	if got := ReadDistro(t.TempDir()); got.ID != "" || got.Is("") != true {
		t.Errorf("an empty root: got %+v", got)
	}
}

func TestInstall(t *testing.T) {
	for _, tt := range []struct {
		distro  Distro
		program string
		want    string
	}{
		{Distro{ID: "debian"}, "newuidmap", "sudo apt install uidmap"},
		{Distro{ID: "linuxmint", Like: []string{"ubuntu", "debian"}}, "newgidmap", "sudo apt install uidmap"},
		{Distro{ID: "fedora"}, "newuidmap", "sudo dnf install shadow-utils"},
		{Distro{ID: "rocky", Like: []string{"rhel", "centos", "fedora"}}, "pasta", "sudo dnf install passt"},
		{Distro{ID: "arch"}, "newuidmap", "sudo pacman -S shadow"},
		{Distro{ID: "manjaro", Like: []string{"arch"}}, "fuse-overlayfs", "sudo pacman -S fuse-overlayfs"},
		{Distro{ID: "opensuse-leap", Like: []string{"suse", "opensuse"}}, "newuidmap", "sudo zypper install shadow"},
		{Distro{ID: "alpine"}, "newuidmap", "sudo apk add shadow-uidmap"},
		{Distro{ID: "plan9"}, "pasta", "install the program pasta (package passt)"},
		{Distro{}, "newuidmap", "install the program newuidmap (package uidmap, shadow or shadow-utils)"},
	} {
		if got := tt.distro.Install(tt.program); got != tt.want {
			t.Errorf("%s on %s: got %q, want %q", tt.program, tt.distro.ID, got, tt.want)
		}
	}
}
