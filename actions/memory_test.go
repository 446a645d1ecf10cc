package actions

import (
	"strings"
	"testing"
	"time"
)

func TestSamplesStayEqualDistances(t *testing.T) {
	s := samples{every: time.Second}
	at := time.Duration(0)
	for i := range 200 {
		at += s.every
		s.add(at, int64(i+1)<<20)
	}
	if len(s.list) > maxSamples || len(s.list) < maxSamples/2 {
		t.Fatalf("%d samples", len(s.list))
	}
	for i := range len(s.list) - 1 {
		if d := s.list[i+1].At - s.list[i].At; d != s.every {
			t.Errorf("%v from %v to %v, want %v", d, s.list[i].At, s.list[i+1].At, s.every)
		}
	}
}

func TestMemoryChart(t *testing.T) {
	var b strings.Builder
	r := &runner{}
	r.report.Memory = []Sample{{100 * time.Millisecond, 1 << 20}}
	if r.memoryChart(&b); b.Len() != 0 {
		t.Errorf("a chart of one point: %s", b.String())
	}
	r.report.Memory = append(r.report.Memory, Sample{200 * time.Millisecond, 5 << 19})
	const want = "\n```mermaid\nxychart-beta\n  title \"Memory in use\"\n  x-axis \"seconds\" 0.1 --> 0.2\n  y-axis \"MiB\" 0 --> 3\n  line [1.0, 2.5]\n```\n"
	if r.memoryChart(&b); b.String() != want {
		t.Errorf("%s\nwant%s", b.String(), want)
	}
}
