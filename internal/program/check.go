package program

import "fmt"

// Check reports the first thing about p that an interpreter could not run
// safely: a jump backwards or out of the program, a register or an address out
// of range, too many arguments, a second fork or move.
func (p *Program) Check() error {
	forks, fork, moves := 0, 0, 0
	for i := range p.Steps {
		s := &p.Steps[i]
		if err := p.checkStep(i, s); err != nil {
			return fmt.Errorf("step %d (%s): %w", i, s.Label, err)
		}
		if s.Fork {
			forks, fork = forks+1, i
		}
		if s.Move {
			moves++
		}
		if s.Move && forks > 0 {
			return fmt.Errorf("step %d (%s): a move after the fork", i, s.Label)
		}
	}
	for _, r := range p.Relocs {
		if !p.inData(uint64(r.At), 8) || !p.inData(uint64(r.To), 0) || r.At%8 != 0 {
			return fmt.Errorf("relocation %d to %d is outside of the data, or not aligned", r.At, r.To)
		}
	}
	switch {
	case moves > 1:
		return fmt.Errorf("%d moves, more than one", moves)
	case forks > 1:
		return fmt.Errorf("%d forks, more than one", forks)
	case forks == 1 && (p.Keep <= fork || p.Keep > len(p.Steps)):
		// Not beyond the fork, it would fork for ever.
		return fmt.Errorf("the steps of the process that stays begin at %d of %d", p.Keep, len(p.Steps))
	case forks == 0 && p.Keep != 0:
		return fmt.Errorf("steps for a process that stays, but no fork")
	}
	return nil
}

func (p *Program) checkStep(i int, s *Step) error {
	if len(s.Args) > 6 {
		return fmt.Errorf("%d arguments", len(s.Args))
	}
	if (s.Fork || s.Move) && (len(s.Args) == 0 || s.Args[0].Kind != Number) {
		return fmt.Errorf("a fork without flags")
	}
	if s.Out >= Registers {
		return fmt.Errorf("register %d", s.Out)
	}
	if s.RepeatArg > 1 {
		return fmt.Errorf("argument %d cannot grow", s.RepeatArg)
	}
	if s.Detail != 0 && !p.inData(uint64(s.Detail), 1) {
		return fmt.Errorf("the detail is outside of the data")
	}
	if s.Store != 0 && !p.inData(uint64(s.Store), 4) {
		return fmt.Errorf("the result goes outside of the data")
	}
	for _, next := range []int{s.Then, s.Else} {
		if next != 0 && (next <= i || next > len(p.Steps)) {
			return fmt.Errorf("continues at step %d of %d", next, len(p.Steps))
		}
	}
	for _, a := range s.Args {
		if err := p.checkArg(a); err != nil {
			return err
		}
	}
	return nil
}

func (p *Program) checkArg(a Arg) error {
	switch a.Kind {
	case Number:
		return nil
	case Address:
		if !p.inData(a.Value, 0) {
			return fmt.Errorf("address %d is outside of the data", a.Value)
		}
	case Content:
		if a.Value == 0 || a.Value >= Registers {
			return fmt.Errorf("register %d", a.Value)
		}
	default:
		return fmt.Errorf("argument of kind %d", a.Kind)
	}
	return nil
}

func (p *Program) inData(at, size uint64) bool {
	return at < uint64(len(p.Data)) && size <= uint64(len(p.Data))-at
}
