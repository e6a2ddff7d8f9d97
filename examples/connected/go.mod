module github.com/antiphon-go/antiphon/examples/connected

go 1.26.0

require (
	github.com/antiphon-go/antiphon v0.0.0
	github.com/antiphon-go/antiphon/callback/wscallback v0.0.0
	github.com/antiphon-go/antiphon/internal/browser v0.0.0
	modernc.org/sqlite v1.62.0
)

require (
	github.com/antithesishq/antithesis-sdk-go v0.8.0-default-no-op // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/google/go-tpm v0.9.8 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/minio/highwayhash v1.0.4 // indirect
	github.com/nats-io/jwt/v2 v2.8.2 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	modernc.org/libc v1.80.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)

require (
	github.com/antiphon-go/antiphon/callback/natscallback v0.0.0
	github.com/antiphon-go/antiphon/queue/natsqueue v0.0.0
	github.com/antiphon-go/antiphon/queue/sqlitequeue v0.0.0
	github.com/benbjohnson/clock v1.3.5 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/nats-io/nats-server/v2 v2.15.2
	github.com/nats-io/nats.go v1.55.0
	golang.org/x/sync v0.25.0 // indirect
)

replace (
	github.com/antiphon-go/antiphon => ../..
	github.com/antiphon-go/antiphon/callback/wscallback => ../../callback/wscallback
	github.com/antiphon-go/antiphon/internal/browser => ../../internal/browser
)

replace github.com/antiphon-go/antiphon/queue/sqlitequeue => ../../queue/sqlitequeue

replace github.com/antiphon-go/antiphon/callback/natscallback => ../../callback/natscallback

replace github.com/antiphon-go/antiphon/queue/natsqueue => ../../queue/natsqueue
