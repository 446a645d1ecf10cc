//go:build !cgo

#include "textflag.h"

// snug_ahead is the program's entry point, where the linker was told so. It maps
// the region, has makeAhead do the rest, and goes on as every Go program does.
TEXT snug_ahead(SB),NOSPLIT|NOFRAME,$0-0
	XORL	DI, DI
	MOVL	$0x100000, SI	// aheadSize
	MOVL	$3, DX	// PROT_READ | PROT_WRITE
	MOVL	$0x4021, R10	// MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE
	MOVQ	$-1, R8
	XORL	R9, R9
	MOVL	$9, AX	// mmap(2)
	SYSCALL
	CMPQ	AX, $0xfffffffffffff001
	JCC	runtime
	MOVQ	AX, ·ahead(SB)
	MOVQ	AX, R12
	LEAQ	16(R12), SI	// as in begin
	MOVL	$0x1002, DI	// ARCH_SET_FS
	MOVL	$158, AX	// arch_prctl(2)
	SYSCALL
	MOVQ	R12, AX
	MOVQ	SP, BX
	SUBQ	$32, SP	// for the two arguments, where Go wants to keep them
	XORPS	X15, X15
	MOVQ	·aheadEntry(SB), DX
	MOVQ	0(DX), CX
	CALL	CX
	ADDQ	$32, SP
runtime:
	JMP	_rt0_amd64_linux(SB)
