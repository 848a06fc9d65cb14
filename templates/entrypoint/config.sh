# --- Settings ---------------------------------------------------------------

CONF_DIRECTORY=/etc/postgresql
GOOD_CONF=$VOLUME/.voodu-good-conf
FALLBACK_CONF=$PGDATA/voodu-fallback.conf
PASSFILE_LINES=4
VERIFIERS=$VOLUME/.voodu-verifiers

# wire_settings: makes postgresql.conf read the mounted files, and last this
# pod's own. Lines that an operator wrote stay.
wire_settings() {
  local conf=$PGDATA/postgresql.conf include="include_dir '$CONF_DIRECTORY'" runtime="include_if_exists 'voodu-runtime.conf'" rest
  if as_postgres grep -qxF "$include" "$conf" && as_postgres grep -qxF "$runtime" "$conf"; then
    return 0
  fi
  # The older plugin spelled them differently and mounted its files one
  # directory deeper. A grep that fails must not cost the operator's lines.
  rest=$(as_postgres grep -vxF -e "$include" -e "$runtime" -e "include_dir = '/etc/postgresql/conf.d'" \
    -e "include_if_exists = 'voodu-runtime.conf'" "$conf") || [ $? = 1 ] || return 1
  printf '%s\n%s\n%s\n' "$rest" "$include" "$runtime" | install_file "$conf" 0600
}

