package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sizeTests send what is larger than a packet.
var sizeTests = []worldTest{
	{"the largest datagrams", func(t *testing.T, w *world) {
		t.Parallel()
		for _, mtu := range []int{0, 1280, 1500, 9000} {
			r := w.run(t, datagramScript, "-p", mtuProfile(t, mtu))
			r.want(t, "all came back")
			if mtu != 0 {
				r.want(t, fmt.Sprintf("2: mtu %d, %d and no more", mtu, mtu), fmt.Sprintf("10: mtu %d, %d and no more", mtu, mtu))
			}
		}
	}},
	{"packets of other sizes", func(t *testing.T, w *world) {
		t.Parallel()
		w.make(t, "mkdir -p www; head -c 3000000 /dev/urandom >www/random")
		for _, mtu := range []int{1280, 1500} {
			r := w.run(t, "for a in "+site4+" ["+site6+"]; do "+get+"-g http://$a/www/random | cmp - /srv/www/random && "+
				get+"-g --data-binary @/srv/www/random http://$a/; done", "-p", mtuProfile(t, mtu))
			r.want(t, "site "+site4+" 3000000", "site ["+site6+"] 3000000")
			r.refuse(t, "differ")
		}
		r := w.run(t, "true", "-p", mtuProfile(t, 1279))
		if r.code != 125 || !strings.Contains(r.errs, "network.mtu") || !strings.Contains(r.errs, "1280") {
			t.Errorf("packets that IPv6 does not have: %d, %s", r.code, r.errs)
		}
	}},
}

// mtuProfile is a profile for packets of a size; 0 is the default.
func mtuProfile(t *testing.T, mtu int) string {
	t.Helper()
	text := "version = 1\nextends = [\"default\"]\n[network]\nmode = \"private\"\n"
	if mtu != 0 {
		text += fmt.Sprintf("mtu = %d\n", mtu)
	}
	profile := filepath.Join(t.TempDir(), "mtu.toml")
	if err := os.WriteFile(profile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return profile
}

// datagramScript sends datagrams of all sizes to an echo, and finds out how large
// one may be that is not to be divided (ip(7), IP_MTU_DISCOVER).
const datagramScript = `python3 - <<'END'
import errno, os, socket
for family, host, level, discover, mtu, headers in ((socket.AF_INET, "` + site4 + `", socket.IPPROTO_IP, 10, 14, 28), (socket.AF_INET6, "` + site6 + `", socket.IPPROTO_IPV6, 23, 24, 48)):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((host, 7))
    def echoes(data):
        for n in range(12): # a datagram may be lost
            try:
                s.send(data)
                while s.recv(70000) != data: pass # of one before
                return True
            except socket.timeout: pass
    for size in (1, 1232, 1233, 1472, 1473, 8972, 8973, 32768, 65472, 65473, 65507):
        data = os.urandom(size)
        if not echoes(data): raise SystemExit("%d bytes do not come back" % size)
    s.setsockopt(level, discover, 2)
    most = s.getsockopt(level, mtu)
    assert echoes(b"x" * (most - headers))
    try:
        s.send(b"x" * (most - headers + 1))
        print("%d: more than a packet went out whole" % family)
    except OSError as e:
        assert e.errno == errno.EMSGSIZE
        print("%d: mtu %d, %d and no more" % (family, most, most))
print("all came back")
END`
