package main

import (
	"os"
	"strings"
)

// history is what a sandbox used in the last looks, the newest last.
type history struct{ cpu, memory []float64 }

// remembered is how many looks a history holds, drawn how many marks of a graph
// they become.
const (
	remembered = 60
	drawn      = 20
)

func (h *history) add(cpu, memory float64) {
	h.cpu, h.memory = push(h.cpu, cpu), push(h.memory, memory)
}

func push(list []float64, v float64) []float64 {
	list = append(list, v)
	return list[max(0, len(list)-remembered):]
}

// graphs draws both. A whole CPU, or the limit of memory, is the highest mark,
// unless more was used.
func (h *history) graphs(limit *int64, marks []string) string {
	if h == nil {
		return ""
	}
	top := 0.0
	if limit != nil {
		top = float64(*limit)
	}
	return graph(h.cpu, 100, marks) + " " + graph(h.memory, top, marks)
}

// graph draws values as a row of marks, the highest of those that a mark stands
// for.
func graph(values []float64, top float64, marks []string) string {
	for _, v := range values {
		top = max(top, v)
	}
	const each = remembered / drawn
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", drawn-(len(values)+each-1)/each))
	for len(values) > 0 {
		n := (len(values)-1)%each + 1 // marks do not change when values move on
		highest := 0.0
		for _, v := range values[:n] {
			highest = max(highest, v)
		}
		values = values[n:]
		i := 0
		if top > 0 {
			i = int(highest / top * float64(len(marks)-1))
		}
		b.WriteString(marks[min(max(i, 0), len(marks)-1)])
	}
	return b.String()
}

// graphMarks are those that the locale can show (locale(7)).
func graphMarks() []string {
	for _, name := range [...]string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := os.Getenv(name); locale != "" {
			locale = strings.ToUpper(locale)
			if strings.Contains(locale, "UTF-8") || strings.Contains(locale, "UTF8") {
				return []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}
			}
			break
		}
	}
	return []string{"_", ".", "-", "=", "+", "*", "#", "@"}
}
