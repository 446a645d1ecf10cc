package child

import "unsafe"

// address is where the image begins.
func (img *image) address() uintptr { return uintptr(unsafe.Pointer(&img.memory[0])) }

// op is step i as the interpreter sees it.
func (img *image) op(i int) *op {
	return (*op)(unsafe.Add(unsafe.Pointer(img.region.ops), uintptr(i)*unsafe.Sizeof(op{})))
}
