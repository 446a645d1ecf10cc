package ladder

import (
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// interpreterFiles hold what runs between clone and execve, or before Go's
// runtime starts, and nothing else: no memory may be allocated there, no stack may grow, no other thread exists
// that could release a lock.
var interpreterFiles = []string{"internal/child/interpret.go", "internal/child/reap.go", "internal/child/ahead.go", "internal/child/opening.go", "internal/child/lighten.go", "internal/child/guess.go", "internal/child/scarce.go"}

// rawSystemCalls are the only functions that these files may call: the ways of
// Go's own between "prepare the registers" and "enter the kernel".
var rawSystemCalls = regexp.MustCompile(`^(syscall\.RawSyscall6|internal/runtime/syscall(/linux)?\.Syscall6)$`)

// interpreter returns the functions of the interpreter's files: those with a
// body, and those that are written in assembly.
func interpreter(t *testing.T) (bodies, assembly []string) {
	t.Helper()
	for _, f := range goFiles(t, readTree(t)) {
		if !slices.Contains(interpreterFiles, f.path) {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			switch {
			case !ok:
			case fn.Body == nil:
				assembly = append(assembly, symbol(fn))
			default:
				bodies = append(bodies, symbol(fn))
			}
		}
	}
	if len(bodies) < 5 {
		t.Fatalf("only the functions %q found in %q: has the interpreter moved?", bodies, interpreterFiles)
	}
	return bodies, assembly
}

// symbol is the linker's name of a function of internal/child.
func symbol(fn *ast.FuncDecl) string {
	name := module + "/internal/child."
	if fn.Recv != nil {
		switch typ := fn.Recv.List[0].Type.(type) {
		case *ast.StarExpr:
			name += fmt.Sprintf("(*%v).", typ.X)
		default:
			name += fmt.Sprintf("%v.", typ)
		}
	}
	return name + fn.Name.Name
}

// The stack of the child cannot grow, and the race detector's calls would take
// locks; the compiler keeps to both only where it is told.
func TestInterpreterHasItsDirectives(t *testing.T) {
	for _, f := range goFiles(t, readTree(t)) {
		if !slices.Contains(interpreterFiles, f.path) {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			for _, want := range []string{"//go:nosplit", "//go:norace"} {
				if !hasDirective(fn, want) {
					t.Errorf("%s: %s lacks %s", f.at(fn), fn.Name.Name, want)
				}
			}
		}
	}
}

func hasDirective(fn *ast.FuncDecl, want string) bool {
	if fn.Doc == nil {
		return false
	}
	for _, line := range fn.Doc.List {
		if line.Text == want {
			return true
		}
	}
	return false
}

func TestInterpreterCallsOnlyRawSyscalls(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			binary := buildLight(t, "GOARCH="+arch)
			checkInterpreter(t, binary)
			if arch == runtime.GOARCH {
				checkScarce(t, binary)
			}
		})
	}
}

// checkScarce starts the program where Go's runtime could not start.
func checkScarce(t *testing.T, binary string) {
	t.Helper()
	file, err := os.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, limit := range []string{"-v 100000", "-v 600000", "-d 50000", "-u 1"} {
		for name, code := range map[string]int{"snug": 125, "/usr/bin/bwrap": 1} {
			cmd := exec.Command("bash", "-c", "ulimit "+limit+" && exec -a "+name+" /proc/self/fd/3 version")
			cmd.ExtraFiles = []*os.File{file}
			cmd.Dir = "/"
			if os.Getuid() == 0 { // whom no limit of processes holds
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			out, _ := cmd.CombinedOutput()
			says := filepath.Base(name) + ": limit of "
			if cmd.ProcessState.ExitCode() != code || !strings.HasPrefix(string(out), says) || !strings.Contains(string(out), "\n  try: ulimit "+limit[:2]) {
				t.Errorf("%s with ulimit %s: %v, %q", name, limit, cmd.ProcessState, out)
			}
		}
	}
}

// The race detector instruments what it is not told to leave alone, wrappers
// that the compiler makes among it.
func TestInterpreterUnderTheRaceDetector(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("needs gcc for a build with -race")
	}
	checkInterpreter(t, build(t, "CGO_ENABLED=1", "GOFLAGS=-race"))
}

