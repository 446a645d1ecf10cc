package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// The programs that are run inside: as little as the kernel takes, so that the
// figures are the sandbox's own. Written as machine code, because not every
// machine has a C compiler.
var (
	// exit_group(0)
	quitCode = map[string][]byte{
		"amd64": {
			0x31, 0xff, // xor edi, edi
			0xb8, 0xe7, 0, 0, 0, // mov eax, 231
			0x0f, 0x05, // syscall
		},
		"arm64": words(
			0xd2800000, // mov x0, #0
			0xd2800bc8, // mov x8, #94
			0xd4000001, // svc #0
		),
	}
	// read(0, stack, 1), exit_group(0)
	waitCode = map[string][]byte{
		"amd64": {
			0x48, 0x83, 0xec, 0x10, // sub rsp, 16
			0x31, 0xc0, // xor eax, eax
			0x31, 0xff, // xor edi, edi
			0x48, 0x89, 0xe6, // mov rsi, rsp
			0xba, 1, 0, 0, 0, // mov edx, 1
			0x0f, 0x05, // syscall
			0x31, 0xff, // xor edi, edi
			0xb8, 0xe7, 0, 0, 0, // mov eax, 231
			0x0f, 0x05, // syscall
		},
		"arm64": words(
			0xd10043ff, // sub sp, sp, #16
			0xd2800000, // mov x0, #0
			0x910003e1, // mov x1, sp
			0xd2800022, // mov x2, #1
			0xd28007e8, // mov x8, #63
			0xd4000001, // svc #0
			0xd2800000, // mov x0, #0
			0xd2800bc8, // mov x8, #94
			0xd4000001, // svc #0
		),
	}
)

func words(all ...uint32) []byte {
	var code []byte
	for _, w := range all {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return code
}

// writeProgram makes an executable file in dir, unless it is there.
func writeProgram(dir, name string, code map[string][]byte) (path string, err error) {
	path = filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	text := code[runtime.GOARCH]
	if text == nil {
		return "", fmt.Errorf("no machine code for %s", runtime.GOARCH)
	}
	return path, os.WriteFile(path, executable(text), 0o755)
}

// executable is a static ELF file with one segment, elf(5).
func executable(code []byte) []byte {
	const (
		base    = 0x400000
		headers = 64 + 56
	)
	machine := map[string]uint16{"amd64": 62, "arm64": 183}[runtime.GOARCH]
	size := uint64(headers + len(code))
	var b bytes.Buffer
	for _, field := range []any{
		[16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, uint16(2), machine, uint32(1), uint64(base + headers),
		uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000),
		code,
	} {
		// A bytes.Buffer takes everything that has a fixed size.
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}
