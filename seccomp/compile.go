package seccomp

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Context is what a filter depends on beside its own key.
type Context struct {
	Arch         string // a GOARCH: "amd64" or "arm64"
	NestedUserns bool   // the command may make user namespaces
	Capabilities uint64 // what it holds over the sandbox's namespaces, as bits
	SharedPID    bool   // it sees processes outside
	Bare         bool   // no namespaces keep it from what is the host's
	NoNetwork    bool   // where it is Bare: it may not use the host's network
	NoTruncate   bool   // where it is Bare: Landlock lets it truncate files by their paths
	Killable     bool   // a process that waits for a listener's answer minds no signal but one that kills it (Linux 5.19)
	Imported     []byte // the content of Config.File
}

// Compile returns the filter as an array of struct sock_filter, nil for none.
func Compile(c Config, x Context) ([]byte, error) {
	if c.Off() {
		return nil, nil
	}
	if b := prepared(c, x); b != "" {
		return []byte(b), nil
	}
	return remembered(c, x, false, func() ([]byte, error) {
		p, err := c.policy(x)
		if err != nil {
			return nil, err
		}
		return checked(p.compile(x.Arch, c.Compat))
	})
}

// checked refuses a filter that the kernel would not take.
func checked(b []byte) ([]byte, error) {
	if n := len(b) / 8; n > maxInstructions {
		return nil, &problem.Problem{What: "security.seccomp", Why: fmt.Sprintf("the filter would have %d instructions; the kernel takes %d", n, maxInstructions),
			Fix: "fewer rules with conditions"}
	}
	return b, nil
}

// OnlyUserNamespaces returns a filter that forbids further user namespaces and
// nothing else. Calls of other architectures, which could make one, fail with
// ENOSYS.
func OnlyUserNamespaces(arch string) []byte {
	p := policy{rules: lines(guard, 0, false), rest: allowed, unlisted: allowed, foreign: refused | verdict(unix.ENOSYS)}
	return p.compile(arch, false)
}

// policy is what a filter says, by name: the first rule that fits decides.
type policy struct {
	rules    []rule
	rest     verdict // calls that no rule decides
	unlisted verdict // numbers without a name here
	foreign  verdict // calls of another architecture
	asks     bool    // what is refused, or looked at, is asked of a listener
}

func (c Config) policy(x Context) (policy, error) {
	have := x.powers(c)
	p := policy{rules: lines(guard, have, false), rest: allowed, unlisted: refused | verdict(unix.ENOSYS), foreign: killed}
	denied := refused | verdict(unix.EPERM)
	if c.Errno != "" {
		denied, _ = parseVerdict(c.Errno) // Validate has read it
	}
	for _, list := range []struct {
		rules []string
		deny  bool
		then  verdict
	}{{c.Deny, true, denied}, {c.Log, false, logged}, {c.Allow, false, allowed}} {
		for _, text := range list.rules {
			r, err := parse(text, list.deny, list.then)
			if err != nil {
				return p, err
			}
			p.rules = append(p.rules, r)
		}
	}
	p.rules = append(p.rules, x.bare(c)...)
	if x.SharedPID || x.Bare {
		p.rules = append(p.rules, lines(sharedPID, 0, false)...)
	}
	switch {
	case c.File != "":
		return p, p.importDocker(c.File, x)
	case c.Base != None:
		p.rules = append(p.rules, lines(base, have, c.Base == Strict)...)
	}
	return p, nil
}

// bare returns what takes the place of namespaces.
func (x Context) bare(c Config) []rule {
	if !x.Bare {
		return nil
	}
	rules := lines(bareLines, 0, c.Base == Strict)
	if x.NoNetwork {
		rules = append(rules, lines(offline, 0, false)...)
	}
	if x.NoTruncate {
		rules = append(rules, lines(untruncated, 0, false)...)
	}
	return rules
}

func (x Context) powers(c Config) power {
	var have power
	if x.NestedUserns {
		have |= nested
	}
	if c.Compat {
		have |= compat
	}
	for _, of := range []struct {
		capability int
		power      power
	}{
		{unix.CAP_SYS_ADMIN, admin}, {unix.CAP_SYS_CHROOT, chroots}, {unix.CAP_DAC_READ_SEARCH, handles},
		{unix.CAP_NET_ADMIN, netAdmin}, {unix.CAP_NET_RAW, netAdmin}, {unix.CAP_SYS_PTRACE, traces},
	} {
		if x.Capabilities&(1<<of.capability) != 0 {
			have |= of.power
		}
	}
	return have
}

// compile makes the program. It begins with the architecture.
func (p policy) compile(arch string, compat bool) []byte {
	a := &assembler{returns: map[verdict]place{}}
	native, other := machines(arch)
	at := a.ret(p.foreign)
	if compat {
		at = a.branch(opEqual, other.audit, a.judge(p, other), at)
	}
	at = a.branch(opEqual, native.audit, a.judge(p, native), at)
	a.then(opLoad, atArch, at)
	return a.program()
}

// span is a run of numbers, up to the next span's, with the same answer.
type span struct {
	from  uint32
	rules []rule
}

// same reports whether two spans get the same answer whatever the arguments.
func same(a, b []rule) bool {
	return len(a) == 1 && len(b) == 1 && a[0].then == b[0].then
}

// judge adds the search for the number among the calls of m.
func (a *assembler) judge(p policy, m machine) place {
	return a.then(opLoad, atNumber, a.search(p.spans(m)))
}

// spans returns the answers for all numbers, in order. Each ends with a rule
// that has no condition.
func (p policy) spans(m machine) []span {
	of := make(map[string][]rule, 2*len(p.rules))
	for _, r := range p.rules {
		for _, name := range inGroup(r.call) {
			if list := of[name]; len(list) == 0 || len(list[len(list)-1].when) > 0 {
				of[name] = append(list, r)
			}
		}
	}
	var spans []span
	add := func(from uint32, rules []rule) {
		if n := len(spans); n == 0 || !same(spans[n-1].rules, rules) {
			spans = append(spans, span{from, rules})
		}
	}
	next := uint32(0)
	gap := func(end uint32, v verdict) {
		if next < end {
			add(next, []rule{{then: p.ask(v, "")}})
		}
		next = end
	}
	m.each(func(nr uint32, name string) {
		gap(nr, p.unlisted)
		rules := of[name]
		if n := len(rules); n == 0 || len(rules[n-1].when) > 0 {
			rules = append(slices.Clip(rules), rule{then: p.rest})
		}
		if p.asks {
			rules = slices.Clone(rules)
			for i := range rules {
				rules[i].then = p.ask(rules[i].then, name)
			}
		}
		add(nr, rules)
		next = nr + 1
	})
	gap(x32, p.unlisted)
	add(x32, []rule{{then: refused | verdict(unix.ENOSYS)}})
	return spans
}

// search adds a balanced tree of comparisons over the spans.
func (a *assembler) search(spans []span) place {
	if len(spans) == 1 {
		return a.answer(spans[0].rules)
	}
	middle := len(spans) / 2
	above := a.search(spans[middle:])
	below := a.search(spans[:middle])
	return a.branch(opAtLeast, spans[middle].from, above, below)
}

// answer adds the rules of one call. Once an argument is loaded the number is
// gone; nobody asks for it again.
func (a *assembler) answer(rules []rule) place {
	var at place
	for _, r := range slices.Backward(rules) {
		hit := a.ret(r.then)
		if len(r.when) == 0 {
			at = hit
			continue
		}
		miss := at
		at = hit
		for _, c := range slices.Backward(r.when) {
			at = a.test(c, r.then.denies(), at, miss)
		}
	}
	return at
}
