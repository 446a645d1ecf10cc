package seccomp

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
)

// Every field that changes a filter is in its key; the rest is listed here.
func TestTheKeyHoldsAllThatAFilterDependsOn(t *testing.T) {
	ignored := map[string]bool{"LogDenials": true, "Killable": true} // in the plan, or as the argument asks
	base := key(Config{}, Context{}, false)
	if key(Config{}, Context{}, true) == base {
		t.Error("a filter that asks is another one")
	}
	change := func(of reflect.Value, has func() string) {
		for i := range of.NumField() {
			field, name := of.Field(i), of.Type().Field(i).Name
			switch field.Kind() {
			case reflect.String:
				field.SetString("x")
			case reflect.Bool:
				field.SetBool(true)
			case reflect.Uint64:
				field.SetUint(4)
			case reflect.Slice:
				field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			default:
				t.Fatalf("%s is a %s", name, field.Kind())
			}
			if same := has() == base; same != ignored[name] {
				t.Errorf("%s: the same key: %t", name, same)
			}
			field.SetZero()
		}
	}
	var c Config
	change(reflect.ValueOf(&c).Elem(), func() string { return key(c, Context{}, false) })
	var x Context
	change(reflect.ValueOf(&x).Elem(), func() string { return key(Config{}, x, false) })
	for _, pair := range [][2]Config{
		{{Allow: []string{"a", "b"}}, {Allow: []string{"ab"}}},
		{{Allow: []string{"a"}}, {Deny: []string{"a"}}},
		{{Base: "a", File: "b"}, {Base: "ab"}},
	} {
		if key(pair[0], Context{}, false) == key(pair[1], Context{}, false) {
			t.Errorf("%+v and %+v have the same key", pair[0], pair[1])
		}
	}
}

func TestFiltersAreCompiledOnce(t *testing.T) {
	x, times := Context{Arch: "amd64"}, 0
	compile := func() ([]byte, error) { times++; return []byte{1, 2, 3}, nil }
	c := Config{Allow: []string{t.Name()}}
	for range 3 {
		got, err := remembered(c, x, false, compile)
		if err != nil || !bytes.Equal(got, []byte{1, 2, 3}) {
			t.Fatal(got, err)
		}
		got[0] = 9 // is the caller's
	}
	if times != 1 {
		t.Errorf("compiled %d times", times)
	}
	failed := errors.New("failed")
	c.Errno = "EIO"
	for range 2 {
		if _, err := remembered(c, x, false, func() ([]byte, error) { times++; return nil, failed }); err != failed {
			t.Error(err)
		}
	}
	if times != 3 {
		t.Error("a failure was remembered")
	}
	var group sync.WaitGroup
	for i := range 4 * maxFilters {
		group.Go(func() {
			want := fmt.Append(nil, i)
			got, err := remembered(Config{Errno: fmt.Sprint(i)}, x, false, func() ([]byte, error) { return want, nil })
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	group.Wait()
	if len(filters.of) > maxFilters {
		t.Errorf("%d filters are kept", len(filters.of))
	}
}

// A filter out of the cache is the one that is compiled.
func TestRememberedFiltersAreTheSame(t *testing.T) {
	for _, c := range []Config{{Deny: []string{"@debug"}}, {Base: Strict, Allow: []string{"ptrace"}}, {Compat: true}} {
		for _, x := range []Context{{Arch: "amd64"}, {Arch: "arm64", NestedUserns: true}} {
			first, err1 := Compile(c, x)
			again, err2 := Compile(c, x)
			p, err3 := c.policy(x)
			if fresh := p.compile(x.Arch, c.Compat); err1 != nil || err2 != nil || err3 != nil || !bytes.Equal(first, fresh) || !bytes.Equal(again, fresh) {
				t.Errorf("%+v: %v %v %v", c, err1, err2, err3)
			}
		}
	}
}

// What compiling a table costs each start of snug, and what it costs a program
// from its second sandbox on.
func BenchmarkTable(b *testing.B) {
	c, x := Config{Allow: []string{"ptrace"}, Deny: []string{"@keyring", "socket(arg0 == AF_INET6)"}}, Context{Arch: "amd64"}
	docker := Context{Arch: "amd64", Imported: []byte(dockerText)}
	for name, compile := range map[string]func() ([]byte, error){
		"compiled":   func() ([]byte, error) { p, err := c.policy(x); return p.compile(x.Arch, false), err },
		"remembered": func() ([]byte, error) { return Compile(c, x) },
		"compiled docker": func() ([]byte, error) {
			p, err := Config{File: "p"}.policy(docker)
			return p.compile(x.Arch, false), err
		},
		"remembered docker": func() ([]byte, error) { return Compile(Config{File: "p"}, docker) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := compile(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
