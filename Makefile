# Thin verbs over go and .ci/run.
.PHONY: help quickstart test race vet lint bench benchtable fuzz api guarantees reference snippets cover tidy ci

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

quickstart: ## run the first example
	go run ./examples/quickstart

test: ## the tests of every module
	go test work

race: ## the same in any order under the race detector
	.ci/run race

vet: ## build and vet every module, alone and together
	.ci/run build

lint: ## gofmt and staticcheck
	.ci/run fmt lint

bench: ## the core's benchmarks, for reading
	go test -run '^$$' -bench . ./...

benchtable: ## the table of docs/benchmarks.md, beside other libraries
	@internal/peerbench/table.sh

fuzz: ## every fuzz target for FUZZTIME (3s)
	.ci/run fuzz

api: ## write down the exported API
	@awk '/^[^#]/ && / tagged/ { print $$1 }' modules.txt | while read -r m; do (cd $$m && go run github.com/antiphon-go/antiphon/internal/tools/apidump -o api); done

guarantees: ## write docs/guarantees.md
	go run ./internal/tools/guarantees

reference: ## write docs/reference.md
	go run ./internal/tools/reference

snippets: ## rewrite the code in Markdown from the code it names
	go run ./internal/tools/snippets -fix $(shell git ls-files '*.md')

cover: ## coverage of the core
	.ci/run cover

tidy: ## go mod tidy in every module
	@awk '/^[^#]/ { print $$1 }' modules.txt | while read -r m; do (cd $$m && GOWORK=off go mod tidy); done

ci: ## everything that must be green
	.ci/run
