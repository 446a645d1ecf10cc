package child

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/program"
)

// OpeningSource is the Go code that lays out an opening, not formatted: how p begins
// before it has ids, and after that. Its steps users and groups write the maps.
func OpeningSource(before, p *program.Program, users, groups int) string {
	var b strings.Builder
	b.WriteString("package child\n\nconst (\nopeningIDs = " + strconv.Itoa(len(before.Steps)) + " // the step that begins with ids\n" +
		"openingIDsData = " + strconv.Itoa(len(before.Data)) + " // where their data begins\n)\n\nvar opening = [...]op{\n")
	data := bytes.Clone(p.Data)
	for i := range p.Steps {
		o := layOut(p, i)
		switch i {
		case users:
			o.forget(writesUsers, data)
		case groups:
			o.forget(writesGroups, data)
		}
		b.WriteString("{" + strings.Join(o.source(), ", ") + "}, // " + strconv.Itoa(i) + ": " + p.Steps[i].Call.Name + "\n")
	}
	b.WriteString("}\n\nvar openingData = [...]byte{")
	for i, c := range data {
		if i%24 == 0 {
			b.WriteString("\n")
		}
		b.WriteString(strconv.Itoa(int(c)) + ",")
	}
	b.WriteString("\n}\n")
	return b.String()
}

// source are the fields of a step that are not 0.
func (o *op) source() (fields []string) {
	number := func(name string, v int64) {
		if v != 0 {
			fields = append(fields, name+": "+strconv.FormatInt(v, 10))
		}
	}
	list := func(name, kind string, values []uint64) {
		some := false
		texts := make([]string, len(values))
		for i, v := range values {
			some = some || v != 0
			texts[i] = "0x" + strconv.FormatUint(v, 16)
		}
		if some {
			fields = append(fields, name+": ["+strconv.Itoa(len(values))+"]"+kind+"{"+strings.Join(texts, ", ")+"}")
		}
	}
	number("nr", int64(o.nr))
	list("args", "uint64", o.args[:])
	list("regs", "uint8", numbers(o.regs[:]))
	number("out", int64(o.out))
	number("flags", int64(o.flags))
	list("accept", "uint16", numbers(o.accept[:]))
	number("repeat", int64(o.repeat))
	number("then", int64(o.then))
	number("els", int64(o.els))
	number("min", o.min)
	return fields
}

func numbers[N uint8 | uint16](list []N) (all []uint64) {
	for _, n := range list {
		all = append(all, uint64(n))
	}
	return all
}
