#include "textflag.h"

// func clone(flags uint64, stack uintptr, r *region) int64
TEXT ·clone(SB),NOSPLIT|NOFRAME,$0-32
	MOVD	flags+0(FP), R0
	MOVD	stack+8(FP), R1
	MOVD	r+16(FP), R19	// kept by the kernel in both processes
	MOVD	ZR, R2
	MOVD	ZR, R3
	MOVD	ZR, R4
	MOVD	$220, R8	// clone(2)
	SVC
	CBZ	R0, new
	MOVD	R0, ret+24(FP)
	RET
new:
	// On the new stack: nothing to return to.
	MOVD	ZR, R29
	MOVD	ZR, R30
	SUB	$32, RSP
	MOVD	R19, R0
	MOVD	0(R19), R1	// region.entry
	CALL	(R1)
	BRK

// func clone3(args *cloneArgs, size uintptr, r *region) int64
TEXT ·clone3(SB),NOSPLIT|NOFRAME,$0-32
	MOVD	args+0(FP), R0
	MOVD	size+8(FP), R1
	MOVD	r+16(FP), R19
	MOVD	$435, R8	// clone3(2)
	SVC
	CBZ	R0, new
	MOVD	R0, ret+24(FP)
	RET
new:
	MOVD	ZR, R29
	MOVD	ZR, R30
	SUB	$32, RSP
	MOVD	R19, R0
	MOVD	0(R19), R1	// region.entry
	CALL	(R1)
	BRK

// func programBounds() (from, to uintptr)
TEXT ·programBounds(SB),NOSPLIT,$0-16
	MOVD	$runtime·text(SB), R0
	MOVD	R0, from+0(FP)
	MOVD	$runtime·end(SB), R0
	MOVD	R0, to+8(FP)
	RET

// func codeEnd() uintptr
TEXT ·codeEnd(SB),NOSPLIT,$0-8
	MOVD	$·codeEnd(SB), R0
	MOVD	R0, ret+0(FP)
	RET
