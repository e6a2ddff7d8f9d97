# The steps of .ci/run. Each is a function step_NAME whose last line of output
# sums it up.

# What tests use that is not of Go: elsewhere than in CI they skip without it, loudly.
step_install() {
	local want=() missing
	command -v chromium >/dev/null || want+=(chromium)
	command -v node >/dev/null || want+=(nodejs)
	command -v strace >/dev/null || want+=(strace)
	command -v curl >/dev/null || want+=(curl)
	if [ ${#want[@]} -gt 0 ] && [ "${CI:-}" = true ]; then
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -q && apt-get install -qy --no-install-recommends "${want[@]}" || { hint "install ${want[*]} by hand"; return 1; }
	elif [ ${#want[@]} -gt 0 ]; then
		echo "not here, so its tests skip: ${want[*]}"
		return
	fi
	node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || a === 20 && b >= 19 ? 0 : 1)' ||
		{ hint "Node.js is too old for the client for browsers: 20.19 or later"; return 1; }
	echo "chromium, node, strace and curl are here"
}

step_layout() {
	local bad=0 long sleeps marks paths
	if ! diff <(modules work | sort) <(go work edit -json | sed -n 's/.*"DiskPath": "\(.*\)".*/\1/p' | sed 's|^\./||' | sort); then
		hint "make go.work and modules.txt name the same modules"
		bad=1
	fi
	long=$(git ls-files '*.go' | grep -v '_test\.go$' | xargs -r wc -l | awk '$2 != "total" && $1 > 450')
	if [ -n "$long" ]; then
		echo "$long"
		hint "split these files: one idea a file, about 400 lines"
		bad=1
	fi
	marks=$(git grep -nE '(TO''DO|FIX''ME|XX''X)' -- '*.go' '*.md' '*.sh')
	if [ -n "$marks" ]; then
		echo "$marks"
		hint "do it, or describe it where it belongs"
		bad=1
	fi
	# What a benchmark or an example calls work may take its time.
	sleeps=$(git grep -lE 'time\.Sleep\(' -- '*_test.go' ':!*bench_*' ':!*example_*' | xargs -r grep -LE '"testing/synctest"|[bB]ubble\(t,|\b(play|serving)\(t,')
	if [ -n "$sleeps" ]; then
		echo "$sleeps"
		hint "tests sleep in synctest bubbles only"
		bad=1
	fi
	paths=$(git grep -nIE "$PWD/|https?://proxy\." -- ':!*.sum')
	if [ -n "$paths" ]; then
		echo "$paths"
		hint "name no paths of a machine and no registry hosts"
		bad=1
	fi
	echo "$(git ls-files '*.go' | wc -l) Go files, $(modules all | wc -l) modules"
	return $bad
}

step_fmt() {
	local files
	files=$(git ls-files '*.go' | xargs -r gofmt -l)
	[ -z "$files" ] && echo "all formatted" && return
	echo "$files"
	hint "gofmt -w $files"
	return 1
}

step_tidy() {
	local m bad=0
	for m in $(modules all); do
		(cd "$m" && GOWORK=off go mod tidy -diff) || { hint "cd $m && GOWORK=off go mod tidy"; bad=1; }
	done
	echo "go.mod and go.sum say what is used"
	return $bad
}

# Each module also stands alone, as its users see it: without the workspace.
step_build() {
	local m bad=0
	for m in $(modules all); do
		(cd "$m" && GOWORK=off go build -o /dev/null ./... && GOWORK=off go vet ./...) || { hint "in $m: GOWORK=off go vet ./..."; bad=1; }
	done
	go vet work || { hint "go vet work"; bad=1; }
	echo "every module builds and vets, alone and together"
	return $bad
}

step_lint() {
	local m check bad=0
	check=$(tool honnef.co/go/tools/cmd/staticcheck) || return 1
	for m in $(modules all); do
		(cd "$m" && GOWORK=off "$check" ./...) || { hint "make lint"; bad=1; }
	done
	echo "staticcheck finds nothing"
	return $bad
}

# What is generated is what the generator makes today.
step_generate() {
	go generate ./examples/asker || return 1
	git diff --exit-code -- examples/asker && [ -z "$(git status --porcelain -- examples/asker)" ] || { hint "commit what go generate ./examples/asker makes"; return 1; }
	local openapi made
	for made in guarantees reference; do
		"$(tool "./$made")" -o "$logs/$made.md" && diff -u "docs/$made.md" "$logs/$made.md" || { hint "make $made, and commit docs/$made.md"; return 1; }
	done
	openapi=$(tool ./openapicheck) || return 1
	"$openapi" docs/*.openapi.json || { hint "mend the document: it has to be OpenAPI 3.1"; return 1; }
	echo "generated code, docs/guarantees.md and docs/reference.md are up to date; docs/*.openapi.json are what they say"
}

# The commands in Markdown are run as they stand there, and its code is compiled.
step_readme() {
	local check commands want n
	check=$(tool ./snippets) || return 1
	"$check" $(git ls-files '*.md') || return 1
	commands=$("$check" -run README.md | sed 's/ *#.*//')
	for want in "go run ./examples/quickstart" "go test work"; do
		grep -qxF "$want" <<<"$commands" || { hint "README.md must have a block <!-- run --> with: $want"; return 1; }
	done
	commands=$("$check" -run $(git ls-files '*.md') | sed 's/ *#.*//' | grep -vxF 'go test work' | awk '!seen[$0]++')
	while read -r want; do
		echo "\$ $want"
		bash -euo pipefail -c "$want" </dev/null || { hint "this command of a Markdown file does not work: $want"; return 1; }
	done <<<"$commands"
	[ -z "$(git status --porcelain)" ] || [ "${CI:-}" != true ] || { git status --short; hint "commands in Markdown may not change the clone"; return 1; }
	n=$(wc -l <<<"$commands")
	go test -v -cover work >"$logs/work.log" 2>&1 || { grep -vE '^(=== |\s*--- PASS|PASS)' "$logs/work.log"; hint "go test work"; return 1; }
	grep -E '^\s*--- PASS' "$logs/work.log"
	echo "go test work: $(grep -cE '^\s*--- PASS' "$logs/work.log") tests; snippets equal to code; $n commands work"
}

step_quickstart() { go run ./examples/quickstart; }

step_race() {
	local m packages=""
	# All at once, the longest first, so that both cores have work. The others of
	# internal/conformance and those of internal/tools are nearly all others' code, which
	# takes minutes to build; go test work ran them.
	for m in $(modules work | tac); do
		case $m in
		internal/tools) ;;
		internal/conformance) packages="$packages $(cd "$m" && go list ./natscallback/... ./natsqueue/...)" ;;
		*) packages="$packages $(cd "$m" && go list ./...)" ;;
		esac || return 1
	done
	# shellcheck disable=SC2086
	race $packages || { hint "go test -race -shuffle=on -timeout 30m PACKAGE"; return 1; }
	echo "race-free in any order"
}

