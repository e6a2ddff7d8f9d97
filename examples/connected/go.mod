module github.com/antiphon-go/antiphon/examples/connected

go 1.26.0

require (
	github.com/antiphon-go/antiphon v0.0.0
	github.com/antiphon-go/antiphon/callback/wscallback v0.0.0
	github.com/antiphon-go/antiphon/internal/browser v0.0.0
)

require (
	github.com/benbjohnson/clock v1.3.5 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	golang.org/x/sync v0.25.0 // indirect
)

replace (
	github.com/antiphon-go/antiphon => ../..
	github.com/antiphon-go/antiphon/callback/wscallback => ../../callback/wscallback
	github.com/antiphon-go/antiphon/internal/browser => ../../internal/browser
)
