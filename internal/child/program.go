package child

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Mapping is a part of this program's file in memory, at At, and a copy of it
// that no file is behind, at Copy.
type Mapping struct {
	At, Copy, Size, Prot uint64
}

// Copies is a copy of this program as it is in memory. A process that takes it
// in place of the original no longer leads anybody to the program's file.
type Copies struct {
	Mappings []Mapping
	memory   [][]byte
}

func mapped() ([]Mapping, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	return programMappings(string(maps), uint64(entryPoint())), err
}

// CopyProgram copies this program.
func CopyProgram() (*Copies, error) {
	all, err := mapped()
	if err != nil {
		return nil, err
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	c := &Copies{}
	for _, m := range all {
		memory, err := syscall.Mmap(-1, 0, int(m.Size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			c.Free()
			return nil, err
		}
		c.memory = append(c.memory, memory)
		if _, err := mem.ReadAt(memory, int64(m.At)); err != nil {
			c.Free()
			return nil, err
		}
		// What can be written counts as heap, which a clone may leave out.
		if err := syscall.Mprotect(memory, syscall.PROT_READ); err != nil {
			c.Free()
			return nil, err
		}
		m.Copy = uint64(uintptr(unsafe.Pointer(&memory[0])))
		c.Mappings = append(c.Mappings, m)
	}
	return c, nil
}

// Free gives the memory back.
func (c *Copies) Free() {
	for _, m := range c.memory {
		syscall.Munmap(m)
	}
	c.memory = nil
}

// programMappings finds the mappings of the file that the code at an address is
// from, in the text of /proc/self/maps: "from-to perms offset device inode path".
func programMappings(maps string, code uint64) []Mapping {
	file := ""
	byFile := map[string][]Mapping{}
	for line := range strings.Lines(maps) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		low, high, _ := strings.Cut(f[0], "-")
		from, err1 := strconv.ParseUint(low, 16, 64)
		to, err2 := strconv.ParseUint(high, 16, 64)
		if err1 != nil || err2 != nil || to <= from {
			continue
		}
		id := f[3] + " " + f[4]
		if from <= code && code < to {
			file = id
		}
		byFile[id] = append(byFile[id], Mapping{At: from, Size: to - from, Prot: protection(f[1])})
	}
	return byFile[file]
}

func protection(perms string) uint64 {
	var prot uint64
	for i, bit := range [...]uint64{syscall.PROT_READ, syscall.PROT_WRITE, syscall.PROT_EXEC} {
		if len(perms) > i && perms[i] != '-' {
			prot |= bit
		}
	}
	return prot
}
