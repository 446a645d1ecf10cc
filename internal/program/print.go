package program

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// BitNames are the names of a word's flags.
type BitNames struct {
	Names []BitName
	Zero  string // what no flag at all is called; default "0"
}

// BitName is the name of one flag, or of a value under a mask.
type BitName struct {
	Mask  uint64
	Value uint64
	Name  string
}

// Format returns the names of v's flags joined by "|"; bits without a name
// are hexadecimal.
func (b *BitNames) Format(v uint64) string {
	if v == 0 {
		if b.Zero != "" {
			return b.Zero
		}
		return "0"
	}
	var parts []string
	for _, n := range b.Names {
		if v&n.Mask == n.Value && n.Value != 0 {
			parts = append(parts, n.Name)
			v &^= n.Mask
		}
	}
	if v != 0 {
		parts = append(parts, "0x"+strconv.FormatUint(v, 16))
	}
	return strings.Join(parts, "|")
}

// Print writes one line a step: its number, what it does, and the call.
func (p *Program) Print(w io.Writer) error {
	for i, call := range p.FormatCalls() {
		if _, err := fmt.Fprintf(w, "%4d  %-6s %-44s %s\n", i, p.Actor(i), p.Steps[i].Label, call); err != nil {
			return err
		}
	}
	return nil
}

// Actor says which process runs step i: "init" is process 1 of the sandbox (or
// the process that waits for it), "exec" the one that becomes the command.
func (p *Program) Actor(i int) string {
	for j := range p.Steps {
		if p.Steps[j].Fork && i > j && (p.Keep == 0 || i < p.Keep) {
			return "exec"
		}
	}
	return "init"
}

// FormatCall returns step i's call as strace(1) would show it, with what
// happens next where that is not the next step. For many steps FormatCalls
// takes less time.
func (p *Program) FormatCall(i int) string { return p.formatCall(i, p.results()) }

// FormatCalls returns FormatCall of every step.
func (p *Program) FormatCalls() []string {
	names := p.results()
	calls := make([]string, len(p.Steps))
	for i := range calls {
		calls[i] = p.formatCall(i, names)
	}
	return calls
}

func (p *Program) formatCall(i int, names *results) string {
	s := &p.Steps[i]
	var b strings.Builder
	if s.Out != 0 {
		b.WriteString(names.at(i, uint64(s.Out)) + " = ")
	}
	b.WriteString(s.Call.Name + "(")
	for j, a := range s.Args {
		if j > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.formatArg(i, a, names))
	}
	b.WriteString(")")
	if s.Repeat > 0 {
		fmt.Fprintf(&b, " ×%d", int(s.Repeat)+1)
	}
	if s.Then != 0 {
		fmt.Fprintf(&b, " → %d", s.Then)
	}
	p.formatAccept(&b, s)
	return b.String()
}

func (p *Program) formatAccept(b *strings.Builder, s *Step) {
	var names []string
	for _, e := range s.Accept {
		if e != 0 {
			names = append(names, ErrnoName(e))
		}
	}
	if names == nil {
		return
	}
	b.WriteString(" [" + strings.Join(names, " ") + ": ")
	switch {
	case s.Exec:
		b.WriteString("try the next")
	case s.Else != 0:
		fmt.Fprintf(b, "→ %d", s.Else)
	default:
		b.WriteString("fine")
	}
	b.WriteString("]")
}

func (p *Program) formatArg(i int, a Arg, names *results) string {
	switch {
	case a.Kind == Content:
		return names.at(i-1, a.Value)
	case a.Form == Text:
		return quote(p.cstring(a.Value))
	case a.Kind == Address:
		return "&{…}"
	}
	switch a.Form {
	case Signed:
		return strconv.FormatInt(int64(a.Value), 10)
	case Octal:
		return "0" + strconv.FormatUint(a.Value, 8)
	case Hex:
		return "0x" + strconv.FormatUint(a.Value, 16)
	case Bits:
		return a.Bits.Format(a.Value)
	}
	return strconv.FormatUint(a.Value, 10)
}

func (p *Program) cstring(at uint64) string {
	if at >= uint64(len(p.Data)) {
		return ""
	}
	rest := p.Data[at:]
	for i, c := range rest {
		if c == 0 {
			return string(rest[:i])
		}
	}
	return string(rest)
}

// quote keeps long file contents to one short line.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
