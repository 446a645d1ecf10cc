package usernet

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/rawfile"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/snug-sandbox/snug/network"
)

// tap is a tap device whose packets have a header in front (struct virtio_net_hdr;
// tuntap.rst of the kernel): what goes through it was never on a wire, so that
// nobody sums it up, and one packet may stand for many of the interface's size.
type tap struct {
	file   *os.File
	raw    syscall.RawConn
	whole  bool // packets are not divided
	mu     sync.RWMutex
	mtu    uint32
	own    tcpip.LinkAddress
	reader stack.NetworkDispatcher // nil: not attached
}

var _ stack.GSOEndpoint = (*tap)(nil)

// vnetHeader is the length of struct virtio_net_hdr.
const vnetHeader = 10

// mostWhole is the longest packet that is not divided: what the length of one can
// say, with all headers that the stack does not count.
const mostWhole = 65535 - header.IPv6MinimumSize

// newTap returns the endpoint of a device; nil if it has no such headers. Whole
// says that packets may be longer than the interface's.
func newTap(fd int, mtu int, whole bool) (*tap, error) {
	ifreq, err := unix.NewIfreq("")
	if err != nil {
		return nil, err
	}
	if unix.IoctlIfreq(fd, unix.TUNGETIFF, ifreq) != nil || ifreq.Uint16()&unix.IFF_VNET_HDR == 0 {
		return nil, nil
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	t := &tap{file: os.NewFile(uintptr(fd), network.Interface), mtu: uint32(mtu), own: tcpip.LinkAddress(network.GatewayMAC[:])}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		return nil, err
	}
	t.whole = t.take(whole) && whole
	return t, nil
}

// take tells the kernel what it may leave to us. One that does not know leaves
// nothing.
func (t *tap) take(whole bool) bool {
	flags := unix.TUN_F_CSUM
	if whole {
		flags |= unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	}
	err := errors.ErrUnsupported
	t.raw.Control(func(fd uintptr) { err = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, flags) })
	return err == nil
}

// Attach starts to read.
func (t *tap) Attach(d stack.NetworkDispatcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reader == nil && d != nil {
		go t.read()
	}
	t.reader = d
}

// short is the most that a packet has which is copied: buffers for the longest are
// cleared each time that one is taken.
const short = 2 << 10

func (t *tap) read() {
	var head [vnetHeader]byte
	long := buffer.NewViewSize(buffer.MaxChunkSize)
	into := [][]byte{head[:], long.AsSlice()}
	for {
		n := 0
		var failed error
		err := t.raw.Read(func(fd uintptr) bool {
			n, failed = unix.Readv(int(fd), into)
			return failed != unix.EAGAIN
		})
		switch {
		case failed == unix.EINTR:
			continue
		case err != nil || failed != nil:
			return // the device is gone
		}
		var payload buffer.Buffer
		switch n -= vnetHeader; {
		case n < header.EthernetMinimumSize:
			continue
		case n <= short:
			payload = buffer.MakeWithData(into[1][:n])
		default:
			long.CapLength(n)
			payload = buffer.MakeWithView(long)
			long = buffer.NewViewSize(buffer.MaxChunkSize)
			into[1] = long.AsSlice()
		}
		if !t.deliver(stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: payload})) {
			return
		}
	}
}

func (t *tap) deliver(pkt *stack.PacketBuffer) bool {
	defer pkt.DecRef()
	t.mu.RLock()
	d := t.reader
	t.mu.RUnlock()
	if d == nil {
		return false
	}
	if h, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize); ok {
		pkt.NetworkProtocolNumber = header.Ethernet(h).Type()
		d.DeliverNetworkPacket(pkt.NetworkProtocolNumber, pkt)
	}
	return true
}

// WritePackets sends to the sandbox.
func (t *tap) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range list.AsSlice() {
		if failed := t.write(pkt); failed != 0 {
			return i, tcpip.TranslateErrno(failed)
		}
	}
	return list.Len(), nil
}

func (t *tap) write(pkt *stack.PacketBuffer) unix.Errno {
	var head [vnetHeader]byte
	if gso := pkt.GSOOptions; gso.Type != stack.GSONone {
		head[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
		binary.NativeEndian.PutUint16(head[2:], uint16(pkt.HeaderSize()))
		binary.NativeEndian.PutUint16(head[6:], header.EthernetMinimumSize+gso.L3HdrLen)
		binary.NativeEndian.PutUint16(head[8:], gso.CsumOffset)
		if pkt.Data().Size() > int(gso.MSS) {
			head[1] = unix.VIRTIO_NET_HDR_GSO_TCPV4
			if gso.Type == stack.GSOTCPv6 {
				head[1] = unix.VIRTIO_NET_HDR_GSO_TCPV6
			}
			binary.NativeEndian.PutUint16(head[4:], gso.MSS)
		}
	}
	parts := pkt.AsSlices()
	vectors := rawfile.AppendIovecFromBytes(make([]unix.Iovec, 0, 8), head[:], rawfile.MaxIovs)
	for _, part := range parts {
		vectors = rawfile.AppendIovecFromBytes(vectors, part, rawfile.MaxIovs)
	}
	// The kernel takes the packet all the way to the program that waits for it.
	// Go's scheduler would take that for a wait, and give this processor away.
	failed := unix.EBADF
	t.raw.Control(func(fd uintptr) {
		for failed = rawfile.NonBlockingWriteIovec(int(fd), vectors); failed == unix.EINTR; failed = rawfile.NonBlockingWriteIovec(int(fd), vectors) {
		}
	})
	return failed
}

// GSOMaxSize is that of a packet which is not divided.
func (t *tap) GSOMaxSize() uint32 { return mostWhole }

// SupportedGSO says whether there are such packets.
func (t *tap) SupportedGSO() stack.SupportedGSO {
	if t.whole {
		return stack.HostGSOSupported
	}
	return stack.GSONotSupported
}

// AddHeader puts the header of Ethernet in front of a packet.
func (t *tap) AddHeader(pkt *stack.PacketBuffer) {
	header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize)).Encode(&header.EthernetFields{
		SrcAddr: pkt.EgressRoute.LocalLinkAddress, DstAddr: pkt.EgressRoute.RemoteLinkAddress, Type: pkt.NetworkProtocolNumber,
	})
}

// ParseHeader takes it off.
func (t *tap) ParseHeader(pkt *stack.PacketBuffer) bool {
	_, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	return ok
}

// IsAttached reports whether somebody gets what is read.
func (t *tap) IsAttached() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.reader != nil
}

// MTU is the largest packet of the interface.
func (t *tap) MTU() uint32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.mtu
}

// SetMTU changes it.
func (t *tap) SetMTU(mtu uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mtu = mtu
}

// LinkAddress is our own.
func (t *tap) LinkAddress() tcpip.LinkAddress {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.own
}

// SetLinkAddress changes it.
func (t *tap) SetLinkAddress(a tcpip.LinkAddress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own = a
}

// Capabilities of the device.
func (*tap) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload | stack.CapabilityResolutionRequired
}

// MaxHeaderLength is the length of the header of Ethernet.
func (*tap) MaxHeaderLength() uint16 { return header.EthernetMinimumSize }

// ARPHardwareType is Ethernet.
func (*tap) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }

// Wait does not wait: the device outlives its reader.
func (*tap) Wait() {}

// Close does nothing: the device is the caller's.
func (*tap) Close() {}

// SetOnCloseAction has nothing to do, as Close.
func (*tap) SetOnCloseAction(func()) {}
