# What the steps of .ci/run have in common.

failed=()
passed=0     # tests and checked examples that ran
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# modules FLAG: the directories of modules.txt whose line has the word FLAG.
modules() { awk -v flag="$1" '/^[^#]/ && NF { for (i = 1; i <= NF; i++) if ($i == flag || flag == "all") { print $1; next } }' modules.txt; }

# tool NAME: the path of a tool that internal/tools pins, built once.
tool() {
	local bin="$logs/bin/${1##*/}"
	[ -x "$bin" ] || (cd internal/tools && GOWORK=off go build -o "$bin" "$1") || return 1
	echo "$bin"
}

# hint TEXT: what to do about the failure that follows.
hint() { echo "    to do: $*"; }

run_step() {
	local step=$1 start=$SECONDS log="$logs/$1.log"
	printf '%-12s' "$step"
	if "step_$step" >"$log" 2>&1; then
		printf 'ok     %4ds  %s\n' $((SECONDS - start)) "$(tail -n 1 "$log" | cut -c1-100)"
	else
		printf 'FAILED %4ds\n' $((SECONDS - start))
		sed 's/^/    /' "$log"
		failed+=("$step")
	fi
	local n
	n=$(grep -c '^ *--- PASS' "$log" || true)
	passed=$((passed + n))
}

summary() {
	echo
	if [ ${#failed[@]} -gt 0 ]; then
		echo "failed: ${failed[*]} (run one alone: .ci/run ${failed[0]})"
		exit 1
	fi
	echo "every step is green on $(go env GOVERSION), $(nproc) cores, in ${SECONDS}s"
	[ "$passed" -eq 0 ] || echo "$passed passed, 0 failed"
}
