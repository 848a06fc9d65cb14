# The backups' part of tests/bench.sh, which reads this file: figures beside those of a plain pg_dump of the same pod.
# shellcheck shell=bash disable=SC2154

backup_rows=${BENCH_BACKUP_ROWS:-2000000}
backup_rounds=${BENCH_BACKUP_ROUNDS:-3}
backup_files=5000

# Orders as a shop has them: numbers, dates, names and a note, and an index that no dump holds.
fill_orders() {
  # shellcheck disable=SC2016
  docker exec -i "$1" sh -c 'psql -XAtq -p "$PG_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB"' <<SQL
CREATE TABLE orders AS
SELECT n AS id, now() - n * interval '37 s' AS placed_at, (random() * 90000)::int AS customer, (random() * 1e6)::numeric(10, 2) AS total,
  (ARRAY['new', 'paid', 'shipped', 'returned'])[1 + n % 4] AS state, 'customer-' || n % 90000 || '@example.com' AS mail,
  md5(n::text) AS token, 'Order ' || n || ' of ' || n % 17 || ' articles, to be left with the neighbours at number ' || n % 300 AS note
FROM generate_series(1, $backup_rows) n;
CREATE INDEX ON orders (mail);
VACUUM ANALYZE orders;
SQL
}

# Seconds that pg_dump itself takes in the pod.
plain_dump() {
  # shellcheck disable=SC2016
  docker exec "$1" bash -c 'begin=${EPOCHREALTIME/[.,]/}
    pg_dump -F c -Z 6 -p "$PG_PORT" -U "$POSTGRES_USER" -f /backups/plain.dump "$POSTGRES_DB"
    sync /backups/plain.dump
    echo $((${EPOCHREALTIME/[.,]/} - begin))
    rm /backups/plain.dump' | awk '{ print $1 / 1e6 }'
}

# When a container said a line that begins so.
said_at() {
  docker logs -t "$1" 2>&1 | awk -v words="$2" 'index($0, words) == length($1) + 2 { print $1; exit }' | xargs -I {} date -d {} +%s.%N
}

# Appends "seconds of the dump, seconds with its verification, bytes" of one capture.
timed_capture() {
  local scope=$1 results=$2 id container begin file
  shift 2
  id=$(vd_on "$scope" pg:backups:capture "$scope/db" --keep 0 "$@" --follow | sed -n 's/^postgres .*: backup \(b[0-9]*\) captured.*/\1/p')
  container=$scope-db-backup-$id
  begin=$(said_at "$container" capture:)
  file=$(echo "$work/$scope/backups/$scope/db/$id"-*.dump)
  echo "$(calc "$(said_at "$container" done:) - $begin" 3) $(calc "$(said_at "$container" postgres) - $begin" 3) $(stat -c %s "$file")" >>"$results"
}

