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

// snug_ahead is the program's entry point, where the linker was told so. It maps
// the region, has makeAhead do the rest, and goes on as every Go program does.
TEXT snug_ahead(SB),NOSPLIT|NOFRAME,$0-0
	MOVD	ZR, R0
	MOVD	$0x100000, R1	// aheadSize
	MOVD	$3, R2	// PROT_READ | PROT_WRITE
	MOVD	$0x4021, R3	// MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE
	MOVD	$-1, R4
	MOVD	ZR, R5
	MOVD	$222, R8	// mmap(2)
	SVC
	CMN	$4095, R0
	BCS	runtime
	MOVD	R0, ·ahead(SB)
	MOVD	RSP, R1
	SUB	$48, RSP	// for a frame, and the two arguments, where Go wants to keep them
	MOVD	·aheadEntry(SB), R26
	MOVD	0(R26), R2
	CALL	(R2)
	ADD	$48, RSP
runtime:
	JMP	_rt0_arm64_linux(SB)
