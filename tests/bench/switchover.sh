# The switchover's part of tests/bench.sh, which reads this file: promotes in turn while clients write, then one forced promotion and a rejoin.
# shellcheck shell=bash disable=SC2154,SC2016

# So many that pod 0 is the primary again at the end: a multiple of the number of pods.
switchovers=${BENCH_SWITCHOVERS:-6}
writers=${BENCH_WRITERS:-4}
data_megabytes=${BENCH_DATA_MB:-1000}

# or_show COMMAND...: what it printed matters only when it failed.
or_show() { "$@" >"$work/command.log" 2>&1 </dev/null || { cat "$work/command.log" >&2; return 1; }; }

# in_pod POD SQL: as the cluster's superuser.
in_pod() {
  docker exec -i "$1" sh -c 'psql -XAtq -v ON_ERROR_STOP=1 -p "$PG_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB"' <<<"$2"
}

# hosts_of SCOPE: as a client is told them.
hosts_of() {
  local pod hosts=''
  for pod in $(seq 0 $(($(replicas) - 1))); do hosts+=,db-$pod.$1.voodu; done
  echo "${hosts#,}"
}

# Each writer has a schema of its own, and one container notes what each was acknowledged.
start_writers() {
  local scope=$1 writer
  docker exec "$scope-db.0" sh -c 'printf "PGPASSWORD=%s\nPGPORT=%s\nPGUSER=%s\nPGDATABASE=%s\n" "$POSTGRES_PASSWORD" "$PG_PORT" "$POSTGRES_USER" "$POSTGRES_DB"' \
    >"$work/writers.env"
  docker run -d --name "$scope-writers" --label "voodu.scope=$scope" --network voodu0 --env-file "$work/writers.env" \
    -v "$PWD/tests/e2e/support/load.sh:/load.sh:ro" "postgres:$(major)" sleep infinity >/dev/null
  for writer in $(seq "$writers"); do
    in_pod "$scope-db.0" "CREATE SCHEMA w$writer; CREATE TABLE w$writer.load (n bigint)"
    docker exec -d -e "PGOPTIONS=-c search_path=w$writer" "$scope-writers" bash -c 'exec bash /load.sh write "$1" >"$2"' bash \
      "host=$(hosts_of "$scope") target_session_attrs=read-write" "/tmp/w$writer"
  done
}

# stop_writers SCOPE: leaves "time number" of each acknowledged write in files of this machine.
stop_writers() {
  local writer
  docker exec "$1-writers" sh -c 'touch /tmp/stop; sleep 3'
  for writer in $(seq "$writers"); do
    docker exec "$1-writers" cat "/tmp/w$writer" >"$work/w$writer"
  done
  docker rm -f "$1-writers" >/dev/null
}

lost_writes() {
  local writer lost=0
  for writer in $(seq "$writers"); do
    in_pod "$1-db.0" "SELECT n FROM w$writer.load" | sort >"$work/kept"
    lost=$((lost + $(cut -d ' ' -f 2 "$work/w$writer" | sort | comm -23 - "$work/kept" | wc -l)))
  done
  echo "$lost"
}

# The longest time that one writer waited for its next acknowledgement.
longest_gap() {
  local writer
  for writer in $(seq "$writers"); do
    awk 'NR > 1 && $1 - last > gap { gap = $1 - last } { last = $1 } END { print gap + 0 }' "$work/w$writer"
  done | sort -n | tail -n 1
}

# logged_at POD SINCE WORDS: waits until the server said that after a time, and gives the time of it.
logged_at() {
  local at deadline=$((SECONDS + 15))
  until at=$(docker logs -t --since "$2" "$1" 2>&1 | awk -v words="$3" 'index($0, words) { print $1; exit }') && [ -n "$at" ]; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "$1 did not say: $3" >&2; return 1; }
    sleep 0.2
  done
  date -d "$at" +%s.%N
}

# Appends "the command, old primary streaming, slowest sibling streaming", in seconds, the last two after the target accepted writes.
timed_switchover() {
  local scope=$1 old=$2 target=$3 begin took writable timeline at pod follows=0 siblings=0
  begin=$(now)
  or_show vd_on "$scope" pg:promote "$scope/db" --replica "$target"
  took=$(calc "$(now) - $begin" 3)
  writable=$(logged_at "$scope-db.$target" "$begin" 'database system is ready to accept connections')
  timeline=$(in_pod "$scope-db.$target" "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int")
  for pod in $(seq 0 $(($(replicas) - 1))); do
    [ "$pod" -ne "$target" ] || continue
    at=$(calc "$(logged_at "$scope-db.$pod" "$begin" "on timeline $timeline") - $writable" 3)
    if [ "$pod" -eq "$old" ]; then follows=$at; else siblings=$(printf '%s\n' "$siblings" "$at" | sort -n | tail -n 1); fi
  done
  echo "$took $follows $siblings" >>"$work/switchovers"
}

# Median and longest of a column.
median_and_longest() {
  cut -d ' ' -f "$2" "$1" | sort -n | awk '{ v[NR] = $1 } END { printf "%.2f (%.2f) s", v[int((NR + 1) / 2)], v[NR] }'
}

