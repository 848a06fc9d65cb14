# --- What every job starts with ---------------------------------------------
# A job is process 1 of a container that shares a pod's network. Its values come
# as key=value arguments, so that nothing is spliced into this text; all that it
# says goes to one stream, which `docker logs` keeps.

set -u
exec 2>&1
umask 027

BACKUPS=/backups
PROBLEMS=/tmp/problems
# Waited for; only helped by; removed when the job does not come to its end.
CHILDREN=() HELPERS=() UNFINISHED=()

# elapsed: the seconds that the job has run, by the host's uptime: its clock can be set.
BEGAN=0
elapsed() {
  local uptime
  IFS='. ' read -r uptime _ </proc/uptime
  printf '%s' "$((uptime - BEGAN))"
}
BEGAN=$(elapsed)

# Whatever a name or an error in the database holds, no terminal obeys it: control
# characters are left out, those of UTF-8 beyond ASCII too.
say() {
  local text=$*
  text=${text//[$'\001'-$'\011'$'\013'-$'\037'$'\177']/ }
  printf '%s\n' "${text//$'\302'[$'\200'-$'\237']/ }"
}

# show FILE: what a program wrote there, line by line.
show() {
  local line
  while IFS= read -r line || [ -n "$line" ]; do say "$line"; done <"$1"
}

# on_stop: docker stop, the operator's cancel. As process 1 the shell takes every
# other process of the job with it.
on_stop() {
  hold_signals
  say "cancelled after $(elapsed)s"
  leave 143
}
trap on_stop INT TERM

# hold_signals: for a handler that is to come to its end. It runs inside the `read -t` that
# was interrupted, whose alarm would otherwise leave it half way (bash 5.2); another one
# that ends takes the alarm with it.
hold_signals() {
  trap '' INT TERM
  pause 0.01
}

# leave CODE: the space comes back at once, and the server hears that nobody
# waits for an answer any more.
leave() {
  local child left=20
  for child in ${CHILDREN[@]+"${CHILDREN[@]}"} ${HELPERS[@]+"${HELPERS[@]}"}; do
    kill -TERM "$child" 2>/dev/null
  done
  for child in ${CHILDREN[@]+"${CHILDREN[@]}"}; do
    while [ "$left" -gt 0 ] && kill -0 "$child" 2>/dev/null; do
      pause 0.02
      left=$((left - 1))
    done
  done
  [ "${#UNFINISHED[@]}" -eq 0 ] || rm -rf -- "${UNFINISHED[@]}"
  exit "$1"
}

# fail MESSAGE...: the last line says why.
fail() {
  say "failed: $*"
  leave 1
}

# start COMMAND...: in the background, because a shell that waits for a command
# in the foreground hears no signal before that has ended. The caller waits.
start() {
  "$@" &
  CHILDREN+=("$!")
}

# start_reading FILE COMMAND...: like start, which would give it an empty input.
start_reading() {
  local file=$1
  shift
  "$@" <"$file" &
  CHILDREN+=("$!")
}

# as_postgres COMMAND...: a dump can come from anywhere, and whoever is superuser
# in the database can put one into the backups directory. Root parses none.
DROP=()
if command -v gosu >/dev/null; then
  DROP=(gosu postgres)
elif command -v su-exec >/dev/null; then
  DROP=(su-exec postgres)
fi
as_postgres() { "${DROP[@]}" "$@"; }

# finish: waits for everything that was started; the last that failed decides.
finish() {
  local child status=0
  for child in ${CHILDREN[@]+"${CHILDREN[@]}"}; do
    wait "$child" || status=$?
  done
  CHILDREN=()
  return "$status"
}

# dismiss: its help is no longer needed.
dismiss() {
  local helper
  for helper in ${HELPERS[@]+"${HELPERS[@]}"}; do
    kill -TERM "$helper" 2>/dev/null
  done
  HELPERS=()
}

# Nothing is ever written to it: reading from it is a sleep without a process.
exec {TICK}<> <(:)

# pause SECONDS
pause() { read -r -t "$1" -u "$TICK"; }

# human BYTES: 245.3 MB, as the lists show sizes.
human() {
  local bytes=$1 unit divisor=1 tenths=0
  if [ "$bytes" -lt 1024 ]; then
    printf '%s B' "$bytes"
    return
  fi
  for unit in kB MB GB TB PB; do
    divisor=$((divisor * 1024))
    tenths=$(((bytes * 10 + divisor / 2) / divisor))
    [ "$tenths" -ge 10240 ] || break
  done
  printf '%s.%s %s' "$((tenths / 10))" "$((tenths % 10))" "$unit"
}

# whole BYTES: 245 MB, for what is only an estimate.
whole() {
  local text
  text=$(human "$1")
  printf '%s %s' "${text%%[. ]*}" "${text##* }"
}

is_file() { [ -f "$1" ] && [ ! -L "$1" ]; }

is_absent() { [ ! -e "$1" ] && [ ! -L "$1" ]; }

size_of() { stat -c %s "$1" 2>/dev/null || echo 0; }

# take_password FILE: reads the superuser's password and removes the file, which
# lay where the server's user could have removed it as well.
take_password() {
  is_file "$1" || fail "the password file $1 is gone"
  IFS= read -r PGPASSWORD <"$1"
  rm -f -- "$1"
  export PGPASSWORD
}

# share FILE: lets the group of the backups directory read it.
share() { chgrp "$(stat -c %g "$BACKUPS")" "$1"; }

# A client setting of the image must not redirect the job's connections, which all
# begin alike: those of psql, of pg_dump, of pg_restore and of pg_basebackup.
for name in "${!PG@}"; do unset "$name"; done
session_options superuser
export PGOPTIONS=$SESSION_OPTIONS LC_ALL=C
