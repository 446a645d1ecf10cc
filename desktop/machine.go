package desktop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// pseudoID is a machine's id that no two applications share and that does not
// tell the true one, made as machine-id(5) says.
func pseudoID(machine, app string) string {
	mac := hmac.New(sha256.New, []byte(machine))
	mac.Write([]byte(app))
	id := mac.Sum(nil)[:16]
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return hex.EncodeToString(id)
}
