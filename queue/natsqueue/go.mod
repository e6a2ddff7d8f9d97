module github.com/antiphon-go/antiphon/queue/natsqueue

go 1.26.0

replace github.com/antiphon-go/antiphon => ../..

require (
	github.com/antiphon-go/antiphon v0.0.0
	github.com/nats-io/nats.go v1.55.0
	github.com/nats-io/nuid v1.0.1
)

require (
	github.com/benbjohnson/clock v1.3.5 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