# write_runtime_conf [PRIMARY]: writes the settings of this pod alone; with
# PRIMARY, the connection to it. Sets RUNTIME_CHANGED when anything is new. The
# password is in a file of its own, because postgres logs the value of
# primary_conninfo at every reload that changes it.
write_runtime_conf() {
  local text old=''
  text="# Written by the voodu entrypoint whenever the primary changes; edits are lost."$'\n'
  if [ $# = 1 ]; then
    text+="primary_conninfo = 'host=$(pod_host "$1") port=$PORT user=$REPLICATION_USER"
    text+=" application_name=voodu-postgres-standby-$ORDINAL connect_timeout=5 passfile=$PASSFILE'"$'\n'
    write_passfile || return 1
  fi
  read_file "$RUNTIME_CONF" && old=$TEXT
  RUNTIME_CHANGED=''
  [ "$text" != "$old" ] || return 0
  RUNTIME_CHANGED=1
  printf '%s' "$text" | install_file "$RUNTIME_CONF" 0600
}

# write_passfile: gives libpq a replication password (postgres manual, 34.16).
# One that is stored already stays: only choose_password, which logs in with the
# next one first, replaces it. A standby reads the file at each new connection, so
# a rotation only has to replace it.
write_passfile() { [ -n "$(stored_password)" ] || store_password "$REPLICATION_PASSWORD"; }

# store_password PASSWORD: puts it on the first line, which is the one that libpq
# reads. The lines after it are the passwords before, newest first: a rotation that
# was interrupted leaves the role with one of them.
store_password() {
  local password=${1//"\\"/"\\\\"} line text kept=1
  password=${password//:/"\\:"}
  text="*:*:*:$REPLICATION_USER:$password"$'\n'
  read_file "$PASSFILE"
  while IFS= read -r line && [ "$kept" -lt "$PASSFILE_LINES" ]; do
    if [[ $line == "*:*:*:$REPLICATION_USER:"* ]] && [[ $text != *"$line"$'\n'* ]]; then
      text+=$line$'\n'
      kept=$((kept + 1))
    fi
  done <<<"$TEXT"
  printf '%s' "$text" | install_file "$PASSFILE" 0600
}

# stored_password [LINE]: the replication password on that line of the passfile,
# if there is one.
stored_password() {
  local line number=${1:-1}
  read_file "$PASSFILE" || return 0
  while [ "$number" -gt 1 ]; do
    [[ $TEXT == *$'\n'* ]] || return 0
    TEXT=${TEXT#*$'\n'} number=$((number - 1))
  done
  line=${TEXT%%$'\n'*}
  [[ $line == "*:*:*:$REPLICATION_USER:"* ]] || return 0
  line=${line#"*:*:*:$REPLICATION_USER:"}
  line=${line//"\\:"/:}
  printf '%s' "${line//"\\\\"/"\\"}"
}

# known_passwords: every replication password that may be the role's, one a line,
# the likeliest first. After a rotation the passfile knows a newer one than the
# container's environment; after one that was interrupted, or after the next apply,
# it is the other way round.
known_passwords() {
  local line candidate known=$'\n'
  for line in 1 env 2 3 "$PASSFILE_LINES"; do
    candidate=$ENV_REPLICATION_PASSWORD
    [ "$line" = env ] || candidate=$(stored_password "$line")
    if [ -n "$candidate" ] && [[ $known != *$'\n'"$candidate"$'\n'* ]]; then
      known+=$candidate$'\n'
      printf '%s\n' "$candidate"
    fi
  done
}

# choose_password ORDINAL: takes whichever of the known passwords logs in to that
# pod, and stores it. While nobody answers, or none is accepted, the stored one
# stays.
choose_password() {
  local candidates candidate answer
  mapfile -t candidates < <(known_passwords)
  REPLICATION_PASSWORD=${candidates[0]:-}
  [ "${#candidates[@]}" -gt 1 ] || return 0
  for candidate in "${candidates[@]}"; do
    if answer=$(PGPASSWORD=$candidate session "$(pod_host "$1")" "$REPLICATION_USER" 4 <<<'SELECT 1' 2>&1); then
      REPLICATION_PASSWORD=$candidate
      [ "$candidate" = "${candidates[0]}" ] || store_password "$candidate" ||
        say "could not write $PASSFILE, trying again later"
      return 0
    fi
    [[ $answer == *"password authentication failed"* ]] || return 0
  done
}

# keep_verifiers: as the last thing that the primary's server is asked before a
# maintenance stops it. A restore brings back data with older passwords, and puts
# these into them: the passwords can have changed since the restore was asked for.
keep_verifiers() {
  local verifiers
  verifiers=$(local_sql <<SQL 2>/dev/null
SELECT string_agg(key || '=' || rolpassword, ' ' ORDER BY key)
  FROM (VALUES ('user', '$SUPERUSER'), ('replication', '$REPLICATION_USER')) AS role (key, name)
  JOIN pg_authid ON rolname = name
SQL
  ) && [ -n "$verifiers" ] || return 0
  printf 'epoch=%s\n%s\n' "$V_EPOCH" "${verifiers// /$'\n'}" | install_file "$VERIFIERS" 0600
}

# kept_verifiers: reads them into Q_USER and Q_REPLICATION, in the place of those
# of the request, when they are of the maintenance in view.
kept_verifiers() {
  local line
  read_file "$VERIFIERS" && [ "${TEXT%%$'\n'*}" = "epoch=$V_EPOCH" ] || return 0
  while IFS= read -r line; do
    case $line in
      user=* | replication=*) request_field "${line%%=*}" "${line#*=}" ;;
    esac
  done <<<"$TEXT"
}

# keep_stored_password: while a connection holds, a password in the passfile that
# is not this pod's comes from a rotation, and is the one for the next connection.
keep_stored_password() {
  local stored
  stored=$(stored_password)
  [ -z "$stored" ] || REPLICATION_PASSWORD=$stored
}

# setting NAME: the value that the configuration files give it.
setting() { as_postgres postgres -D "$PGDATA" -C "$1" "${CONF_ARGS[@]}" 2>/dev/null; }

# check_settings: leaves in CONF_ARGS what makes the server start: nothing, or
# the settings that it last ran with when the mounted ones cannot be read.
check_settings() {
  local reason
  CONF_ARGS=()
  FELL_BACK=''
  if [ -n "$TRY_GOOD_SETTINGS" ]; then
    fall_back
    return
  fi
  if reason=$(as_postgres postgres -D "$PGDATA" -C data_directory 2>&1 >/dev/null); then
    return 0
  fi
  say "the settings do not load, starting with the last good ones: ${reason//$'\n'/ | }"
  fall_back
}

# fall_back: prepares a configuration that reads the kept settings in the place
# of the mounted ones. It lies in the data directory, so that the relative
# names in it keep their meaning.
fall_back() {
  if [ ! -d "$GOOD_CONF" ]; then
    as_postgres mkdir -m 0700 "$GOOD_CONF" &&
      install_file "$GOOD_CONF/voodu-50-streaming.conf" 0600 <"$CONF_DIRECTORY/voodu-50-streaming.conf"
  fi
  as_postgres sed "s|^include_dir '$CONF_DIRECTORY'\$|include_dir '$GOOD_CONF'|" "$PGDATA/postgresql.conf" |
    install_file "$FALLBACK_CONF" 0600
  CONF_ARGS=(-c "config_file=$FALLBACK_CONF")
  FELL_BACK=1
}

# keep_good_settings: the server runs with the mounted settings, so they are
# what a later start can fall back on. All of them or none: without the operator's a
# fallback would change what the server does.
keep_good_settings() {
  local file into=$GOOD_CONF
  [ -z "$FELL_BACK" ] || return 0
  if [ ! -d "$GOOD_CONF" ]; then
    into=$GOOD_CONF.new
    as_postgres rm -rf "$into" && as_postgres mkdir -m 0700 "$into"
  fi
  for file in "$CONF_DIRECTORY"/*.conf; do
    install_file "$into/${file##*/}" 0600 <"$file" || return
  done
  [ "$into" = "$GOOD_CONF" ] || { as_postgres mv "$into" "$GOOD_CONF" && sync "$VOLUME"; }
}

# settings_are_new: the mounted settings are not those that the server last ran
# with.
settings_are_new() {
  local file
  for file in "$CONF_DIRECTORY"/*.conf; do
    as_postgres cmp -s "$file" "$GOOD_CONF/${file##*/}" || return 0
  done
  return 1
}

# warn_of_auto_conf: ALTER SYSTEM writes a file that wins over all others. Said once.
warn_of_auto_conf() {
  [ -z "$WARNED" ] && as_postgres grep -q '^ *primary_conninfo' "$PGDATA/postgresql.auto.conf" 2>/dev/null || return 0
  WARNED=1
  say "postgresql.auto.conf sets primary_conninfo, which wins over the record: run ALTER SYSTEM RESET primary_conninfo and SELECT pg_reload_conf() in this pod"
}

# standby_limits: a standby does not run with a lower limit than its primary
# (postgres manual, "Hot Standby"). After the operator lowered one the standbys come
# first, and a standby that was promoted keeps the higher one until its next start; so
# the primary's counts, as its WAL last told this pod and as it runs now. Leaves the
# options that keep such limits up in LIMIT_ARGS, and in LIMITS what the server starts
# with.
standby_limits() {
  local known name limit least own
  LIMIT_ARGS=() LIMITS=''
  known=$(limits_in_wal; primary_limits)
  for name in max_connections max_worker_processes max_wal_senders max_prepared_transactions max_locks_per_transaction; do
    own=$(setting "$name")
    least=$own
    for limit in $known; do
      [ "${limit%=*}" = "$name" ] && [ "${limit#*=}" -gt "$least" ] 2>/dev/null && least=${limit#*=}
    done
    [ "$least" = "$own" ] || LIMIT_ARGS+=(-c "$name=$least")
    LIMITS+="$name=$least "
  done
}

# limits_in_wal: what the last WAL record about the primary's limits said, as lines of
# NAME=NUMBER. pg_controldata shortens two of the names.
limits_in_wal() {
  LC_ALL=C as_postgres pg_controldata -D "$PGDATA" 2>/dev/null |
    sed -n '/^max_/{ s/_xacts setting/_transactions setting/; s/_xact setting/_transaction setting/; s/ setting: */=/p; }'
}

# primary_limits: what the recorded primary runs with; nothing when it does not answer.
primary_limits() {
  [ "$V_PRIMARY" != "$ORDINAL" ] || return 0
  remote_sql "$(pod_host "$V_PRIMARY")" 2 2>/dev/null <<'SQL'
SELECT string_agg(name || '=' || setting, ' ') FROM pg_settings
 WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction')
SQL
}

# limits_are_low: the primary has a higher limit by now than this standby was started
# with. Replay pauses at the record that says so, and resuming it would shut the server
# down.
limits_are_low() {
  local known limit own
  known=$(limits_in_wal)
  for own in $LIMITS; do
    for limit in $known; do
      if [ "${limit%=*}" = "${own%=*}" ] && [ "${limit#*=}" -gt "${own#*=}" ] 2>/dev/null; then
        say "the primary runs with $limit, and this standby was started with $own, so its replay has paused: starting postgres again"
        return 0
      fi
    done
  done
  return 1
}
