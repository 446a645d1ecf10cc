package seccomp

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Call is a system call as a filter sees it: struct seccomp_data without the
// instruction pointer.
type Call struct {
	Arch, Nr uint32
	Args     [6]uint64
}

// Judge returns the errno that a filter refuses a call with; 0 when it does not
// refuse it. A call that ends the process is ENOSYS.
func Judge(filter []byte, c Call) syscall.Errno {
	switch v, err := run(filter, c); {
	case err != nil || v == killed:
		return unix.ENOSYS
	case v&actionMask == refused:
		return syscall.Errno(v & 0xffff)
	}
	return 0
}

// Name is the name of the call on its machine, or its number.
func (c Call) Name() string {
	for _, goarch := range [...]string{"amd64", "arm64"} {
		native, other := machines(goarch)
		for _, m := range [...]machine{native, other} {
			if name := m.name(c.Nr); m.audit == c.Arch && name != "" {
				return name
			}
		}
	}
	return "call " + strconv.FormatUint(uint64(c.Nr), 10)
}

// run executes a filter over a call, as the kernel does.
func run(filter []byte, c Call) (verdict, error) {
	data := make([]byte, 64)
	binary.LittleEndian.PutUint32(data, c.Nr)
	binary.LittleEndian.PutUint32(data[atArch:], c.Arch)
	for i, a := range c.Args {
		binary.LittleEndian.PutUint64(data[atArgs+8*i:], a)
	}
	acc := uint32(0)
	for pc := 0; pc < len(filter)/8; pc++ {
		op := filter[8*pc:]
		code, k := binary.LittleEndian.Uint16(op), binary.LittleEndian.Uint32(op[4:])
		jump := func(yes bool) {
			if yes {
				pc += int(op[2])
			} else {
				pc += int(op[3])
			}
		}
		switch code {
		case opLoad:
			if k%4 != 0 || k > 60 {
				return 0, fmt.Errorf("instruction %d loads from %d", pc, k)
			}
			acc = binary.LittleEndian.Uint32(data[k:])
		case opAnd:
			acc &= k
		case opJump:
			pc += int(k)
		case opEqual:
			jump(acc == k)
		case opGreater:
			jump(acc > k)
		case opAtLeast:
			jump(acc >= k)
		case opReturn:
			return verdict(k), nil
		default:
			return 0, fmt.Errorf("instruction %d has code %#x", pc, code)
		}
	}
	return 0, fmt.Errorf("the filter has no end")
}
