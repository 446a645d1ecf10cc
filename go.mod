module github.com/snug-sandbox/snug

go 1.26.0

require (
	github.com/BurntSushi/toml v1.6.0
	github.com/alecthomas/kong v1.17.0
	github.com/godbus/dbus/v5 v5.2.4
	github.com/rogpeppe/go-internal v1.16.0
	github.com/rootless-containers/rootlesskit/v3 v3.3.0
	golang.org/x/sys v0.49.0
)

require golang.org/x/tools v0.43.0 // indirect
