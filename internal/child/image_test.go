package child

import "unsafe"

// address is where the image begins.
func (img *image) address() uintptr { return uintptr(unsafe.Pointer(&img.memory[0])) }

// op is step i as the interpreter sees it.
func (img *image) op(i int) *op {
	return at(img.region, uint64(i))
}
