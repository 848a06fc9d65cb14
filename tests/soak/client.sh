#!/usr/bin/env bash
# The application of a soaked cluster: writers on $DATABASE_URL, which reconnect as an application
# does, and a reader on $DATABASE_READ_URL. What was acknowledged is noted in /soak, outside the
# database and the container: "time id" in w1 and w2, "time" of each read in reads.
# /soak/pause holds the writers; each one that is held has its file /soak/held-N.
set -u
trap 'kill $(jobs -p) 2>/dev/null; exit' INT TERM

ANSWER=''

session() {
  coproc CLIENT { PGCONNECT_TIMEOUT=3 exec psql "$1" -XAtq -v ON_ERROR_STOP=1 2>/dev/null; }
}

hang_up() {
  local pid=${CLIENT_PID:-}
  [ -z "$pid" ] || { kill "$pid"; wait "$pid"; }
} 2>/dev/null

# ask SQL: leaves the one line of its answer in ANSWER.
ask() {
  local in=${CLIENT[1]:-} out=${CLIENT[0]:-}
  [ -n "$in" ] && [ -n "$out" ] && printf '%s\n' "$1" >&"$in" && IFS= read -r -t 5 -u "$out" ANSWER
} 2>/dev/null

# nap SECONDS: forks nothing.
nap() { read -r -t "$1" -u "$TICK"; }

held() {
  [ -e /soak/pause ] || return 0
  : >"/soak/held-$1"
  while [ -e /soak/pause ]; do nap 0.1; done
  rm -f "/soak/held-$1"
}

# One transaction is a row and one more in the writer's count.
write() {
  local n=0 sql
  exec {TICK}<> <(:)
  rm -f "/soak/held-$1"
  while :; do
    held "$1"
    session "$DATABASE_URL"
    while held "$1"; do
      n=$((n + 1 > ${EPOCHREALTIME/[.,]/} ? n + 1 : ${EPOCHREALTIME/[.,]/}))
      sql="WITH c AS (UPDATE soak_counts SET n = n + 1 WHERE writer = $1) INSERT INTO soak_rows VALUES ($1, $n) RETURNING id;"
      ask "$sql" || break
      [ "$ANSWER" = "$n" ] || break
      echo "$EPOCHREALTIME $n" >>"/soak/w$1"
      nap 0.04
    done
    hang_up
    nap 0.1
  done
}

look() {
  exec {TICK}<> <(:)
  while :; do
    session "$DATABASE_READ_URL"
    while ask 'SELECT sum(n) FROM soak_counts;' && [ -n "$ANSWER" ]; do
      echo "$EPOCHREALTIME" >>/soak/reads
      nap 0.5
    done
    hang_up
    nap 0.5
  done
}

[ -z "${DATABASE_URL:-}" ] || for writer in 1 2; do write "$writer" & done
[ -z "${DATABASE_READ_URL:-}" ] || look &
while :; do sleep 3600 & wait $!; done
