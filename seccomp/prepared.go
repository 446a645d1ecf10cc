package seccomp

import "runtime"

// prepared returns the ready filter of a base, which a start need not compile;
// "" when there is none for what is asked.
func prepared(c Config, x Context) string {
	if x.Arch != runtime.GOARCH || x.Bare || x.SharedPID || x.powers(c)&^nested != 0 || c.File != "" || len(c.Allow)+len(c.Deny)+len(c.Log) > 0 {
		return ""
	}
	switch {
	case c.Base == Strict && x.NestedUserns:
		return strictNested
	case c.Base == Strict:
		return strictPlain
	case x.NestedUserns:
		return defaultNested
	}
	return defaultPlain
}
