package actions

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/snug-sandbox/snug/network"
)

// Sizes of the job summary. The runner takes 1 MiB of a step; Mermaid draws
// charts of 50,000 characters.
const (
	maxSummary = 1<<20 - 4096
	maxRows    = 200
	maxNodes   = 40
	maxOwn     = 64 << 10 // of what the step itself wrote
)

// summary is the step's part of the job summary, as Markdown. Every name in it
// that the step has chosen is written so that it is nothing but text.
func (r *runner) summary(own string) string {
	var b strings.Builder
	report := &r.report
	fmt.Fprintf(&b, "### %s\n\n", r.verdict())
	r.bareLine(&b)
	r.numbers(&b)
	if len(report.Violations) > 0 {
		b.WriteString("\n**Violations**\n\n| what | which | why |\n|---|---|---|\n")
		for i, v := range report.Violations {
			if i == maxRows {
				fmt.Fprintf(&b, "| … | and %d more | |\n", len(report.Violations)-i)
				break
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(v.Kind), code(v.What), cell(v.Why))
		}
	}
	r.memoryChart(&b)
	r.egress(&b)
	r.changed(&b)
	r.paste(&b)
	if strings.TrimSpace(own) != "" {
		b.WriteString("\n<details><summary>What the step wrote to its summary</summary>\n\n" + fence("", shorten(printable(own), maxOwn)) + "\n</details>\n")
	}
	b.WriteString("\n")
	return cut(b.String(), maxSummary)
}

// cut shortens a text at the end of a line.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[:most]
	return s[:strings.LastIndexByte(s, '\n')+1] + "\n````\n\n(more than a summary may hold)\n"
}

func (r *runner) verdict() string {
	report := &r.report
	switch {
	case report.Failed && report.ExitCode != 0:
		return fmt.Sprintf("❌ Sandboxed step failed with exit code %d", report.ExitCode)
	case report.Failed:
		return "❌ Sandboxed step: " + plural(len(report.Violations), "violation")
	case len(report.Violations) > 0:
		return "⚠️ Sandboxed step: " + plural(len(report.Violations), "violation")
	case report.ExitCode != 0:
		return fmt.Sprintf("⚠️ Sandboxed step ended with exit code %d", report.ExitCode)
	}
	return "✅ Sandboxed step"
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.Itoa(n) + " " + word
}

func (r *runner) numbers(b *strings.Builder) {
	s := r.report.Sandbox
	if s == nil {
		return
	}
	b.WriteString("| exit code | time | CPU time | peak memory | processes left | start and report | network | workspace |\n|---|---|---|---|---|---|---|---|\n")
	fmt.Fprintf(b, "| %d | %s | %s | %s | %d | %s | %s | %s |\n", r.report.ExitCode, short(s.Wall), short(s.User+s.System), r.peak(), s.Left,
		short(r.report.Overhead), r.Network, r.Workspace)
}

