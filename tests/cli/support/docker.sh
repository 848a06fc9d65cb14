#!/bin/bash
# The `docker` of a test: logs its arguments and answers with what was prepared in files beside it.
here=${0%/*}
# The script of a session is long, and the same each time.
words=("$@")
for number in "${!words[@]}"; do
  case ${words[number]} in
    "# --- Sessions "*) [ "$1" != exec ] || words[number]=SESSION ;;
    "# --- psql for an operator "*) words[number]=PSQL ;;
    "# --- The WAL, as pg_waldump prints it "*) words[number]=LOOK ;;
  esac
done
set -- "${words[@]}"
printf '%s\n' "$*" >>"$here/calls"

# pauses WORDS: while `pause-at` names some of these words, so that a test can do something else at
# this moment.
pauses() {
  [[ -s $here/pause-at && $1 == *"$(cat "$here/pause-at")"* ]] || return 0
  : >"$here/paused"
  while [ -e "$here/pause-at" ]; do sleep 0.02; done
}
pauses "$*"

# state NAME: of a container in `pods`.
state() { awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$here/pods"; }

# inspected NAME...: a line for each container that there is.
inspected() {
  local name status=0
  for name; do
    if [ -n "$(state "$name")" ]; then
      printf '{"name":"/%s","state":"%s","command":["bash","%s"],"cluster_id":"%s","record_format":"%s","address":"172.18.0.2"}\n' \
        "$name" "$(state "$name")" /usr/local/bin/voodu-postgres-entrypoint \
        "$(cat "$here/cluster_id")" "$(cat "$here/record_format")"
    else
      echo "Error: No such container: $name" >&2
      status=1
    fi
  done
  exit "$status"
}

# pod EXEC...: the container of `exec -i [-e NAME] CONTAINER …`.
pod() { if [ "$3" = -e ]; then echo "$5"; else echo "$3"; fi; }

# answered NAME: what the server of a pod says; the questions are kept in `sql`.
answered() {
  if [ -e "$here/socket-password" ] && [ "${PGPASSWORD-}" != "$(cat "$here/socket-password")" ]; then
    echo 'psql: error: FATAL:  password authentication failed for user "appuser"' >&2
    exit 2
  fi
  if [ "$(state "$1")" != running ]; then
    echo "Error response from daemon: Container $1 is not running" >&2
    exit 1
  fi
  local sql
  sql=$(cat)
  printf '%s\n' "$sql" >>"$here/sql"
  pauses "$sql"
  if [ -e "$here/says-$1" ]; then
    said "$1" "$sql"
  else
    echo "psql: error: FATAL:  the database system is starting up" >&2
    exit 80
  fi
}

# said NAME SQL: what a handover asks has answers of its own.
said() {
  case $2 in
    CHECKPOINT) ;;
    "SET application_name = 'voodu-commit-proof'"*) [ ! -e "$here/commits-wait" ] || exec sleep 60 ;;
    *"txid_current()"*) cat "$here/writes-$1" 2>/dev/null ;;
    "SELECT application_name"*) cat "$here/follow-$1" 2>/dev/null ;;
    "SELECT pg_current_wal_lsn()") echo 0/5000148 ;;
    *".history"*) printf '2\n1 0/5000148\n' ;;
    *rolpassword*) cat "$here/verifier" ;;
    *"ALTER ROLE"*)
      if [ -s "$here/alter" ]; then
        cat "$here/alter" >&2
        exit 3
      fi
      ;;
    *) cat "$here/says-$1" ;;
  esac
  return 0
}

# as_postgres NAME COMMAND...: a passfile is kept beside this file, a login by one has an answer.
as_postgres() {
  local name=$1
  case "$*" in
    *PGPASSFILE=*)
      [ ! -s "$here/proof-$name" ] || { cat "$here/proof-$name" >&2; exit 2; }
      ;;
    *) cat >>"$here/passfile-$name" ;;
  esac
}

# has_room NAME: what a pod says of its disks.
has_room() {
  [ "$(state "$1")" = running ] || exit 1
  cat "$here/room-$1" 2>/dev/null || printf 'head\nd 1 1 9000000 1 /\nd 1 1 9000000 1 /backups\nwritable\n'
}

# copy_of RUN: what the pod on whose volume this runs keeps of the record.
copy_of() {
  local pod=${1##*-data-}
  cat "$here/copy-${pod%%:*}"
}

# remains_of NAME:ro: what the volume of a pod holds.
remains_of() {
  cat "$here/remains-${1%:ro}" 2>/dev/null || echo standby 1 0/5000148
}

# becomes NAME STATE: of a container in `pods` that lets itself be changed.
becomes() {
  [ -n "$(state "$1")" ] || { echo "Error: No such container: $1" >&2; exit 1; }
  [ ! -e "$here/stubborn" ] || { echo "Error response from daemon: tried to kill container" >&2; exit 1; }
  awk -F '\t' -v OFS='\t' -v name="$1" -v state="$2" '$1 == name { $2 = state } 1' "$here/pods" >"$here/pods.new"
  mv "$here/pods.new" "$here/pods"
}

case "$*" in
  "stop --time "*.[0-9] | "kill "*.[0-9]) becomes "${!#}" exited ;;
  "restart "*.[0-9]) becomes "$2" running ;;
  "exec "*" sh -c "*"stat -c %d:%i /backups"*) [ -e "$here/elsewhere" ] ;;
  "exec "*" sh -c "*standby.signal*) [ -e "$here/says-$3" ] ;;
  "run --rm "*--volumes-from*" LOOK bash /var/lib/postgresql/data") remains_of "$7" ;;
  "run --rm "*--volumes-from*) cat "$here/only-there" ;;
  "ps -a --filter name="*-restore-r*) cat "$here/restores" ;;
  "ps -a --filter name="*) cat "$here/jobs" ;;
  # The plugin kills this process when it takes too long, and not its children.
  "ps -a "*"voodu.replica_ordinal"*) exec cat "$here/pods" ;;
  "ps -a "*) cut -d . -f 1 "$here/pods" | sed 's/.*-/clowk-lp\//' ;;
  "ps --no-trunc"*) cat "$here/published" ;;
  "inspect "*"{{.Image}}"*) echo sha256:1234 ;;
  "inspect --type container --format "*) inspected "${@:6}" ;;
  "exec -i -e PGPASSWORD "*" bash -c SESSION session address "*"--username=replicator "*)
    cat "$here/replication-login" >&2
    [ ! -s "$here/replication-login" ] || exit 2
    ;;
  "exec -i -e PGPASSWORD "*" bash -c SESSION session address "*)
    if [ -e "$here/password" ] && [ "$PGPASSWORD" != "$(cat "$here/password")" ]; then
      echo 'psql: error: FATAL:  password authentication failed for user "appuser"' >&2
      exit 2
    fi
    cat "$here/login" >&2
    [ ! -s "$here/login" ] || exit 2
    [ ! -e "$here/recovers" ] || echo t
    ;;
  "exec -i --user postgres "*" sh -s") has_room "$5" ;;
  "exec -i --user postgres "*) as_postgres "${@:5}" ;;
  "volume inspect "*) [ -e "$here/volumes" ] || { echo "Error: No such volume: ${*: -1}" >&2; exit 1; } ;;
  "run --rm --pull=never "*" sh "*/.topology) copy_of "$*" ;;
  *".voodu-clone"*) exit "$(cat "$here/clone")" ;;
  "run --rm -i "*) cat >>"$here/passfile-volume" ;;
  "exec -i "*" bash -c SESSION session neighbour "*)
    if [ -e "$here/trusts-nobody" ]; then
      echo "psql: error: fe_sendauth: no password supplied" >&2
      exit 2
    fi
    answered "$(pod "$@")"
    ;;
  "exec -i "*" bash -c SESSION session "*) answered "$(pod "$@")" ;;
  exec*) cat; exit "$(cat "$here/exit")" ;;
  "run -d "*)
    [ ! -e "$here/run-hangs" ] || exec sleep 60
    [ ! -e "$here/run" ] || { cat "$here/run" >&2; exit 125; }
    ;;
  "rm -f "*) [ ! -e "$here/stubborn" ] || { echo "Error response from daemon: could not kill container" >&2; exit 1; } ;;
  "rm -v "* | "stop --time "*) ;;
  "logs "*) cat "$here/log" ;;
  "wait "*)
    [ -s "$here/wait" ] || exec sleep 60
    cat "$here/wait"
    ;;
  *) echo "docker: not prepared for $*" >&2; exit 97 ;;
esac
