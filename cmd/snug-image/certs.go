package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// transport is what requests to a registry go through. Beside the system's
// authorities it trusts those in certs.d/REGISTRY/*.crt, where docker and podman
// look for them (containers-certs.d(5)).
func transport(registry string) http.RoundTripper {
	base := remote.DefaultTransport.(*http.Transport).Clone()
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	found := false
	for _, dir := range certDirs() {
		files, _ := filepath.Glob(filepath.Join(dir, registry, "*.crt"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			found = err == nil && pool.AppendCertsFromPEM(text) || found
		}
	}
	if found {
		base.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &resuming{base: base}
}

func certDirs() []string {
	dirs := []string{"/etc/containers/certs.d", "/etc/docker/certs.d"}
	if config, err := os.UserConfigDir(); err == nil {
		dirs = append(dirs, filepath.Join(config, "containers", "certs.d"))
	}
	return dirs
}
