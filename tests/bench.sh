#!/usr/bin/env bash
# Measures what the README promises. Figures mean something beside each other, in one run on one idle machine.
# Usage: tests/bench.sh [expand] [pods] [switchover] [backups] [commands] [demo]        all of them when none is named.
# VOODU_BENCH_GO=<the Go plugin's binary> sets it beside ours.
set -euo pipefail

cd "$(dirname "$0")/.."
own=$PWD/bin/voodu-postgres
go=${VOODU_BENCH_GO:-}
sample=$PWD/tests/samples/cluster.voodu
tools=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release
runs=${BENCH_RUNS:-300}
rounds=${BENCH_ROUNDS:-3}
idle_seconds=${BENCH_IDLE:-30}
scope=bench-$$
parts=" ${*:-expand pods switchover backups commands demo} "
work=$(mktemp -d "${TMPDIR:-/var/tmp}/voodu-bench.XXXXXX")

# wanted PART...: whether one of them is to be measured.
wanted() {
  local part
  for part; do
    [[ $parts != *" $part "* ]] || return 0
  done
  return 1
}

say() { printf '%s\n' "$*"; }
figure() { printf '  %-40s %22s   %s\n' "$1" "$2" "${3:+goal: $3}"; }
calc() { awk "BEGIN { printf \"%.${2:-2}f\", $1 }"; }
now() { echo "${EPOCHREALTIME/,/.}"; }

# --- Leaving nothing behind ---------------------------------------------------

remove_scope() {
  local filter="label=voodu.scope=$1"
  docker ps -aq --filter "$filter" | xargs -r docker rm -fv >/dev/null
  docker volume ls -q --filter "$filter" | xargs -r docker volume rm >/dev/null
}

clean_up() {
  trap '' INT TERM
  if [ -n "${scopes:-}" ]; then
    for one in $scopes; do remove_scope "$one" || true; done
    # What docker was asked for just before Ctrl-C may come into being after the first look.
    sleep 1
    for one in $scopes; do remove_scope "$one" || true; done
  fi
  # Without root the pods' files can only be removed by a container.
  rm -rf "$work" 2>/dev/null ||
    docker run --rm --network none -v "$work:/work" --entrypoint sh "postgres:$(major)" -c 'rm -rf /work/*' || true
  rm -rf "$work"
}

replicas() { sed -n 's/^ *replicas *= *\([0-9]*\).*/\1/p' "$sample"; }
major() { sed -n 's/^ *image *= *"postgres:\([0-9]*\)"/\1/p' "$sample"; }

# --- expand -------------------------------------------------------------------

request() {
  cat <<'JSON'
{"kind":"postgres","scope":"demo","name":"db","spec":{"image":"postgres:17","replicas":3,"user":"appuser",
"database":"appdata","port":5433,"pg_config":{"max_connections":60,"shared_buffers":"64MB","log_connections":true}},
"config":{"POSTGRES_PASSWORD":"0123456789abcdef","POSTGRES_REPLICATION_PASSWORD":"fedcba9876543210",
"PG_PRIMARY_ORDINAL":"0","PG_CLUSTER_ID":"00112233445566778899aabbccddeeff","BACKUP_KEEP":"30"}}
JSON
}

# The largest of five runs, in MiB.
peak_memory() {
  local largest
  largest=$(for _ in 1 2 3 4 5; do
    /usr/bin/time -f %M "$1" expand <"$work/request.json" 2>&1 >/dev/null | tail -n 1
  done | sort -n | tail -n 1)
  calc "$largest / 1024" 1
}