# race PACKAGE... The race detector itself can break down in the middle of a long run
# ("CHECK failed"): the packages to which only that happened are tested once more.
race() {
	local broken
	go test -race -shuffle=on -timeout 30m "$@" >"$logs/race.txt" 2>&1 && { cat "$logs/race.txt"; return; }
	cat "$logs/race.txt"
	grep -q 'ThreadSanitizer: CHECK failed' "$logs/race.txt" || return 1
	grep -qE '^ *--- FAIL|DATA RACE|^panic:|^fatal error:|build failed' "$logs/race.txt" && return 1
	broken=$(awk '$1 == "FAIL" && NF > 1 { print $2 }' "$logs/race.txt")
	echo "the race detector broke down, so once more: $broken"
	# shellcheck disable=SC2086
	go test -race -shuffle=on -timeout 30m $broken
}

# Coverage of the core's packages, each by its own tests: go test work has measured it.
step_cover() {
	local p got bad=0 list=""
	[ -s "$logs/work.log" ] || go test -cover . ./future ./callback ./queue ./poller ./webhook >"$logs/work.log" 2>&1 || { cat "$logs/work.log"; return 1; }
	for p in "" /future /callback /queue /poller /webhook; do
		got=$(awk -v p="github.com/antiphon-go/antiphon$p" '$1 == "ok" && $2 == p { for (i = 3; i < NF; i++) if ($i == "coverage:") { sub("%", "", $(i + 1)); print $(i + 1) } }' "$logs/work.log")
		list="$list ${p:-/antiphon} $got %"
		awk -v got="${got:-0}" 'BEGIN { exit !(got >= 90) }' || { hint "package .$p is covered to ${got:-0} %, want 90 %"; bad=1; }
	done
	echo "coverage:$list"
	return $bad
}

step_bench() {
	local m bad=0
	for m in $(modules all); do
		(cd "$m" && GOWORK=off go test -run '^$' -bench . -benchtime 1x ./...) || { hint "in $m: go test -run '^\$' -bench . ./..."; bad=1; }
	done
	echo "each benchmark runs"
	return $bad
}

step_fuzz() {
	local m p target n=0 bad=0
	for m in $(modules work); do
		for p in $(cd "$m" && go list ./...); do
			for target in $(cd "$m" && go test -list '^Fuzz' "$p" | grep '^Fuzz'); do
				n=$((n + 1))
				fuzz "$m" "$p" "$target" || { hint "the failing input is now in testdata/fuzz; go test $p"; bad=1; }
			done
		done
	done
	echo "$n fuzz targets, ${FUZZTIME:-3s} each"
	return $bad
}

# fuzz MODULE PACKAGE TARGET. On a busy machine the fuzzer may report that its own time
# was over as a failure, without an input that fails: that is tried again.
fuzz() {
	local log="$logs/fuzz.txt" try
	for try in 1 2 3; do
		(cd "$1" && go test -run '^$' -fuzz "^$3\$" -fuzztime "${FUZZTIME:-3s}" "$2") >"$log" 2>&1 && return
		grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log" || break
	done
	cat "$log"
	return 1
}

step_api() {
	local m bad=0
	for m in $(modules tagged); do
		(cd "$m" && go run github.com/antiphon-go/antiphon/internal/tools/apidump -o "$logs/api${m//\//-}" && diff -u api "$logs/api${m//\//-}") ||
			{ hint "if the API of $m is to change so: make api, and commit api/ with a line in CHANGELOG.md"; bad=1; }
	done
	echo "the exported API is as written down in api/"
	return $bad
}

step_deps() {
	local extra
	extra=$(go list -deps -f '{{if not .Standard}}{{.ImportPath}}{{end}}' $(go list ./... | grep -vE '/(examples|internal)(/|$)') | grep . |
		grep -vE '^(github\.com/antiphon-go/antiphon(/|$)|golang\.org/x/sync/|github\.com/benbjohnson/clock$)')
	[ -z "$extra" ] && echo "the core links the standard library, x/sync and clock" && return
	echo "$extra"
	hint "the core may not import these: move what needs them to a nested module"
	return 1
}

step_pack() { go run ./internal/tools/packcheck; }
