module github.com/antiphon-go/antiphon/internal/peerbench

go 1.26.0

replace github.com/antiphon-go/antiphon => ../..

require (
	github.com/alitto/pond/v2 v2.7.1
	github.com/antiphon-go/antiphon v0.0.0-00010101000000-000000000000
	github.com/failsafe-go/failsafe-go v0.9.8
	github.com/samber/mo v1.16.0
	github.com/sourcegraph/conc v0.3.0
	golang.org/x/sync v0.25.0
)

require (
	github.com/benbjohnson/clock v1.3.5 // indirect
	go.uber.org/atomic v1.7.0 // indirect
	go.uber.org/multierr v1.9.0 // indirect
)
