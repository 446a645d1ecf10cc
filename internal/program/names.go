package program

import "strconv"

// result is what a step leaves in a register, up to the last step that takes
// it from there.
type result struct {
	name        string
	first, last int  // steps; first is -1 for what is there from the start
	number      int  // among the results of one name that are needed at a time, from 1
	numbered    bool // there are others beside it
}

// results are those of each register, in the order of the steps.
type results [Registers][]*result

// at is the name of what register r holds after step i.
func (names *results) at(i int, r uint64) string {
	if r < Registers {
		for j := len(names[r]) - 1; j >= 0; j-- {
			if names[r][j].first <= i {
				return names[r][j].String()
			}
		}
	}
	return "$" + strconv.FormatUint(r, 10)
}

func (r *result) String() string {
	if r.numbered {
		return "$" + r.name + strconv.Itoa(r.number)
	}
	return "$" + r.name
}

// results names what registers hold. Where several of one name are needed at
// a time they are numbered: the registers' own numbers would not be the same
// for the same thing in the next plan.
func (p *Program) results() *results {
	names := new(results)
	var all []*result
	add := func(reg int, name string, step int) {
		r := &result{name: name, first: step, last: step}
		names[reg], all = append(names[reg], r), append(all, r)
	}
	for reg, name := range p.Given {
		if name != "" {
			add(reg, name, -1)
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		for _, a := range s.Args {
			if a.Kind == Content && a.Value < Registers && len(names[a.Value]) > 0 {
				names[a.Value][len(names[a.Value])-1].last = i
			}
		}
		if s.Out != 0 && s.Out < Registers && s.Name != "" {
			add(int(s.Out), s.Name, i)
		}
	}
	number(all)
	return names
}

// number gives each result the least number that none of its name has while
// it is needed.
func number(all []*result) {
	needed := map[string][]*result{}
	for _, r := range all {
		others := needed[r.name][:0]
		taken := map[int]bool{}
		for _, o := range needed[r.name] {
			if o.last > r.first {
				others = append(others, o)
				taken[o.number] = true
				o.numbered, r.numbered = true, true
			}
		}
		for r.number = 1; taken[r.number]; r.number++ {
		}
		needed[r.name] = append(others, r)
	}
}
