package main

import "testing"

func TestNearest(t *testing.T) {
	verbs := verbNames()
	for word, want := range map[string]string{
		"rnu": "run", "runn": "run", "exlain": "explain", "profiles": "profile", "doctr": "doctor",
		"comp": "completion", "vresion": "version", "x": "", "make": "", "ls": "", "": "", "bash": "",
	} {
		if got := nearest(word, verbs); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
	flags := []string{"--memory", "--mask", "--map", "-p"}
	for word, want := range map[string]string{"--memroy": "--memory", "--mem": "--memory", "-x": "", "--zzz": ""} {
		if got := nearest(word, flags); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestMeantOption(t *testing.T) {
	list := flagNames(runNode(nil))
	for word, want := range map[string]string{
		"--as-pid1": "--pid1", "--as-pid-1": "--pid1", "--run-as-uid": "--uid", "--no-pid2": "--no-pid1", "--no-lingr": "--no-linger",
		"--memroy": "--memory", "--mem": "--memory", "--chdir": "--workdir", "--chdir=/x": "--workdir", "--setenv": "--env", "--cap-add": "--cap",
		"--unshare-all": "--unshare all", "--unshare-net": "--unshare net", "--share-net": "--net host", "--ro-bind-try": "--ro-bind", "--volume": "--bind",
		"--Net": "--net", "--QUIET": "--quiet", "--zzzzzz": "", "--": "", "-": "", "--z-": "",
	} {
		if got := meantOption(word, list); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	if got := meantOption("--chdir", []string{"--json"}); got != "" {
		t.Errorf("%q is none of the list", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abd", 1},
		{"abc", "acb", 1}, {"abc", "bca", 2}, {"kitten", "sitting", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