// peak is the most memory that the step had in use.
func (r *runner) peak() string {
	s := r.report.Sandbox
	bytes := s.MaxRSS
	if s.Usage != nil && s.Usage.MemoryPeak > bytes {
		bytes = s.Usage.MemoryPeak
	}
	if bytes <= 0 {
		return "not known"
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// egress draws what was reached and refused.
func (r *runner) egress(b *strings.Builder) {
	all := r.report.Egress
	if len(all) == 0 {
		if r.Network == "none" {
			b.WriteString("\nNo network: nothing could be reached.\n")
		}
		return
	}
	allowed := 0
	for _, c := range all {
		if c.Allowed {
			allowed++
		}
	}
	fmt.Fprintf(b, "\n```mermaid\npie title Destinations\n  \"reached\" : %d\n  \"refused\" : %d\n```\n", allowed, len(all)-allowed)
	b.WriteString("\n```mermaid\nflowchart LR\n  step([step])\n  classDef refused fill:#fdd,stroke:#c00\n")
	for i, c := range all {
		if i == maxNodes {
			break
		}
		class, arrow := "", "-->"
		if !c.Allowed {
			class, arrow = ":::refused", "-.-x"
		}
		fmt.Fprintf(b, "  step %s n%d[\"%s\"]%s\n", arrow, i, node(c.name()), class)
	}
	b.WriteString("```\n\n| destination | address | program | times | |\n|---|---|---|---|---|\n")
	for i, c := range all {
		if i == maxRows {
			fmt.Fprintf(b, "| and %d more | | | | |\n", len(all)-i)
			break
		}
		fmt.Fprintf(b, "| %s | %s | %s | %d | %s |\n", code(c.name()), code(c.Address), code(c.Program), max(c.Count, 1), map[bool]string{true: "reached", false: "**refused**"}[c.Allowed])
	}
}

func (r *runner) changed(b *strings.Builder) {
	changes := r.report.Changes
	if len(changes) == 0 {
		return
	}
	kept := plural(len(r.report.Persisted), "path") + " kept, the rest was thrown away"
	fmt.Fprintf(b, "\n<details><summary>%s of the workspace changed; %s</summary>\n\n| | path | kept |\n|---|---|---|\n", plural(len(changes), "path"), kept)
	for i, c := range changes {
		if i == maxRows {
			fmt.Fprintf(b, "| | and %d more | |\n", len(changes)-i)
			break
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", c.Kind, code(c.Path), map[bool]string{true: "yes"}[slices.Contains(r.report.Persisted, c.Path)])
	}
	b.WriteString("\n</details>\n")
}

// paste is what the workflow and the profile could say after this run.
func (r *runner) paste(b *strings.Builder) {
	var with, profile strings.Builder
	reached, refused := r.hostsToPaste()
	if len(reached)+len(refused) > 0 {
		with.WriteString("network: allowlist\nallowed-hosts: |\n")
		mode, comment := "private", ""
		if len(reached) == 0 { // an empty list is none: it would let everything through
			mode, comment = "none", "# "
		}
		profile.WriteString("[network]\nmode = \"" + mode + "\"\n" + comment + "allow = [\n")
		for _, h := range reached {
			with.WriteString("  " + h + "\n")
			profile.WriteString("  " + strconv.Quote(h) + ",\n")
		}
		for _, h := range refused {
			with.WriteString("  # refused: " + h + "\n")
			profile.WriteString("  # refused: " + strconv.Quote(h) + ",\n")
		}
		profile.WriteString(comment + "]\n\n")
	}
	if tops := r.topsToPaste(); len(tops) > 0 {
		with.WriteString("persist: |\n")
		for _, t := range tops {
			with.WriteString("  " + t + "\n")
		}
	}
	if s := r.report.Sandbox; s != nil && s.Wall > 0 {
		profile.WriteString("[limits]\n")
		if s.Usage != nil && s.Usage.MemoryPeak > 0 {
			fmt.Fprintf(&profile, "memory = \"%dMiB\"    # 1.5 times what was used\n", s.Usage.MemoryPeak*3/2>>20+1)
		}
		fmt.Fprintf(&profile, "timeout = \"%ds\"    # 10 times what it took\n", max(int(s.Wall.Seconds()*10), 10))
	}
	b.WriteString("\n<details><summary>To paste</summary>\n\n")
	if with.Len() > 0 {
		b.WriteString("Into the step, below `with:`\n\n" + fence("yaml", with.String()))
	}
	b.WriteString("Into the profile\n\n" + fence("toml", profile.String()) + "\n</details>\n")
}

// hostsToPaste are the destinations that were reached, and those that were asked
// for in vain: whether these are meant is for people to say. What no list opens is
// in neither.
func (r *runner) hostsToPaste() (reached, refused []string) {
	for _, c := range r.report.Egress {
		h := c.name()
		address, err := netip.ParseAddr(c.Address)
		switch {
		case !isPlain(h) || err == nil && isClosed(address) || contains(reached, h) || len(reached)+len(refused) >= maxRows:
		case c.Allowed:
			reached = append(reached, h)
		case !contains(refused, h):
			refused = append(refused, h)
		}
	}
	slices.Sort(reached)
	slices.Sort(refused)
	return reached, refused
}

// isClosed reports whether an address is one that a step never reaches.
func isClosed(a netip.Addr) bool {
	return slices.ContainsFunc(network.Closed, func(p netip.Prefix) bool { return p.Contains(a) })
}

// topsToPaste are the directories and files at the top of the workspace that
// were changed and not kept.
func (r *runner) topsToPaste() []string {
	var list []string
	for _, c := range r.report.Changes {
		top, _, below := strings.Cut(c.Path, "/")
		if below || c.Type == "directory" {
			top += "/**"
		}
		if !isGit(strings.TrimSuffix(top, "/**")) && !contains(list, top) && isPlain(top) && !slices.Contains(r.report.Persisted, c.Path) && len(list) < 10 {
			list = append(list, top)
		}
	}
	return list
}

// isPlain reports whether a name is the same in YAML, TOML and Markdown.
func isPlain(s string) bool {
	for _, r := range s {
		if !(r == '.' || r == '-' || r == '_' || r == '/' || r == ':' || r == '*' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return false
		}
	}
	return s != "" && s[0] != '*' && s[0] != '-'
}

// printable leaves out of a text what a log or a page could take for more than
// text: controls, and marks that turn its direction.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
}

// cell is a text in a table. What Markdown, HTML or GitHub reads more into is
// written as the number of its character.
func cell(s string) string {
	return cellEscape.Replace(strings.Join(strings.Fields(printable(shorten(s, 300))), " "))
}

var cellEscape = func() *strings.Replacer {
	var list []string
	for _, r := range "&<>\"'|`*_[]()!~\\@#$:" {
		list = append(list, string(r), fmt.Sprintf("&#%d;", r))
	}
	return strings.NewReplacer(list...)
}()

// code is a name in a table, in the letters of a machine.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "<code>" + cell(s) + "</code>"
}

// node is a name in a chart.
func node(s string) string {
	return strings.NewReplacer(`"`, "#quot;", "%", "#37;", "`", "'", "<", "#lt;", ">", "#gt;", ";", "#59;").Replace(strings.Join(strings.Fields(printable(shorten(s, 80))), " "))
}

// fence puts text between fences that are longer than any in it.
func fence(language, text string) string {
	longest, run := 2, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	marks := strings.Repeat("`", longest+1)
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return marks + language + "\n" + text + marks + "\n"
}