measure_expand() {
  local programs=("$(type -P true)" "$own") floor floor_shortest time shortest go_time go_shortest
  [ -z "$go" ] || programs+=("$go")
  say "expand, the whole process ($runs runs each, in turn)"
  request >"$work/request.json"
  "$tools/stopwatch" "$runs" "$work/request.json" "${programs[@]}" >"$work/times"
  { read -r floor floor_shortest && read -r time shortest && read -r go_time go_shortest; } <"$work/times" || true

  figure "starting a program that does nothing" "$(calc "$floor") ($(calc "$floor_shortest")) ms"
  figure "own: median (shortest)" "$(calc "$time") ($(calc "$shortest")) ms"
  if [ -n "$go" ]; then
    figure "Go: median (shortest)" "$(calc "$go_time") ($(calc "$go_shortest")) ms"
    figure "own / Go, medians" "$(calc "$time / $go_time")" "<= 0.50"
  else
    say "  no Go binary was given (VOODU_BENCH_GO=path): own figures only, no ratio"
  fi
  if [ -x /usr/bin/time ]; then
    figure "own: peak memory" "$(peak_memory "$own") MiB" "<= 6 MiB"
    [ -z "$go" ] || figure "Go: peak memory" "$(peak_memory "$go") MiB"
  else
    say "  peak memory: not measured, /usr/bin/time is missing (apt-get install -y time)"
  fi
  figure "own: size of the binary" "$(calc "$(stat -c %s "$own") / 1000000" 1) MB" "<= 6 MB"
  [ -z "$go" ] || figure "Go: size of the binary" "$(calc "$(stat -c %s "$go") / 1000000" 1) MB"
}

# --- Cold start ---------------------------------------------------------------

# Asks in one long session, so that asking costs the cluster nothing; answers the time on this machine's clock.
time_of_all_streaming() {
  local pod=$1 standbys=$2 deadline=$((SECONDS + 60)) at
  # shellcheck disable=SC2016
  local psql='PGOPTIONS="-c statement_timeout=60s" exec psql -XAtq -v ON_ERROR_STOP=1 -p "$PG_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
  until at=$(docker exec -i "$pod" sh -c "$psql" 2>/dev/null <<SQL
DO \$\$ BEGIN
  WHILE (SELECT count(*) FROM pg_stat_replication
         WHERE state = 'streaming' AND application_name LIKE 'voodu-postgres-standby-%') < $standbys LOOP
    PERFORM pg_sleep(0.02);
    PERFORM pg_stat_clear_snapshot();
  END LOOP;
END \$\$;
SELECT extract(epoch FROM clock_timestamp());
SQL
  ); do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
  echo "$at"
}

started_at() { date -d "$(docker inspect --format '{{.State.StartedAt}}' "$1")" +%s.%N; }

# Appends "seconds since apply, seconds since the last pod" to the results.
cold_start() {
  local scope=$1 count begin streaming
  count=$(replicas)
  mkdir "$work/$scope"
  sed "s/^postgres \"[^\"]*\" \"[^\"]*\"/postgres \"$scope\" \"db\"/" "$sample" >"$work/$scope/cluster.voodu"
  begin=$(now)
  VOODU_BACKUPS_ROOT=$work/$scope/backups "$tools/standin" vd --root "$work/$scope/voodu" --plugins "$PWD" -- \
    apply -f "$work/$scope/cluster.voodu" >"$work/$scope/apply.log" 2>&1 || { cat "$work/$scope/apply.log" >&2; return 1; }
  streaming=$(time_of_all_streaming "$scope-db.0" $((count - 1))) || { say "the cluster did not form" >&2; return 1; }
  echo "$(calc "$streaming - $begin" 3) $(calc "$streaming - $(started_at "$scope-db.$((count - 1))")" 3)" >>"$work/cold"
}

