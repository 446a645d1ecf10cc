//go:build !cgo

#include "textflag.h"

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
