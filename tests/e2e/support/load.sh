#!/usr/bin/env bash
# Clients of a cluster, in a container beside it. Each writes what it saw into a
# file of its own, with the time on the machine's clock.
#
#   write CONNINFO    inserts numbers as an application does, reconnecting, and
#                     notes each one that was acknowledged
#   probe CONNINFO    tries to write every 10 ms, and notes when that worked and
#                     in which container: an address can go over to another one
#   read CONNINFO     reads every 20 ms, and notes when its session broke off
set -u

ANSWER=''

# session CONNINFO: starts a psql in the background. A server that answers
# nothing costs two seconds.
session() {
  coproc CLIENT { PGCONNECT_TIMEOUT=2 exec psql -XAtq -v ON_ERROR_STOP=1 "$1" 2>/dev/null; }
}

hang_up() {
  local pid=${CLIENT_PID:-}
  [ -z "$pid" ] || { kill "$pid"; wait "$pid"; }
} 2>/dev/null

# ask SQL: leaves the one line of its answer in ANSWER.
ask() {
  local in=${CLIENT[1]:-} out=${CLIENT[0]:-}
  [ -n "$in" ] && [ -n "$out" ] && printf '%s\n' "$1" >&"$in" && IFS= read -r -t 2 -u "$out" ANSWER
} 2>/dev/null

# nap SECONDS: forks nothing.
exec {TICK}<> <(:)
nap() { read -r -t "$1" -u "$TICK"; }

write() {
  local n=0
  while [ ! -e "$STOP" ]; do
    session "$1"
    while [ ! -e "$STOP" ] && n=$((n + 1)) && ask "INSERT INTO load VALUES ($n) RETURNING n;" && [ "$ANSWER" = "$n" ]; do
      echo "$EPOCHREALTIME $n"
      nap 0.001
    done
    hang_up
    nap 0.01
  done
}

probe() {
  local sql
  sql="SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE rtrim(pg_read_file('/etc/hostname'), E'\\n') || ' ' || txid_current() END;"
  while [ ! -e "$STOP" ]; do
    session "$1"
    while [ ! -e "$STOP" ] && ask "$sql"; do
      [ -z "$ANSWER" ] || echo "$EPOCHREALTIME ${ANSWER% *}"
      nap 0.01
    done
    hang_up
    nap 0.01
  done
}

read_on() {
  while [ ! -e "$STOP" ]; do
    session "$1"
    while [ ! -e "$STOP" ] && ask "SELECT count(*) FROM pg_class;"; do nap 0.02; done
    [ -e "$STOP" ] || echo "$EPOCHREALTIME"
    hang_up
    nap 0.05
  done
}

STOP=/tmp/stop
case $1 in
  read) read_on "$2" ;;
  *) "$1" "$2" ;;
esac
