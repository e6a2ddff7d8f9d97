module github.com/antiphon-go/antiphon

go 1.26.0

require (
	github.com/benbjohnson/clock v1.3.5
	golang.org/x/sync v0.25.0
)
