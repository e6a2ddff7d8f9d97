#!/bin/sh
# Runs the benchmarks and prints their table; what they printed stays in
# bench.out. A first argument future, callback, queue, poller or webhook runs that part alone; others are
# further ones of go test, such as -benchtime 2s.
set -euf # the words of a pattern are no file names
cd "$(dirname "$0")"
export GOWORK=off
part=./...
case ${1:-} in
future | callback | queue | poller | webhook) part=./${1}bench && shift ;;
esac
run="go test -run ^$ -bench ${BENCH:-.} -count ${COUNT:-6}${*:+ $*} $part"
# shellcheck disable=SC2086
$run >bench.out || { cat bench.out >&2; exit 1; }
go run ./table "$run" <bench.out
