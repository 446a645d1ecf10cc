package main

import "strings"

// viewDesktop is what one key of [desktop] opens.
type viewDesktop struct {
	Key   string `json:"key"`
	Opens string `json:"opens"`
	Risk  string `json:"risk,omitempty"`
	Note  string `json:"note,omitempty"`
}

// desktop adds what the desktop opens, and what it lacks here.
func (v *view) desktop(h *session) {
	if h == nil {
		return
	}
	for _, p := range h.answer.Layout.Parts {
		v.Desktop = append(v.Desktop, viewDesktop{p.Key, p.Opens, p.Risk, p.Note})
		if p.Risk != "" {
			v.Warnings = append(v.Warnings, p.Key+": "+p.Risk)
		}
	}
	for _, p := range h.answer.Problems {
		v.Warnings = append(v.Warnings, p.What+": "+p.Why+": run will fail")
	}
}

// writeDesktop lists it for a person.
func (t teller) writeDesktop(v *view) {
	if v.Desktop == nil {
		return
	}
	t.line("Desktop")
	for _, d := range v.Desktop {
		mark := ""
		if d.Risk != "" {
			mark = "  !"
		}
		t.line("  %-14s %s%s", strings.TrimPrefix(d.Key, "desktop."), d.Opens, mark)
	}
	t.line("")
}