func checkInterpreter(t *testing.T, binary string) {
	t.Helper()
	bodies, assembly := interpreter(t)
	code := disassemble(t, binary, bodies)
	if len(code) < 3 {
		t.Fatalf("only these functions are in the program: %q", code)
	}
	for _, wrong := range strayCalls(code, append(bodies, assembly...)) {
		t.Error(wrong)
	}
}

// build builds the command as it is shipped. A test binary would not do: it
// has no symbol table.
func build(t *testing.T, env ...string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "snug")
	cmd := goTool("build", "-buildvcs=false", "-trimpath", "-o", binary, "./cmd/snug")
	cmd.Env = append(append(cmd.Environ(), "GOOS=linux"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return binary
}

// buildLight is build for a program with a light start.
func buildLight(t *testing.T, env ...string) (binary string) {
	t.Helper()
	return build(t, append(env, "CGO_ENABLED=0", "GOFLAGS=-tags=snug_light '-ldflags=-checklinkname=0 -E=snug_ahead'")...)
}

// goTool is the go command that runs this test: it puts itself first in PATH.
func goTool(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	return cmd
}

// disassemble returns the instructions of each of the functions that is in the
// program, and of the system call stubs that they use. A function that is not
// in it was compiled into its callers.
func disassemble(t *testing.T, binary string, functions []string) map[string][]string {
	t.Helper()
	var names []string
	for _, name := range functions {
		names = append(names, regexp.QuoteMeta(name))
	}
	stubs := strings.Trim(rawSystemCalls.String(), "^$")
	cmd := goTool("tool", "objdump", "-s", `^(`+strings.Join(names, "|")+`|`+stubs+`)(\.abi0)?$`, binary)
	cmd.Dir = filepath.Dir(binary)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	return parseObjdump(string(out))
}

// parseObjdump splits the output of go tool objdump: "TEXT name(SB) file", then
// lines of "file:line\taddress\tbytes\tinstruction".
func parseObjdump(out string) map[string][]string {
	code, name := map[string][]string{}, ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "TEXT "); ok {
			name = strings.TrimSuffix(strings.Fields(text)[0], "(SB)")
			code[name] = []string{}
			continue
		}
		fields := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
		if len(fields) >= 4 {
			code[name] = append(code[name], strings.TrimSpace(fields[3]))
		}
	}
	return code
}

// strayCalls lists the calls to functions that are neither allowed nor raw
// system calls, and those to an address that only the running program knows.
func strayCalls(code map[string][]string, allowed []string) (wrong []string) {
	for name, instructions := range code {
		for _, instruction := range instructions {
			target, leaves := leavesTo(instruction)
			target = strings.TrimSuffix(target, ".abi0")
			if leaves && !slices.Contains(allowed, target) && !rawSystemCalls.MatchString(target) {
				wrong = append(wrong, fmt.Sprintf("%s calls %s", name, target))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// leavesTo returns where a call, or a jump out of the function, goes.
func leavesTo(instruction string) (target string, leaves bool) {
	words := strings.Fields(instruction)
	if len(words) < 2 {
		return "", false
	}
	op, to := words[0], words[len(words)-1]
	name, direct := strings.CutSuffix(to, "(SB)")
	switch {
	case op == "CALL":
		return name, true
	case direct && (strings.HasPrefix(op, "J") || strings.HasPrefix(op, "B")):
		return name, true
	}
	return "", false
}

func TestStrayCallsAreFound(t *testing.T) {
	code := parseObjdump(`TEXT pkg.run(SB) /x/run.go
  run.go:1		0x1	e8	CALL runtime.panicBounds(SB)
  run.go:2		0x2	e8	CALL syscall.RawSyscall6(SB)
  run.go:3		0x3	ff	CALL AX
  run.go:4		0x4	eb	JMP 0x7
  run.go:5		0x5	e9	JMP runtime.morestack_noctxt.abi0(SB)
  run.go:6		0x6	e8	CALL pkg.clone.abi0(SB)
  run.go:7		0x7	90	MOVQ runtime.x(SB), AX

TEXT pkg.clone(SB) /x/clone.s
  clone.s:1		0x9	c3	RET
`)
	expect(t, strayCalls(code, []string{"pkg.run", "pkg.clone"}),
		"pkg.run calls AX", "pkg.run calls runtime.morestack_noctxt", "pkg.run calls runtime.panicBounds")
}
