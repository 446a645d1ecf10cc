// Package problem holds the one shape in which Snug speaks of trouble: what
// failed, why, and what a person can do about it.
package problem

import "strings"

// Problem is an error with its remedy. On a terminal it reads
//
//	snug: WHAT: WHY
//	  try: FIX
//
// What names the thing in the user's words (an option, a key with its
// file:line:column, a step of the plan), Why is the reason, Fix is optional.
type Problem struct {
	What string // the thing that failed, in the user's words
	Why  string // the reason; when empty, Err's text
	Fix  string // what to do; empty when nothing can be done. May hold several lines.
	Err  error  // the cause for errors.Is and errors.As; may be nil
}

// Error returns "WHAT: WHY" on one line, without the remedy.
func (p *Problem) Error() string {
	why := p.Why
	if why == "" && p.Err != nil {
		why = p.Err.Error()
	}
	switch {
	case p.What == "":
		return why
	case why == "":
		return p.What
	}
	return p.What + ": " + why
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// List is several problems found in one go, such as every mistake of a profile.
type List []*Problem

// Error returns one line per problem.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.Is and errors.As every problem of the list.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, p := range l {
		errs[i] = p
	}
	return errs
}

// Err returns the list as an error, or nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}
