package main

import (
	"fmt"
	"strings"
	"testing"
)

const events = `{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"    noise\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestIdle","Output":"=== RUN   TestIdle\n"}
{"Action":"output","Package":"m/a","Test":"TestIdle","Output":"    a_test.go:3: needs time\n"}
{"Action":"output","Package":"m/a","Test":"TestIdle","Output":"--- SKIP: TestIdle (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestIdle"}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.1s\n"}
{"Action":"pass","Package":"m/a"}
`

func TestPassingRun(t *testing.T) {
	var out strings.Builder
	ok, err := write(&out, strings.NewReader(events))
	if !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	want := "ok  \tm/a\t0.1s\n1 skipped:\n  m/a TestIdle: a_test.go:3: needs time\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestFailureIsToldWhole(t *testing.T) {
	var out strings.Builder
	ok, err := write(&out, strings.NewReader(`{"Action":"output","Package":"m/a","Test":"TestBad","Output":"    wrong\n"}
{"Action":"fail","Package":"m/a","Test":"TestBad"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a\t0.1s\n"}
{"Action":"fail","Package":"m/a"}
`))
	if ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	if want := "    wrong\nFAIL\tm/a\t0.1s\nno test was skipped\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestWhatNeverEndedFails(t *testing.T) {
	var out strings.Builder
	ok, err := write(&out, strings.NewReader(`{"Action":"output","Package":"m/a","Test":"TestHangs","Output":"    so far\n"}`+"\n"))
	if ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	if want := "did not end: m/a TestHangs\n    so far\nno test was skipped\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestBuildFailureFails(t *testing.T) {
	var out strings.Builder
	ok, _ := write(&out, strings.NewReader(`{"ImportPath":"m/b","Action":"build-output","Output":"b.go:1: syntax\n"}
{"ImportPath":"m/b","Action":"build-fail"}
`))
	if ok || !strings.Contains(out.String(), "b.go:1: syntax") {
		t.Errorf("got %v, %q", ok, out.String())
	}
}

func TestForeignOutputIsShown(t *testing.T) {
	var out strings.Builder
	ok, _ := write(&out, strings.NewReader("go: downloading something\n"))
	if !ok || !strings.HasPrefix(out.String(), "go: downloading something\n") {
		t.Errorf("got %v, %q", ok, out.String())
	}
}

func TestManySkipsAreCounted(t *testing.T) {
	var in, out strings.Builder
	for i := range many + 2 {
		reason := "a_test.go:3: no time"
		if i == 1 {
			reason = "a_test.go:4: something else"
		}
		fmt.Fprintf(&in, `{"Action":"output","Package":"m/a","Test":"Test%d","Output":"    %s\n"}`+"\n", i, reason)
		fmt.Fprintf(&in, `{"Action":"output","Package":"m/a","Test":"Test%d","Output":"    a_test.go:9: \n"}`+"\n", i)
		fmt.Fprintf(&in, `{"Action":"skip","Package":"m/a","Test":"Test%d"}`+"\n", i)
	}
	if ok, err := write(&out, strings.NewReader(in.String())); !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	want := fmt.Sprintf("%d skipped:\n  m/a %d tests: a_test.go:3: no time\n  m/a Test1: a_test.go:4: something else\n", many+2, many+1)
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestSlowTestsAreNamed(t *testing.T) {
	var out strings.Builder
	ok, err := write(&out, strings.NewReader(`{"Action":"pass","Package":"m/a","Test":"TestQuick","Elapsed":2}
{"Action":"pass","Package":"m/a","Test":"TestSlow/part","Elapsed":31}
{"Action":"pass","Package":"m/a","Test":"TestSlow","Elapsed":31.4}
{"Action":"pass","Package":"m/a","Test":"TestSlower","Elapsed":60}
{"Action":"pass","Package":"m/a","Elapsed":100}
`))
	if !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	if want := "slow: m/a TestSlower took 60s\nslow: m/a TestSlow took 31s\nno test was skipped\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
