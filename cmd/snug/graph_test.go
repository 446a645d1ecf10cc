package main

import (
	"testing"
	"time"
)

func TestGraph(t *testing.T) {
	marks := []string{"0", "1", "2", "3"}
	var sixty []float64
	for i := range 60 {
		sixty = append(sixty, float64(i))
	}
	for _, c := range []struct {
		values []float64
		top    float64
		want   string
	}{
		{nil, 100, "                    "},
		{[]float64{0}, 100, "                   0"},
		{[]float64{100}, 100, "                   3"},
		{[]float64{0, 300, 0, 0}, 100, "                  03"},
		{[]float64{0, 0, 0}, 0, "                   0"},
		{[]float64{50, 0, 0, 0, 0, 0}, 100, "                  10"},
		{sixty, 59, "00000011111112222223"},
	} {
		if got := graph(c.values, c.top, marks); got != c.want {
			t.Errorf("%v of %v: %q, want %q", c.values, c.top, got, c.want)
		}
	}
}

func TestMarksAreThoseOfTheLocale(t *testing.T) {
	for _, c := range []struct{ all, lang, want string }{
		{"C", "de_DE.UTF-8", "_"}, {"", "de_DE.UTF-8", "▁"}, {"en_US.utf8", "C", "▁"}, {"", "", "_"}, {"", "C", "_"}, {"POSIX", "", "_"},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_CTYPE", "")
		t.Setenv("LANG", c.lang)
		if got := graphMarks()[0]; got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestAmounts(t *testing.T) {
	for n, want := range map[int64]string{
		-1: "-", 0: "0B", 999: "999B", 1000: "1.0KiB", 1024: "1.0KiB", 10 << 10: "10KiB", 64 << 20: "64MiB", 1<<30 - 1: "1.0GiB", 1 << 62: "4.0EiB", 1<<63 - 1: "8.0EiB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m1s", 3 * time.Hour: "3h0m", 100 * time.Hour: "4d4h",
	} {
		if got := ageText(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestWhatControlGroupsSay(t *testing.T) {
	if r, w := diskBytes("8:0 rbytes=100 wbytes=20 rios=1 wios=1\n8:16 rbytes=1 wbytes=2"); r != 101 || w != 22 {
		t.Errorf("%d, %d", r, w)
	}
	if r, _ := diskBytes(""); r != -1 {
		t.Error("what is not counted is a number")
	}
	if s := waiting("some avg10=1.50 avg60=0.00 avg300=0.00 total=7\nfull avg10=0.00"); s != 1.5 {
		t.Errorf("%v", s)
	}
	if waiting("") != -1 {
		t.Error("what is not counted is a number")
	}
}

func TestSignalNames(t *testing.T) {
	for text, want := range map[string]int{"TERM": 15, "SIGTERM": 15, "term": 15, "9": 9, "RTMIN": 34, "SIGRTMIN+2": 36, "": 0, "0": 0, "65": 0, "-1": 0, "RTMIN+99": 0, "NONE": 0} {
		if got, err := signalOf(text); int(got) != want || (err == nil) != (want != 0) {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
}