copies_of() { docker logs "$1" 2>&1 | grep -c 'pg_basebackup: \|cloning pod\|copying pod' || true; }
all_copies() { echo "$(copies_of "$1-db.0") $(copies_of "$1-db.1") $(copies_of "$1-db.2")"; }

measure_planned() {
  local scope=$1 pods number starts copies
  pods=$(replicas)
  say "$switchovers switchovers under $writers writers (median, longest)"
  starts=$(starts_of "$scope") copies=$(all_copies "$scope")
  start_writers "$scope"
  sleep 2
  for number in $(seq "$switchovers"); do
    timed_switchover "$scope" $(((number - 1) % pods)) $((number % pods))
    sleep 1
  done
  stop_writers "$scope"
  figure "acknowledged writes" "$(cat "$work"/w[0-9]* | wc -l)"
  figure "of these lost" "$(lost_writes "$scope")" "0"
  figure "longest gap between two of a writer" "$(calc "$(longest_gap)") s" "<= 0.80 s, aim 0.40 s"
  figure "old primary streaming, after the take-over" "$(median_and_longest "$work/switchovers" 2)" "<= 2.0 s"
  figure "sibling on the new timeline" "$(median_and_longest "$work/switchovers" 3)" "<= 1.0 s"
  figure "promote, the whole command" "$(median_and_longest "$work/switchovers" 1)"
  figure "containers restarted" "$(changed_lines "$starts" "$(starts_of "$scope")")" "0"
  figure "base backups taken" "$([ "$copies" = "$(all_copies "$scope")" ] && echo none || echo some)" "none"
}

# What came in over the network since the container's start.
received_bytes() { docker exec "$1" sh -c 'cat /sys/class/net/eth*/statistics/rx_bytes' | awk '{ n += $1 } END { printf "%d", n }'; }

# wait_until_streams SCOPE FROM POD
wait_until_streams() {
  local deadline=$((SECONDS + 60))
  until [ "$(in_pod "$1-db.$2" "SELECT state FROM pg_stat_replication WHERE application_name = 'voodu-postgres-standby-$3'" 2>/dev/null)" = streaming ]; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "pod $3 does not stream from pod $2" >&2; return 1; }
    sleep 0.1
  done
}

# Commits that nobody else has, because the standbys are paused meanwhile; gives the location where they end.
diverge() {
  local scope=$1
  docker pause "$scope-db.1" "$scope-db.2" >/dev/null
  in_pod "$scope-db.0" "CREATE TABLE only_here AS SELECT n, repeat(md5(n::text), 8) AS pad FROM generate_series(1, 230000) n"
  in_pod "$scope-db.0" 'SELECT pg_current_wal_lsn()'
  docker kill "$scope-db.0" >/dev/null
  docker unpause "$scope-db.1" "$scope-db.2" >/dev/null
}

measure_rejoin() {
  local scope=$1 pod end own begin took copy moved wal
  in_pod "$scope-db.0" "CREATE TABLE filler AS SELECT n, repeat(md5(n::text), 30) AS pad
    FROM generate_series(1, ($data_megabytes * 1048576 - pg_database_size(current_database())) / 1024) n; CHECKPOINT"
  for pod in 1 2; do wait_until_streams "$scope" 0 "$pod"; done
  sleep 2
  say "rejoin, in a database of $(in_pod "$scope-db.0" 'SELECT pg_size_pretty(pg_database_size(current_database()))'), of a primary that was killed"
  end=$(diverge "$scope")
  or_show vd_on "$scope" pg:promote "$scope/db" --replica 1 --force --allow-lag
  # What lay in the sockets of the paused standbys came through.
  own=$(in_pod "$scope-db.1" "SELECT '$end' - pg_last_wal_replay_lsn()")
  docker start "$scope-db.0" >/dev/null
  logged_at "$scope-db.0" 0 'split-brain guard' >/dev/null
  # Up to 17 pg_rewind copies every WAL file that the primary keeps.
  wal=$(in_pod "$scope-db.1" 'SELECT sum(size) FROM pg_ls_waldir()')
  begin=$(now)
  or_show vd_on "$scope" pg:rejoin "$scope/db" --replica 0 --yes
  wait_until_streams "$scope" 1 0
  took=$(calc "$(now) - $begin" 1) moved=$(received_bytes "$scope-db.0")
  copy=$(docker exec "$scope-db.1" sh -c 'pg_basebackup -p "$PG_PORT" -U "$POSTGRES_USER" -D - -F t -X fetch -c fast | wc -c')
  figure "WAL that only the old primary had" "$(numfmt --to=iec "$own")"
  figure "until it streams" "$took s"
  figure "moved to it / by a copy" "$(calc "$moved / $copy") ($(numfmt --to=iec "$moved") / $(numfmt --to=iec "$copy"))" "<= 0.20"
  figure "the same without the kept WAL" "$(calc "($moved - $wal) / $copy") ($(numfmt --to=iec "$wal") of WAL)"
  or_show vd_on "$scope" pg:promote "$scope/db" --replica 0
  in_pod "$scope-db.0" 'DROP TABLE filler'
}

measure_switchover() {
  measure_planned "$1"
  measure_rejoin "$1"
}
