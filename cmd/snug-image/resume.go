package main

import (
	"fmt"
	"net/http"
	"time"
)

// again asks for the rest of a body.
func (b *body) again() error {
	b.now.Close()
	select {
	case <-time.After(time.Duration(b.failures*b.failures) * 100 * time.Millisecond):
	case <-b.request.Context().Done():
		return b.request.Context().Err()
	}
	request := b.request.Clone(b.request.Context())
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-", b.at))
	response, err := b.t.base.RoundTrip(request)
	if err != nil {
		b.now = http.NoBody // the next read fails, and there may be another attempt
		return nil
	}
	var from int64
	if _, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-", &from); response.StatusCode != http.StatusPartialContent || err != nil || from != b.at {
		response.Body.Close()
		return fmt.Errorf("the registry cannot send a part: %s", response.Status)
	}
	b.now = response.Body
	return nil
}
