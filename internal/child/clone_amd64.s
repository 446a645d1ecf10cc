#include "textflag.h"

// func clone(flags uint64, stack uintptr, r *region) int64
TEXT ·clone(SB),NOSPLIT,$0-32
	MOVQ	flags+0(FP), DI
	MOVQ	stack+8(FP), SI
	MOVQ	r+16(FP), R12	// kept by the kernel in both processes
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	XORL	R9, R9
	MOVL	$56, AX	// clone(2)
	SYSCALL
	TESTQ	AX, AX
	JZ	new
	MOVQ	AX, ret+24(FP)
	RET
new:
	JMP	begin<>(SB)

// func clone3(args *cloneArgs, size uintptr, r *region) int64
TEXT ·clone3(SB),NOSPLIT,$0-32
	MOVQ	args+0(FP), DI
	MOVQ	size+8(FP), SI
	MOVQ	r+16(FP), R12
	MOVL	$435, AX	// clone3(2)
	SYSCALL
	TESTQ	AX, AX
	JZ	new
	MOVQ	AX, ret+24(FP)
	RET
new:
	JMP	begin<>(SB)

// begin is where a new process begins, on its own stack, with the region in R12.
TEXT begin<>(SB),NOSPLIT|NOFRAME,$0-0
	// Thread-local storage is a part of the parent's heap, which may not be here
	// (heap.go). Go reads one word below it after calls of assembly, and does
	// nothing with it in this code; the region has one: region.local.
	LEAQ	16(R12), SI
	MOVL	$0x1002, DI	// ARCH_SET_FS
	MOVL	$158, AX	// arch_prctl(2)
	SYSCALL
	SUBQ	$16, SP
	XORPS	X15, X15	// as Go's register calling convention has it
	MOVQ	R12, AX
	MOVQ	0(R12), DX	// region.entry
	CALL	DX
	INT	$3

// func programBounds() (from, to uintptr)
TEXT ·programBounds(SB),NOSPLIT,$0-16
	LEAQ	runtime·text(SB), AX
	MOVQ	AX, from+0(FP)
	LEAQ	runtime·end(SB), AX
	MOVQ	AX, to+8(FP)
	RET

// func codeEnd() uintptr
TEXT ·codeEnd(SB),NOSPLIT,$0-8
	LEAQ	·codeEnd(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