column() { cut -d ' ' -f "$2" "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

measure_dumps() {
  local scope=$1 pod=$1-db.0 plain captured size
  for _ in $(seq "$backup_rounds"); do
    plain_dump "$pod" >>"$work/plain"
    timed_capture "$scope" "$work/gzip"
    timed_capture "$scope" "$work/zstd" --compress=zstd:3
  done
  plain=$(column "$work/plain" 1) captured=$(column "$work/gzip" 1) size=$(column "$work/gzip" 3)
  figure "plain pg_dump -Fc -Z6 in the pod" "$(calc "$plain") s, $(numfmt --to=iec "$size")"
  figure "capture: throughput / plain" "$(calc "$plain / $captured")" ">= 0.95"
  figure "capture with verification / plain time" "$(calc "$(column "$work/gzip" 2) / $plain")" "<= 1.25"
  figure "zstd:3: throughput / gzip:6" "$(calc "$captured / $(column "$work/zstd" 1)")" ">= 2"
  figure "zstd:3: size / gzip:6" "$(calc "$(column "$work/zstd" 3) / $size")" "<= 1.05"
}

# Seconds of a pg_restore with the flags of a restore, in the pod.
plain_restore() {
  # shellcheck disable=SC2016
  docker exec "$1" bash -c 'begin=${EPOCHREALTIME/[.,]/}
    pg_restore --clean --if-exists --no-owner --no-privileges --single-transaction --exit-on-error \
      -p "$PG_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB" "/backups/$1"
    echo $((${EPOCHREALTIME/[.,]/} - begin))' bash "$2" | awk '{ print $1 / 1e6 }'
}

# Appends "seconds until the data are restored, seconds with their statistics", its checks of the file and of the target included.
timed_restore() {
  local scope=$1 id=$2 container begin
  vd_on "$scope" pg:backups:restore "$scope/db" "$id" --yes --follow >"$work/command.log" 2>&1 </dev/null || { cat "$work/command.log" >&2; return 1; }
  container=$(docker ps -a --filter "name=^$scope-db-restore-" --format '{{.Names}}' | head -n 1)
  begin=$(said_at "$container" restore:)
  echo "$(calc "$(said_at "$container" 'restored in') - $begin" 3) $(calc "$(said_at "$container" postgres) - $begin" 3)" >>"$work/restores"
}

measure_restores() {
  local scope=$1 file
  file=$(basename "$work/$scope/backups/$scope/db/"b001-*.dump)
  for _ in $(seq "$backup_rounds"); do
    # Each writes as much WAL as the next checkpoint waits for.
    in_pod "$scope-db.0" CHECKPOINT
    plain_restore "$scope-db.0" "$file" >>"$work/plain-restore"
    in_pod "$scope-db.0" CHECKPOINT
    timed_restore "$scope" b001
  done
  figure "plain pg_restore in the pod" "$(calc "$(column "$work/plain-restore" 1)") s"
  figure "restore, checks included / plain time" "$(calc "$(column "$work/restores" 1) / $(column "$work/plain-restore" 1)")" "<= 1.1"
  figure "with statistics / plain time" "$(calc "$(column "$work/restores" 2) / $(column "$work/plain-restore" 1)")"
}

measure_cancel() {
  local scope=$1 begin left
  vd_on "$scope" pg:backups:capture "$scope/db" >/dev/null
  sleep 2
  begin=$(now)
  vd_on "$scope" pg:backups:cancel "$scope/db" >/dev/null
  left=$(find "$work/$scope/backups" -name '*.partial' | wc -l)
  figure "cancel of a capture" "$(calc "$(now) - $begin") s, $left files left" "<= 2 s, 0"
}

# The whole process, the controller's and docker's answers included.
measure_list() {
  local scope=$1 directory=$work/$1/backups/$1/db number begin
  for number in $(seq 1001 $((1000 + backup_files))); do
    : >"$directory/b$number-20260504T020000Z.dump"
  done
  "$tools/standin" serve --root "$work/$scope/voodu" --plugins "$PWD" --addr 127.0.0.1:0 --no-probes >"$work/serving" &
  serving=$!
  until grep -q http "$work/serving"; do sleep 0.1; done
  for _ in $(seq 21); do
    begin=$(now)
    VOODU_CONTROLLER_URL=$(sed -n 's/.*\(http.*\)/\1/p' "$work/serving") "$own" backups "$scope/db" --json </dev/null >"$work/listed"
    calc "($(now) - $begin) * 1000" 1 >>"$work/list"
    echo >>"$work/list"
  done
  kill "$serving"
  wait "$serving" 2>/dev/null || true
  figure "list of $(grep -o '"id"' "$work/listed" | wc -l) backups" "$(sort -n "$work/list" | grep . | sed -n 11p) ms" "<= 100 ms"
}

measure_backups() {
  say "backups of $backup_rows rows ($backup_rounds rounds, medians)"
  fill_orders "$1-db.0"
  measure_dumps "$1"
  measure_restores "$1"
  measure_cancel "$1"
  measure_list "$1"
}
