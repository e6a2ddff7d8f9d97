module github.com/antiphon-go/antiphon/callback/wscallback

go 1.26.0

require (
	github.com/antiphon-go/antiphon v0.0.0
	github.com/benbjohnson/clock v1.3.5
	github.com/coder/websocket v1.8.15
)

require golang.org/x/sync v0.25.0 // indirect

replace github.com/antiphon-go/antiphon => ../..