# Median, shortest and longest of a column of the results.
spread() {
  cut -d ' ' -f "$1" "$work/cold" | sort -n |
    awk '{ v[NR] = $1 } END { printf "%.2f (%.2f-%.2f) s", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

measure_cold_start() {
  local round
  say "cold start of $(replicas) pods, with the platform's two pauses of 2 s ($rounds rounds: median, shortest-longest)"
  for round in $(seq "$rounds"); do
    # The last one stays for the next measurement.
    [ "$round" -eq 1 ] || remove_scope "$scope-$((round - 1))"
    scopes="$scopes $scope-$round"
    cold_start "$scope-$round"
  done
  figure "apply to all standbys streaming" "$(spread 1)" "<= 5.5 s"
  figure "last pod started to all streaming" "$(spread 2)" "<= 1.0 s"
}

# --- Idle cost ----------------------------------------------------------------

# Ticks of everything in a pod that is not postgres, children that ended included.
supervisor_ticks() {
  local pid
  docker top "$1" -eo pid,comm | awk 'NR > 1 && $2 != "postgres" { print $1 }' | while read -r pid; do
    # The name in brackets may hold blanks; utime, stime, cutime and cstime follow as 12 to 15.
    sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null || true
  done | awk '{ ticks += $12 + $13 + $14 + $15 } END { print ticks + 0 }'
}

measure_idle() {
  local pod pods before=() after=() at=0 percent
  pods=$(docker ps --filter "label=voodu.scope=$1" --format '{{.Names}}' | sort)
  say "idle cost of the supervisor ($idle_seconds s, children included, steps of $(calc "100 / $(getconf CLK_TCK) / $idle_seconds" 2) %)"
  sleep 5
  for pod in $pods; do before+=("$(supervisor_ticks "$pod")"); done
  sleep "$idle_seconds"
  for pod in $pods; do after+=("$(supervisor_ticks "$pod")"); done
  for pod in $pods; do
    percent=$(calc "(${after[at]} - ${before[at]}) / $(getconf CLK_TCK) / $idle_seconds * 100")
    figure "pod ${pod##*.}" "$percent % of a core" "< 0.3 %"
    at=$((at + 1))
  done
}

# --- make demo ----------------------------------------------------------------

timed_demo() {
  local begin
  begin=$(now)
  make -s --no-print-directory demo "DEMO_SCOPE=$scope-demo" "DEMO_STATE=$work/demo" >"$work/demo.log" 2>&1 ||
    { cat "$work/demo.log" >&2; return 1; }
  calc "$(now) - $begin" 1
}

measure_demo() {
  local first again
  scopes="$scopes $scope-demo"
  say "make demo on a warm machine"
  first=$(timed_demo)
  again=$(timed_demo)
  figure "from nothing to the table" "$first s" "<= 30 s"
  figure "again, with the cluster there" "$again s" "< 5 s"
}

# shellcheck source=tests/bench/backups.sh
. tests/bench/backups.sh
# shellcheck source=tests/bench/commands.sh
. tests/bench/commands.sh
# shellcheck source=tests/bench/switchover.sh
. tests/bench/switchover.sh

# --- All of it ----------------------------------------------------------------

have_docker() {
  local status=0
  bash tests/provision.sh || status=$?
  [ "$status" -eq 0 ] || return 1
  bash tests/images/build.sh "$(major)"
}

[ -z "$go" ] || [ -x "$go" ] || { say "VOODU_BENCH_GO=$go is not a program" >&2; exit 2; }
scopes=
trap clean_up EXIT
trap 'exit 130' INT TERM
cargo build --locked --release --quiet --package voodu-standin --bin standin --bin stopwatch
say "$(nproc) cores, load $(cut -d ' ' -f 1 /proc/loadavg) at the start: what else runs here shows in every figure"
! wanted expand || measure_expand
if ! wanted pods switchover backups commands demo; then
  :
elif have_docker; then
  ! wanted pods switchover backups commands || measure_cold_start
  ! wanted pods || measure_idle "$scope-$rounds"
  ! wanted switchover || measure_switchover "$scope-$rounds"
  ! wanted backups || measure_backups "$scope-$rounds"
  # The commands leave a pod paused when one of them fails.
  ! wanted commands || measure_commands "$scope-$rounds"
  remove_scope "$scope-$rounds"
  ! wanted demo || measure_demo
else
  say "NO DOCKER: cold start, idle cost, switchover, backups, commands and make demo were not measured"
fi
