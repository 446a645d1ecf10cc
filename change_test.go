package snug_test

import (
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// nothing changes no facts.
func nothing(*host.Facts) {}

// inTheMiddle is a step somewhere in the middle of set-up.
const inTheMiddle = 20

// holdUp makes the child of p wait at a barrier in front of a step until a
// program outside has ended.
func holdUp(p *plan.Plan, step int, command []string) {
	message := uint64(len(p.Program.Data))
	p.Program.Data = append(p.Program.Data, child.MsgBarrier, byte(len(p.Barriers)), 0, 0, 0, 0, 0, 0)
	p.Barriers = append(p.Barriers, plan.Action{Label: "hold the child up", Command: command})
	at := program.Arg{Value: message, Kind: program.Address}
	insert(p, step,
		program.Step{Label: "tell", Call: plan.Sendto, Args: []program.Arg{plan.Reg(child.RegControl), at, plan.Num(2), plan.Num(0), plan.Num(0), plan.Num(0)}},
		program.Step{Label: "wait", Call: plan.Recvfrom, Args: []program.Arg{plan.Reg(child.RegControl), at, plan.Num(2), plan.Num(0), plan.Num(0), plan.Num(0)}, Min: 1},
	)
}

// insert puts steps in front of step at.
func insert(p *plan.Plan, at int, steps ...program.Step) {
	prog := &p.Program
	for i := range prog.Steps {
		for _, next := range []*int{&prog.Steps[i].Then, &prog.Steps[i].Else} {
			if *next > at {
				*next += len(steps)
			}
		}
	}
	if prog.Keep > at {
		prog.Keep += len(steps)
	}
	rest := append(steps, prog.Steps[at:]...)
	prog.Steps = append(prog.Steps[:at:at], rest...)
}
