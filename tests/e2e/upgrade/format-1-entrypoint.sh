#!/usr/bin/env bash
# What every pod of a postgres cluster runs: it finds out whether this pod is the
# primary or a standby, starts postgres as that, and changes the role when the
# topology record in /backups says so. Everything it needs comes from the
# environment.

# --- What this pod is -------------------------------------------------------
# Every value comes from the container's environment; nothing is rendered into
# this file, so an upgrade of the plugin rolls the pods only when a script in
# it really changed.

set -u

CHILD='' HELPER='' STOPPING='' ROLE='' READY='' PROMOTING='' REPUBLISHED='' TRY_GOOD_SETTINGS='' WARNED=''
RECLONE='' UNHEEDED='' STUCK_AT='' BRANCHED_OFF='' REJOINED='' TICKS=0 LOOK_AT=0 CLONE_PAUSE=1
RESTORE_GIVEN_UP='' REPLAY_BY='' PEERS_ASKED='' TOOK_OVER='' NUDGE_AT=0 WAL_SEGMENT=''

say() { printf 'voodu: %s\n' "$*" >&2; }

# on_stop: docker stop sends INT or TERM, and both mean a fast shutdown here: a
# smart one would wait for the last client.
on_stop() {
  [ -n "$STOPPING" ] || say "stopping"
  STOPPING=1
  [ -z "$CHILD" ] || kill -INT "$CHILD" 2>/dev/null
  [ -z "$HELPER" ] || kill -TERM -- "-$HELPER" 2>/dev/null
}

on_reload() { [ -z "$CHILD" ] || kill -HUP "$CHILD" 2>/dev/null; }

# From here on: a stop that comes early must not be lost.
trap on_stop INT TERM
trap on_reload HUP

PORT=${PG_PORT:-5432}
ORDINAL=${VOODU_REPLICA_ORDINAL:-0}
INITIAL_PRIMARY=${PG_PRIMARY_ORDINAL:-0}
ENV_CLUSTER=${PG_CLUSTER_ID:-}
CLUSTER_REF=${VOODU_SCOPE:-}/${VOODU_NAME:-${PG_NAME:-}}
SUPERUSER=${POSTGRES_USER:-postgres}
DATABASE=${POSTGRES_DB:-$SUPERUSER}
REPLICATION_USER=${PG_REPLICATION_USER:-replicator}
ENV_REPLICATION_PASSWORD=${PG_REPLICATION_PASSWORD:-}
REPLICATION_PASSWORD=$ENV_REPLICATION_PASSWORD

VOLUME=${PGDATA%/*}
BACKUPS=/backups
SOCKETS=/var/run/postgresql
INIT_SENTINEL=$VOLUME/.voodu-init
CLONE_SENTINEL=$VOLUME/.voodu-clone
# What the older plugin's entrypoint leaves when its clone is interrupted.
OLDER_CLONE_SENTINEL=$VOLUME/.voodu-bootstrap-incomplete
RUNTIME_CONF=$PGDATA/voodu-runtime.conf
PASSFILE=$VOLUME/.voodu-passfile

# A client setting that an operator put into the environment must not redirect
# the supervisor's own connections. Ours are PGDATA and those with an underscore.
for name in "${!PG@}"; do
  case $name in
    PGDATA | PG_*) ;;
    *) unset "$name" ;;
  esac
done
export PGCONNECT_TIMEOUT=3

# The command that drops root: gosu in Debian images and newer Alpine ones,
# su-exec in older Alpine ones, nothing when the container does not run as root.
DROP=()
if [ "$EUID" = 0 ]; then
  if command -v gosu >/dev/null; then
    DROP=(gosu postgres)
  else
    DROP=(su-exec postgres)
  fi
fi

# die MESSAGE...: leaves, after a clean stop of a server that runs.
die() {
  say "$*"
  [ -z "$CHILD" ] || stop_server
  exit 1
}

# as_postgres COMMAND...: the volume and the backups directory belong to the
# postgres user, and so to whoever is superuser in the database. Root follows no
# path in there that a link could lead elsewhere: what is read or written there
# by a command is done as that user.
as_postgres() { "${DROP[@]}" "$@"; }

# pod_host ORDINAL: the pod's name on the cluster's network. The platform
# registers aliases in lower case.
pod_host() { local name="$PG_NAME-$1$PG_SCOPE_SUFFIX" && printf '%s' "${name,,}"; }

# install_file FILE MODE: puts standard input in FILE's place, whole or not at
# all.
install_file() {
  # shellcheck disable=SC2016 # The inner shell expands it.
  as_postgres sh -c '
    [ ! -d "$1" ] || [ -L "$1" ] || exit 1
    temp=$(mktemp "$1.voodu.XXXXXX") || exit 1
    cat >"$temp" && chmod "$2" "$temp" && sync "$temp" && mv -f "$temp" "$1" && exit 0
    rm -f "$temp"
    exit 1' sh "$1" "$2"
}

# read_file FILE: leaves the text of a small plain file in TEXT, without a fork.
# Returns 1 when there is none and 2 for what is no such file: a pipe would block
# the supervisor, a link could lead anywhere.
read_file() {
  TEXT=''
  [ -e "$1" ] || [ -L "$1" ] || return 1
  [ -f "$1" ] && [ ! -L "$1" ] || return 2
  # Success means a NUL byte or more than 4096 bytes.
  if { IFS= read -r -d '' -n 4097 TEXT <"$1"; } 2>/dev/null; then
    TEXT=''
    return 2
  fi
}

# session HOST USER SECONDS: runs the SQL on standard input, which answers with
# one line at the most. An operator may have dropped the cluster's database, or
# the right to connect to it, so it tries postgres next.
session() {
  local sql database answer
  sql=$(cat)
  for database in "$DATABASE" postgres; do
    # A warning of the server comes before the answer.
    if answer=$(timeout "$3" psql -XAtq -v ON_ERROR_STOP=1 "host=$1 port=$PORT user=$2 dbname=$database" <<<"$sql" 2>&1); then
      printf '%s\n' "${answer##*$'\n'}"
      return 0
    fi
    [[ $answer == *"database \""* ]] || break
  done
  printf '%s\n' "$answer" >&2
  return 1
}

# local_sql: asks this pod's server, as superuser. A session of ours never waits
# for a synchronous standby.
local_sql() { PGOPTIONS='-c synchronous_commit=local -c log_statement=none' session "$SOCKETS" "$SUPERUSER" 10; }

# remote_sql HOST [SECONDS]: asks another pod's server, as the replication role;
# around a rotation, with the passwords of the passfile too.
remote_sql() {
  local sql answer password line
  sql=$(cat)
  for line in 0 1 2; do
    password=$REPLICATION_PASSWORD
    [ "$line" = 0 ] || password=$(stored_password "$line")
    [ -n "$password" ] || continue
    if answer=$(PGPASSWORD=$password session "$1" "$REPLICATION_USER" "${2:-4}" <<<"$sql" 2>&1); then
      printf '%s\n' "$answer"
      return 0
    fi
    [[ $answer == *"password authentication failed"* ]] || break
  done
  printf '%s\n' "${answer:-no replication password is known}" >&2
  return 1
}

# --- The topology record ----------------------------------------------------
# A few key=value lines say who is primary. The shared one lies in the backups
# directory, which all pods of the cluster mount; each pod keeps a copy of the
# last one that it saw. It is parsed strictly and never sourced.

RECORD=$BACKUPS/.topology
RECORD_LOCK=$BACKUPS/.topology.lock
RECORD_COPY=$VOLUME/.topology

# record_parse TEXT: fills R_* and returns 0, or returns 1 for anything that is
# not exactly a record.
record_parse() {
  local text=$1 line key value seen=' '
  R_CLUSTER='' R_EPOCH='' R_PRIMARY='' R_STATE='' R_TARGET='' R_STOPPED_AT='' R_CLEAN='' R_REJOIN=''
  while [ -n "$text" ]; do
    line=${text%%$'\n'*}
    # A last line without its line end is a record that was cut off.
    [ "$line" != "$text" ] || return 1
    text=${text#*$'\n'}
    key=${line%%=*} value=${line#*=}
    [ "$key" != "$line" ] && [[ $seen != *" $key "* ]] || return 1
    seen+="$key "
    record_field "$key" "$value" || return 1
  done
  [ -n "$R_CLUSTER" ] && [ -n "$R_EPOCH" ] && [ -n "$R_PRIMARY" ] && [ -n "$R_STATE" ] || return 1
  if [ "$R_STATE" = handover ]; then
    [ -n "$R_TARGET" ]
  else
    [ -z "$R_TARGET$R_STOPPED_AT" ]
  fi
}

# record_field KEY VALUE: checks one line and keeps its value.
record_field() {
  # Ranges like 0-9 hold other scripts' digits too in some locales.
  local ordinal='^(0|[123456789][0123456789]{0,4})$'
  case $1 in
    cluster) [[ $2 =~ ^[0123456789abcdef]{32}$ ]] && R_CLUSTER=$2 ;;
    epoch) [[ $2 =~ ^[123456789][0123456789]{0,17}$ ]] && R_EPOCH=$2 ;;
    primary) [[ $2 =~ $ordinal ]] && R_PRIMARY=$2 ;;
    state) [[ $2 =~ ^(steady|handover|maintenance)$ ]] && R_STATE=$2 ;;
    target) [[ $2 =~ $ordinal ]] && R_TARGET=$2 ;;
    stopped_at) [[ $2 =~ ^[0123456789ABCDEF]{1,8}/[0123456789ABCDEF]{1,8}$ ]] && R_STOPPED_AT=$2 ;;
    clean) [[ $2 =~ $ordinal ]] && R_CLEAN=$2 ;;
    rejoin) [[ $2 =~ $ordinal ]] && R_REJOIN=$2 ;;
    *) return 1 ;;
  esac
}

# record_load FILE: like read_file, and leaves the record's fields in R_*;
# returns 2 for everything that is not a record.
record_load() {
  read_file "$1" || return
  record_parse "$TEXT" || return 2
}

# record_render: prints the record that N_* describe.
record_render() {
  printf 'cluster=%s\nepoch=%s\nprimary=%s\nstate=%s\n' "$N_CLUSTER" "$N_EPOCH" "$N_PRIMARY" "$N_STATE"
  [ -z "${N_TARGET:-}" ] || printf 'target=%s\n' "$N_TARGET"
  [ -z "${N_STOPPED_AT:-}" ] || printf 'stopped_at=%s\n' "$N_STOPPED_AT"
  [ -z "${N_CLEAN:-}" ] || printf 'clean=%s\n' "$N_CLEAN"
  [ -z "${N_REJOIN:-}" ] || printf 'rejoin=%s\n' "$N_REJOIN"
}

# record_replace ALLOWED COMMAND...: under the lock, reads the shared record
# again, asks the function ALLOWED whether the change still holds, and installs
# what COMMAND prints. Returns 1 when somebody else was first.
record_replace() {
  local allowed=$1
  shift
  # Opening a pipe would block, opening a link would create what it points at.
  if [ -L "$RECORD_LOCK" ] || { [ -e "$RECORD_LOCK" ] && [ ! -f "$RECORD_LOCK" ]; }; then
    rm -f "$RECORD_LOCK"
  fi
  (
    # Busybox' flock has no time limit of its own.
    timeout 10 flock 9 || exit 1
    lock_is_in_place /proc/self/fd/9 || exit 1
    record_load "$RECORD"
    "$allowed" $? || exit 1
    # `mv` would move into a directory that somebody put in the record's place.
    [ ! -d "$RECORD" ] || [ -L "$RECORD" ] || exit 1
    rm -f "$RECORD".voodu.??????
    [ ! -L "$RECORD" ] || rm -f "$RECORD"
    "$@" | install_file "$RECORD" 0644 && sync "$BACKUPS"
  ) 9>>"$RECORD_LOCK"
}

# lock_is_in_place OPEN: whoever removed the lock file meanwhile made others lock
# another one.
lock_is_in_place() { [ "$RECORD_LOCK" -ef "$1" ]; }

# record_decided_on LOADED: the shared record is still the one that the change
# was decided on (V_* is this pod's view of it).
record_decided_on() {
  if [ "$V_RECORD" = none ]; then
    record_is_useless "$1"
  else
    [ "$1" = 0 ] && [ "$R_CLUSTER" = "$V_CLUSTER" ] && [ "$R_EPOCH" = "$V_EPOCH" ] && [ "$R_STATE" = "$V_STATE" ]
  fi
}

# record_is_useless LOADED: there is no shared record of this pod's cluster.
record_is_useless() { [ "$1" != 0 ] || [ "$R_CLUSTER" != "$V_CLUSTER" ]; }

# record_is_older LOADED: the shared record knows less than this pod's copy.
record_is_older() {
  [ "$1" != 0 ] || { [ "$R_CLUSTER" = "$V_CLUSTER" ] && [ "$R_EPOCH" -lt "$C_EPOCH" ]; }
}

# record_create: writes the first record of a cluster, with this pod as primary.
record_create() {
  local N_CLUSTER=$ENV_CLUSTER N_EPOCH=1 N_PRIMARY=$ORDINAL N_STATE=steady
  record_replace record_decided_on record_render
}

# record_close_rejoin: this pod did what `rejoin` asked of it.
record_close_rejoin() {
  local V_REJOIN=''
  record_change
}

# record_change [STOPPED_AT]: replaces the record in view by its next epoch. The
# caller's local N_PRIMARY, N_STATE, V_CLEAN and V_REJOIN say what else differs.
record_change() {
  local N_CLUSTER=$V_CLUSTER N_EPOCH=$((V_EPOCH + 1)) N_PRIMARY=${N_PRIMARY:-$V_PRIMARY} N_STATE=${N_STATE:-$V_STATE}
  local N_TARGET='' N_STOPPED_AT='' N_CLEAN=$V_CLEAN N_REJOIN=$V_REJOIN
  [ "$N_STATE" != handover ] || N_TARGET=$V_TARGET N_STOPPED_AT=${1:-}
  record_replace record_decided_on record_render
}

# record_publish_copy: puts this pod's copy in the place of a shared record
# that is missing, unreadable or older.
record_publish_copy() { record_replace record_is_older printf '%s' "$C_TEXT"; }

# record_keep: keeps a copy of the record in force in the volume.
record_keep() {
  [ "$V_TEXT" = "$C_TEXT" ] || { printf '%s' "$V_TEXT" | install_file "$RECORD_COPY" 0644 && sync "$VOLUME"; }
}

# observe: this pod's view of the record, in V_*. V_RECORD is `ours`, `none`
# (there is none, or it belongs to a cluster that this empty volume knows
# nothing of), `foreign` or `garbage`. A good copy of a lost, unreadable or
# outdated shared record is published again.
observe() {
  local loaded
  V_RECORD=none V_TEXT='' V_CLUSTER=$ENV_CLUSTER V_EPOCH='' V_PRIMARY=$INITIAL_PRIMARY V_STATE=''
  V_TARGET='' V_STOPPED_AT='' V_CLEAN='' V_REJOIN=''
  C_TEXT='' C_EPOCH=''
  if record_load "$RECORD_COPY" && { [ "$SHAPE" != empty ] || [ "$R_CLUSTER" = "$ENV_CLUSTER" ]; }; then
    C_TEXT=$TEXT C_EPOCH=$R_EPOCH V_CLUSTER=$R_CLUSTER
  fi
  record_load "$RECORD"
  loaded=$?
  SHARED_TEXT=$TEXT
  if [ "$loaded" = 0 ] && [ "$R_CLUSTER" = "$V_CLUSTER" ] && { [ -z "$C_TEXT" ] || [ "$R_EPOCH" -ge "$C_EPOCH" ]; }; then
    observed ours "$TEXT"
  elif [ -n "$C_TEXT" ]; then
    if [ "$loaded" = 0 ] && [ "$R_CLUSTER" != "$V_CLUSTER" ]; then
      V_RECORD=foreign
    else
      observe_copy
    fi
  elif [ "$loaded" = 2 ]; then
    V_RECORD=garbage
  elif [ "$loaded" = 0 ]; then
    # A cluster that was deleted with its volumes leaves its record behind, and
    # a volume without data has no reason to mind.
    case $SHAPE in
      standby | primary | unknown) V_RECORD=foreign ;;
    esac
  fi
  # Kept before it is acted on: a pod that dies right after its promotion knows
  # of it at its next boot, whatever became of the shared record.
  case $SHAPE:$V_RECORD in
    standby:ours | primary:ours) record_keep || say "could not keep a copy of the record in $VOLUME" ;;
  esac
}

# observe_copy: falls back on the copy, and lets the other pods see it again.
observe_copy() {
  if record_publish_copy; then
    say "the shared record $RECORD was missing, unreadable or outdated; published this pod's copy again (epoch $C_EPOCH)"
    REPUBLISHED=1
    SHARED_TEXT=$C_TEXT
  fi
  record_parse "$C_TEXT" && observed ours "$C_TEXT"
}

# observed KIND TEXT: takes the parsed record over into the view.
observed() {
  V_RECORD=$1 V_TEXT=$2 V_CLUSTER=$R_CLUSTER V_EPOCH=$R_EPOCH V_PRIMARY=$R_PRIMARY V_STATE=$R_STATE
  V_TARGET=$R_TARGET V_STOPPED_AT=$R_STOPPED_AT V_CLEAN=$R_CLEAN V_REJOIN=$R_REJOIN
}

# --- The data directory -----------------------------------------------------

# data_shape: leaves in SHAPE what the data directory looks like: empty, init
# or clone (such a step was interrupted), fresh (initialised, never used),
# standby, primary, or unknown.
data_shape() {
  if [ -e "$INIT_SENTINEL" ]; then
    SHAPE=init
    read_file "$INIT_SENTINEL" && [ "$TEXT" = complete$'\n' ] && SHAPE=fresh
  elif [ -n "$RECLONE" ] || [ -e "$CLONE_SENTINEL" ] || [ -e "$OLDER_CLONE_SENTINEL" ]; then
    SHAPE=clone
  elif [ ! -d "$PGDATA" ] || directory_is_empty "$PGDATA"; then
    SHAPE=empty
  elif [ ! -s "$PGDATA/PG_VERSION" ] || [ ! -f "$PGDATA/global/pg_control" ]; then
    SHAPE=unknown
  elif [ -e "$PGDATA/standby.signal" ] || [ -e "$PGDATA/recovery.signal" ]; then
    SHAPE=standby
  else
    SHAPE=primary
  fi
}

directory_is_empty() {
  local entry
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ ! -e "$entry" ] && [ ! -L "$entry" ] || return 1
  done
}

# data_wipe: empties the data directory. Only for data under a sentinel, or for
# a standby's copy of what the primary holds. Tablespaces in this pod's volume go
# first: once the links to them are gone nothing leads there.
data_wipe() {
  local link target
  [ ! -L "$PGDATA" ] || return 1
  for link in "$PGDATA"/pg_tblspc/*; do
    target=$(readlink "$link") || continue
    wipe_tablespace "$target" || return 1
  done
  as_postgres mkdir -p "$PGDATA" && as_postgres rm -rf "${PGDATA:?}"/* "$PGDATA"/.[!.]* "$PGDATA"/..?* &&
    as_postgres chmod 0700 "$PGDATA"
}

# wipe_tablespace DIRECTORY: only in this pod's volume. Elsewhere it may be a
# directory that the pods share.
wipe_tablespace() {
  case $1/ in
    */../*) ;;
    "$VOLUME"/*) as_postgres rm -rf "$1"/PG_* ;;
  esac
}

# sentinel_set FILE [PHASE] / sentinel_clear FILE: marks the data directory as
# not to be used. Everything before the clearing is on disk before the mark goes.
sentinel_set() { printf '%s\n' "${2:-}" | install_file "$1" 0600 && sync "$VOLUME"; }
sentinel_clear() { sync -f "$PGDATA" && rm -f "$1" && sync "$VOLUME"; }

# control FIELD: one value of pg_controldata.
control() {
  LC_ALL=C as_postgres pg_controldata -D "$PGDATA" 2>/dev/null | sed -n "s/^$1: *//p"
}

# check_major: postgres cannot read another major version's files, and tells it
# with a message that does not say what to do.
check_major() {
  local have image
  [ -s "$PGDATA/PG_VERSION" ] || return 0
  IFS= read -r have <"$PGDATA/PG_VERSION"
  image=$(postgres -V)
  image=${image##*) }
  image=${image%%[!0-9]*}
  [ "$have" = "$image" ] ||
    die "the data in this volume is of postgres $have and the image is postgres $image: set image to a postgres:$have image and apply again; nothing was changed"
}

# --- Settings ---------------------------------------------------------------

CONF_DIRECTORY=/etc/postgresql
GOOD_CONF=$VOLUME/.voodu-good-conf
FALLBACK_CONF=$PGDATA/voodu-fallback.conf

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

# write_passfile: the replication password as libpq wants it (postgres manual,
# 34.16). A standby reads it at each new connection, so a rotation only has to
# replace it.
write_passfile() {
  local password=${REPLICATION_PASSWORD//"\\"/"\\\\"}
  password=${password//:/"\\:"}
  [ "$(stored_password)" = "$REPLICATION_PASSWORD" ] ||
    printf '*:*:*:%s:%s\n' "$REPLICATION_USER" "$password" | install_file "$PASSFILE" 0600
}

# stored_password [LINE]: the replication password in the passfile, if there is
# one. The second line is the one before the last rotation; libpq does not read it.
stored_password() {
  local line
  read_file "$PASSFILE" || return 0
  [ "${1:-1}" = 1 ] || TEXT=${TEXT#*$'\n'}
  line=${TEXT%%$'\n'*}
  [[ $line == "*:*:*:$REPLICATION_USER:"* ]] || return 0
  line=${line#"*:*:*:$REPLICATION_USER:"}
  line=${line//"\\:"/:}
  printf '%s' "${line//"\\\\"/"\\"}"
}

# choose_password ORDINAL: after a rotation the passfile knows a newer
# replication password than the container's environment; after one that was
# interrupted, or after the next apply, it is the other way round. Keeps whichever
# logs in there; the passfile's while nobody answers.
choose_password() {
  local stored candidate answer
  stored=$(stored_password)
  [ -n "$stored" ] && [ "$stored" != "$ENV_REPLICATION_PASSWORD" ] || return 0
  REPLICATION_PASSWORD=$stored
  for candidate in "$stored" "$ENV_REPLICATION_PASSWORD" "$(stored_password 2)"; do
    [ -n "$candidate" ] || continue
    if answer=$(PGPASSWORD=$candidate session "$(pod_host "$1")" "$REPLICATION_USER" 4 <<<'SELECT 1' 2>&1); then
      REPLICATION_PASSWORD=$candidate
      return
    fi
    [[ $answer == *"password authentication failed"* ]] || return 0
  done
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
# what a later start can fall back on.
keep_good_settings() {
  local file
  [ -z "$FELL_BACK" ] || return 0
  [ -d "$GOOD_CONF" ] || as_postgres mkdir -m 0700 "$GOOD_CONF"
  for file in "$CONF_DIRECTORY"/*.conf; do
    install_file "$GOOD_CONF/${file##*/}" 0600 <"$file"
  done
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

# standby_limits: a standby does not start with a lower limit than its primary
# had (postgres manual, 27.4.3), and after the operator lowered one the standbys
# come first. Leaves the options that keep such limits up in LIMIT_ARGS.
standby_limits() {
  local name field had
  LIMIT_ARGS=()
  for name in max_connections max_worker_processes max_wal_senders max_prepared_transactions max_locks_per_transaction; do
    field=$name
    [ "$name" != max_prepared_transactions ] || field=max_prepared_xacts
    [ "$name" != max_locks_per_transaction ] || field=max_locks_per_xact
    had=$(control "$field setting")
    if [ -n "$had" ] && [ "$(setting "$name")" -lt "$had" ] 2>/dev/null; then
      LIMIT_ARGS+=(-c "$name=$had")
    fi
  done
}

# --- The other pods ---------------------------------------------------------

# addresses_of HOST: one in each line. Not every image's getent knows ahostsv4.
addresses_of() {
  { timeout 2 getent ahostsv4 "$1" || timeout 2 nslookup "$1"; } 2>/dev/null |
    grep -oE '[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+' | sort -u
}

# peer_addresses: the addresses of the other pods that run, from the alias that
# all pods of the cluster share.
peer_addresses() {
  local shared="$PG_NAME$PG_SCOPE_SUFFIX" mine address
  mine=" $(hostname -i) "
  for address in $(addresses_of "${shared,,}"); do
    case " 127.0.0.11 ${mine//$'\n'/ } " in
      *" $address "*) ;;
      *) printf '%s\n' "$address" ;;
    esac
  done
}

# ask_peers [SECONDS [EXCEPT]]: asks every other pod at once whether it is in
# recovery, within 2 s or that, and none at the addresses EXCEPT.
# Leaves the addresses that answered in PEERS_UP, and in PEER_WRITABLE one that
# is not in recovery. Silence is no answer and no objection; a server that runs
# and does not say is mentioned.
ask_peers() {
  local address answer except=" ${2:-} "
  PEERS_UP='' PEER_WRITABLE=''
  while read -r address answer; do
    case $answer in
      t) PEERS_UP+="$address " ;;
      f) PEERS_UP+="$address " PEER_WRITABLE=$address ;;
      *FATAL*)
        PEERS_UP+="$address "
        say "$(peer_name "$address") runs but does not say whether it is a primary: ${answer#*FATAL: }"
        ;;
    esac
  done < <(
    for address in $(peer_addresses); do
      [[ ${except//$'\n'/ } != *" $address "* ]] || continue
      printf '%s %s\n' "$address" "$(remote_sql "$address" "${1:-2}" <<<'SELECT pg_is_in_recovery()' 2>&1 | tr '\n' ' ')" &
    done
    wait
  )
}

# peer_name ADDRESS: the container behind an address, for a message.
peer_name() {
  local name
  name=$(timeout 2 getent hosts "$1" | sed -n 's/^[^ ]*  *\([^ ]*\).*/\1/p')
  printf '%s' "${name:-$1}"
}

# refuse_second_primary: the net under everything. Before this pod runs writable,
# no other pod of the cluster may be.
refuse_second_primary() {
  ask_peers
  [ -z "$PEER_WRITABLE" ] ||
    die "$(peer_name "$PEER_WRITABLE") already runs as a primary of $CLUSTER_REF, so this pod does not start as a second one; look at both pods' logs, then stop the wrong one"
}

# --- The first boot of a cluster --------------------------------------------

# act_first_boot: initialises an empty volume through the image's own entrypoint
# (users, password, database, init scripts). No client can connect over the
# network before the sentinel is gone, so nothing that anybody was told to be
# committed lies in a directory that a later boot wipes.
act_first_boot() {
  say "first boot: initialising an empty volume"
  { sentinel_set "$INIT_SENTINEL" && data_wipe; } || die "cannot prepare $PGDATA"
  docker-entrypoint.sh postgres -c listen_addresses= -c password_encryption=scram-sha-256 &
  CHILD=$!
  # The image's entrypoint ends by becoming the server, with the same process
  # id; the temporary server of its init scripts has another one.
  until [ "$(postmaster_pid)" = "$CHILD" ]; do
    tick
    if ! child_runs; then
      child_ended
      die "the first initialisation failed with exit code $CODE, see above; it starts over at the next boot"
    fi
    [ -z "$STOPPING" ] || exit 143
  done
  stop_server
  { wire_settings && write_runtime_conf && sync "$PGDATA" && sentinel_set "$INIT_SENTINEL" complete; } ||
    die "cannot write the settings in $PGDATA"
}

# act_finish_first_boot: makes the new database the cluster's, unless pods show
# that hold the data of a cluster whose record was lost.
act_finish_first_boot() {
  ask_peers
  if [ -n "$PEERS_UP" ] || [ "${V_EPOCH:-1}" != 1 ]; then
    data_wipe && rm -f "$INIT_SENTINEL"
    refuse_empty_volume
  fi
  if [ "$V_RECORD" = none ]; then
    record_create || retry "could not write the first record"
    return 0
  fi
  { record_keep && sentinel_clear "$INIT_SENTINEL"; } || die "cannot finish the first initialisation"
}

# refuse_empty_volume: says how to go on without this pod's data, and how to
# start over.
refuse_empty_volume() {
  die "this pod's volume is empty, but cluster $CLUSTER_REF exists and this pod is its primary: an empty database must not replace the data of the standbys." \
    "To go on with a standby: vd postgres:promote $CLUSTER_REF --replica <ordinal> --force." \
    "To start over without any data: vd delete $CLUSTER_REF --prune, remove the file .topology in the cluster's backups directory on the host, vd apply"
}
act_refuse_empty() { refuse_empty_volume; }

act_refuse_half_copy() {
  die "this pod is the primary of $CLUSTER_REF, but its volume holds a copy that was interrupted, which cannot be used." \
    "To go on with another pod: vd postgres:promote $CLUSTER_REF --replica <ordinal> --force"
}

# postmaster_pid: the process that runs on the data directory, if any.
postmaster_pid() {
  read_file "$PGDATA/postmaster.pid"
  printf '%s' "${TEXT%%$'\n'*}"
}

# --- A standby's copy of the primary ----------------------------------------

# act_clone: copies the primary into this pod's volume. A clone that anything
# interrupts starts over, because the sentinel goes last. What is there stays
# until the primary answers.
act_clone() {
  choose_password "$V_PRIMARY"
  wait_for_primary || return 0
  say "cloning pod $V_PRIMARY"
  sentinel_set "$CLONE_SENTINEL" || die "cannot write to $VOLUME"
  RECLONE='' TRY_GOOD_SETTINGS=''
  as_postgres rm -f "$INIT_SENTINEL" "$OLDER_CLONE_SENTINEL"
  { wipe_tablespaces && data_wipe; } || die "cannot empty $PGDATA"
  if ! base_backup "$PGDATA"; then
    back_off
    return 0
  fi
  CLONE_PAUSE=1
  observe
  { make_standby && record_keep && sentinel_clear "$CLONE_SENTINEL"; } || die "cannot finish the clone in $PGDATA"
  say "cloned pod $V_PRIMARY"
}

# wipe_tablespaces: what an interrupted copy left where the primary has
# tablespaces.
wipe_tablespaces() {
  local locations location
  locations=$(remote_sql "$(pod_host "$V_PRIMARY")" <<<"SELECT string_agg(pg_tablespace_location(oid), '|') FROM pg_tablespace")
  while IFS= read -r -d '|' location; do
    [ -z "$location" ] || wipe_tablespace "$location" || return 1
  done <<<"$locations|"
}

# back_off: each failure of a copy costs the primary a checkpoint.
back_off() {
  pause "$CLONE_PAUSE"
  [ "$CLONE_PAUSE" -ge 60 ] || CLONE_PAUSE=$((CLONE_PAUSE * 2))
}

# base_backup DIRECTORY: copies the recorded primary. A spread checkpoint would
# make the copy wait for minutes. One sync of the file system, before the copy
# counts, is faster than one of each file.
base_backup() {
  PGPASSWORD=$REPLICATION_PASSWORD setsid "${DROP[@]}" pg_basebackup -D "$1" -X stream -c fast --no-sync --no-password \
    -d "host=$(pod_host "$V_PRIMARY") port=$PORT user=$REPLICATION_USER application_name=voodu-postgres-clone-$ORDINAL" &
  await_helper $! "copying pod $V_PRIMARY"
}

# make_standby: the copy follows the recorded primary from its first start on.
make_standby() {
  install_file "$PGDATA/standby.signal" 0600 </dev/null && wire_settings && write_runtime_conf "$V_PRIMARY" && stamp_restored
}

# wait_for_primary: asks once a second, for five minutes, until the recorded
# primary accepts writes. Returns 1 when the record changed meanwhile.
wait_for_primary() {
  local host deadline=$((TICKS + 300 * 5)) answer said=''
  host=$(pod_host "$V_PRIMARY")
  until answer=$(remote_sql "$host" <<<'SELECT pg_is_in_recovery()' 2>&1) && [ "$answer" = f ]; do
    [ "$answer" != t ] || answer="it is still in recovery"
    if [ -z "$said" ]; then
      say "waiting for pod $V_PRIMARY: ${answer//$'\n'/ | }"
      said=1
    fi
    [ "$TICKS" -lt "$deadline" ] ||
      die "pod $V_PRIMARY ($host) did not become a usable primary in 5 minutes: ${answer//$'\n'/ | }"
    pause 1
    ! record_changed || return 1
  done
}

# await_helper PID WHAT: waits for a long step, which leads a process group.
# Returns 1 when it failed, or was given up because the record moved.
await_helper() {
  local code given_up=''
  HELPER=$1
  while kill -0 "$HELPER" 2>/dev/null; do
    step
    if [ -z "$given_up" ] && record_moved; then
      say "the record changed, giving up $2"
      given_up=1
      kill -TERM -- "-$HELPER" 2>/dev/null
    fi
    [ -z "$STOPPING" ] || kill -TERM -- "-$HELPER" 2>/dev/null
  done
  wait "$HELPER"
  code=$?
  HELPER=''
  [ -z "$STOPPING" ] || exit 143
  if [ "$code" != 0 ]; then
    say "$2 failed with exit code $code, see above"
    return 1
  fi
}

# --- A standby that fell behind ---------------------------------------------

# tend_standby: every 10 s. Returns 1 after the server was stopped.
tend_standby() {
  if receiver_runs; then
    STUCK_AT='' BRANCHED_OFF=''
    [ "$V_REJOIN" != "$ORDINAL" ] || record_close_rejoin
    return 0
  fi
  heal_standby
}

# heal_standby: the primary keeps a limited amount of WAL and no slots. A standby
# that needs a segment which is gone will never stream again, so it starts over
# from a fresh copy. One that has more than the primary cannot follow it either: it
# says so, and rejoins once an operator gave that up. Returns 1 after it stopped the
# server.
heal_standby() {
  local position seen_before=$STUCK_AT
  position=$(stuck_position)
  # While the position still moves, this pod replays WAL that it has.
  STUCK_AT=$position
  [ -n "$position" ] && [ "$position" = "$seen_before" ] || return 0
  warn_of_auto_conf
  if [ -z "$BRANCHED_OFF" ] && [ "$(branched_off_before "$position")" = t ]; then
    BRANCHED_OFF=1
    say "this standby has WAL that pod $V_PRIMARY never got, and cannot follow it; to give that up: vd postgres:rejoin $CLUSTER_REF --replica $ORDINAL"
  fi
  [ -z "$BRANCHED_OFF" ] && [ "$(wal_is_gone "$position")" = t ] || return 0
  say "pod $V_PRIMARY no longer has the WAL that this standby needs after $position: cloning it again"
  RECLONE=1
  stop_server
  return 1
}

# receiver_runs: looks for the WAL receiver among the processes, without a fork. One
# that is idle has nothing that it could receive.
receiver_runs() {
  local file title
  for file in /proc/[0-9]*/cmdline; do
    { IFS= read -r -d '' title <"$file"; } 2>/dev/null
    case $title in
      "postgres: walreceiver idle"*) return 1 ;;
      "postgres: walreceiver"*) return 0 ;;
    esac
  done
  return 1
}

# stuck_position: how far this standby has WAL; nothing while its replay is held
# up on purpose. Before it accepts sessions: how far it has to replay at least,
# once it looks for a segment that it does not have.
stuck_position() {
  if [ -n "$READY" ]; then
    local_sql 2>/dev/null <<'SQL'
SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
 WHERE NOT pg_is_wal_replay_paused() AND current_setting('recovery_min_apply_delay') = '0'
SQL
  elif startup_waits; then
    control 'Minimum recovery ending location'
  fi
}

# startup_waits: the process that replays says what it is doing.
startup_waits() {
  local file title
  for file in /proc/[0-9]*/cmdline; do
    { IFS= read -r -d '' title <"$file"; } 2>/dev/null
    [[ $title != "postgres: startup"*"waiting for"* ]] || return 0
  done
  return 1
}

# wal_is_gone POSITION: asks the primary whether the segment that continues at
# POSITION is older than the oldest one that it has. The timeline part of the
# names does not count. A primary that is another database altogether is no
# reason to give this data up.
wal_is_gone() {
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<SQL
SELECT NOT pg_is_in_recovery()
   AND (SELECT system_identifier::text FROM pg_control_system()) = '$(control 'Database system identifier')'
   AND div('$1'::pg_lsn - '0/0'::pg_lsn, size) <
       min(('x' || substr(file, 9, 8))::bit(32)::bigint * div(4294967296, size) + ('x' || substr(file, 17, 8))::bit(32)::bigint)
  FROM pg_ls_dir('pg_wal', true, false) AS file,
       LATERAL (SELECT setting::numeric AS size FROM pg_settings WHERE name = 'wal_segment_size') AS segment
 WHERE file ~ '^[0-9A-F]{24}\$'
 GROUP BY size
SQL
}

# branched_off_before POSITION: asks the primary whether its history left the
# newest timeline that this pod has WAL of at an earlier place.
branched_off_before() {
  local file newest=''
  for file in "$PGDATA"/pg_wal/*; do
    file=${file##*/}
    [[ $file =~ ^[0-9A-F]{24}$ ]] || continue
    [[ ${file:0:8} < $newest ]] || newest=${file:0:8}
  done
  [ -n "$newest" ] || return 0
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<SQL
SELECT NOT pg_is_in_recovery() AND EXISTS (
  SELECT FROM regexp_split_to_table(convert_from(coalesce(pg_read_binary_file(
           'pg_wal/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '.history', 0, 1000000, true), ''), 'UTF8'), E'\\n') AS line
   WHERE split_part(line, E'\\t', 1) = '$((16#$newest))' AND split_part(line, E'\\t', 2)::pg_lsn < '$1')
SQL
}

# --- A pod with a history of its own follows again --------------------------

# A copy that is made beside the old data. The mark says that it is complete, so
# that whatever interrupts the swap, a later boot finishes it.
BESIDE=$VOLUME/.voodu-beside
BESIDE_COMPLETE=$VOLUME/.voodu-beside-complete
REPLACED=$VOLUME/.voodu-replaced

# act_follow_clean: everything that this pod had as a primary was received by the
# new one before the handover, so there is nothing to rewind.
act_follow_clean() {
  check_major
  [ "$(control 'Database cluster state')" = 'shut down' ] || act_guard
  { make_standby && sync "$PGDATA"; } || die "cannot write in $PGDATA"
}

# act_rejoin: an operator gave up what only this pod has, an old primary or a
# standby. Rewinds the data to where the primary's history branched off; where that
# cannot be done, copies the primary. What is there is not touched before one of the
# two is known to work.
act_rejoin() {
  # What kept the server from starting may have been these data.
  TRY_GOOD_SETTINGS=''
  check_major
  choose_password "$V_PRIMARY"
  write_passfile || die "cannot write in $VOLUME"
  wait_for_primary || return 0
  check_settings
  # Before its first checkpoint a promoted server still claims the old timeline,
  # and pg_rewind would find nothing to do.
  until [ "$(primary_has_checkpointed)" = t ]; do
    pause 1
    ! record_changed || return 0
  done
  # A primary that is away for a moment is no reason for a copy.
  if recover_data && { check_rewind || { wait_for_primary && check_rewind; }; }; then
    # From here on a copy is the only other way.
    sentinel_set "$CLONE_SENTINEL" || die "cannot write to $VOLUME"
    say "rewinding this pod's data to the history of pod $V_PRIMARY"
    rewind || return 0
    { make_standby && sentinel_clear "$CLONE_SENTINEL"; } || die "cannot finish the rewind in $PGDATA"
    REJOINED=1
    say "rewound this pod's data"
  elif ! record_moved; then
    say "this pod's data cannot be rewound, see above: copying pod $V_PRIMARY instead"
    copy_beside
  fi
}

primary_has_checkpointed() {
  remote_sql "$(pod_host "$V_PRIMARY")" 2>/dev/null <<'SQL'
SELECT timeline_id = ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int FROM pg_control_checkpoint()
SQL
}

# recover_data: pg_rewind wants data that was shut down; after a crash that takes
# a recovery first (postgres manual, pg_rewind, Notes).
recover_data() {
  case $(control 'Database cluster state') in
    'shut down' | 'shut down in recovery') return 0 ;;
  esac
  say "recovering this pod's data from its crash"
  as_postgres rm -f "$PGDATA/standby.signal"
  setsid "${DROP[@]}" postgres --single -D "$PGDATA" "${CONF_ARGS[@]}" template1 </dev/null >/dev/null &
  await_helper $! "the recovery"
}

# check_rewind: pg_rewind makes all its checks before it changes anything, and with
# --dry-run goes on to fetch what it does not write. It says how much that is first,
# and is ended there.
check_rewind() {
  rewind_command
  # shellcheck disable=SC2016 # The inner shell expands it.
  LC_ALL=C setsid bash -c '
    while IFS= read -r line; do
      printf "%s\n" "$line" >&2
      if [[ $line == *"need to copy"* ]]; then
        kill "$!"
        exit 0
      fi
    done < <(exec "$@" 2>&1)
    wait "$!"' bash "${REWIND[@]}" --dry-run --progress &
  await_helper $! "the check before pg_rewind"
}

rewind() {
  rewind_command
  LC_ALL=C setsid "${REWIND[@]}" --progress &
  await_helper $! "pg_rewind"
}

# rewind_command: connects to the database in which the role has its grants.
rewind_command() {
  REWIND=("${DROP[@]}" pg_rewind -D "$PGDATA" --source-server="host=$(pod_host "$V_PRIMARY") port=$PORT \
user=$REPLICATION_USER dbname=$DATABASE passfile=$PASSFILE")
}

# copy_beside: copies the primary next to the old data and then swaps the two.
# Without room for both the old data goes first, and the log says so.
copy_beside() {
  if ! room_beside; then
    say "there is no room for a copy beside the old data: removing the old data first"
    sentinel_set "$CLONE_SENTINEL" || die "cannot write to $VOLUME"
    return 0
  fi
  { as_postgres rm -rf "$BESIDE" && as_postgres mkdir -m 0700 "$BESIDE"; } || die "cannot write to $VOLUME"
  if ! base_backup "$BESIDE"; then
    back_off
    return 0
  fi
  { install_file "$BESIDE/standby.signal" 0600 </dev/null && stamp_restored && sync -f "$BESIDE" && sentinel_set "$BESIDE_COMPLETE"; } ||
    die "cannot finish the copy in $BESIDE"
  finish_swap
  REJOINED=1
  say "copied pod $V_PRIMARY"
}

# room_beside: whether the volume has space for the primary's data, and a tenth
# more for what is written meanwhile.
room_beside() {
  local need have
  need=$(remote_sql "$(pod_host "$V_PRIMARY")" <<<'SELECT ceil(sum(pg_database_size(oid)) * 1.1 / 1024) FROM pg_database' 2>/dev/null)
  [ -n "$need" ] || need=$(as_postgres du -sk "$PGDATA" | sed 's/[^0-9].*//')
  have=$(df -Pk "$VOLUME" | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/\1/p')
  [ -n "$need" ] && [ "$need" -lt "${have:-0}" ]
}

# finish_swap: puts a complete copy in the data directory's place, from wherever
# an earlier attempt was interrupted, and removes an incomplete one.
finish_swap() {
  if [ -e "$BESIDE_COMPLETE" ]; then
    if [ -d "$BESIDE" ]; then
      as_postgres rm -rf "$REPLACED"
      [ ! -d "$PGDATA" ] || as_postgres mv "$PGDATA" "$REPLACED"
      as_postgres mv "$BESIDE" "$PGDATA"
      sync "$VOLUME"
    fi
    as_postgres rm -f "$BESIDE_COMPLETE"
    sync "$VOLUME"
  fi
  as_postgres rm -rf "$BESIDE" "$REPLACED"
}

# --- A planned handover ------------------------------------------------------
# While the record says `handover` nobody starts writable. The old primary stops
# and records where; the target takes over once it has replayed that, or gives
# the role back; without a decision the old primary takes it back. All of these
# change the record under its lock, so only one of them can happen.

# record_stopped LOCATION: the old primary is down, and this is where.
record_stopped() { record_change "$1"; }

# record_take_over: the target has everything and is the primary from now on.
record_take_over() {
  local N_PRIMARY=$ORDINAL N_STATE=steady V_CLEAN=$V_PRIMARY
  [ "$V_REJOIN" != "$ORDINAL" ] || local V_REJOIN=''
  record_change
}

# record_give_back / record_take_back: the old primary stays what it was, by the
# target's or by its own decision.
record_give_back() { record_end_handover; }
record_take_back() { record_end_handover; }
record_end_handover() {
  local N_STATE=steady
  record_change
}

# --- The old primary

# hand_over_server: stops the running primary, and returns 1; what it left decides
# how the handover goes on. Returns 0 when the target is not there to take over.
hand_over_server() {
  if [ "$(target_is_there)" != t ]; then
    say "pod $V_TARGET does not stream from this pod, so it cannot take over: taking the role back"
    record_take_back
    return 0
  fi
  say "handing over to pod $V_TARGET (epoch $V_EPOCH): stopping postgres"
  deadline_in 20
  while child_runs && ! passed "$DEADLINE"; do
    kill -INT "$CHILD" 2>/dev/null
    step
  done
  if child_runs; then
    say "postgres did not stop cleanly within 20 s: stopping it at once"
    kill -QUIT "$CHILD" 2>/dev/null
  fi
  stop_server
  stopped_cleanly && record_stopped "$STOPPED_AT" && say "stopped at $STOPPED_AT"
  return 1
}

# target_is_there: whether the target streams and replies; the message makes
# every standby reply. A shutdown waits until each standby has all of the WAL, so
# the others are sent away when they cannot have it soon.
target_is_there() {
  local_sql <<SQL 2>/dev/null
\o /dev/null
SELECT pg_logical_emit_message(true, 'voodu', 'handover');
SELECT pg_sleep(0.1);
SELECT pg_terminate_backend(pid) FROM pg_stat_replication
 WHERE application_name <> 'voodu-postgres-standby-$V_TARGET'
   AND (state <> 'streaming' OR reply_time < clock_timestamp() - interval '1 s' OR pg_current_wal_lsn() - flush_lsn > 16777216);
\o
SELECT EXISTS (SELECT FROM pg_stat_replication
 WHERE application_name = 'voodu-postgres-standby-$V_TARGET'
   AND state = 'streaming' AND reply_time > clock_timestamp() - interval '3 s');
SQL
}

# stopped_cleanly: whether the data is that of a primary that was shut down. Then
# STOPPED_AT is where its last record begins, the shutdown checkpoint.
stopped_cleanly() {
  local found
  found=$(LC_ALL=C as_postgres pg_controldata -D "$PGDATA" 2>/dev/null |
    sed -n 's/^Database cluster state: *//p; s/^Latest checkpoint location: *//p')
  STOPPED_AT=${found#*$'\n'}
  [ "${found%%$'\n'*}" = 'shut down' ]
}

# act_hand_over: the old primary during a handover, down.
act_hand_over() {
  check_major
  if ! stopped_cleanly; then
    say "this pod was not shut down cleanly, so it cannot hand over: taking the role back"
    record_take_back || retry "could not write the record"
  elif [ "$V_STOPPED_AT" != "$STOPPED_AT" ]; then
    record_stopped "$STOPPED_AT" || retry "could not write the record"
  else
    await_decision
  fi
}

await_decision() {
  deadline_in 10
  until record_changed; do
    if passed "$DEADLINE"; then
      say "pod $V_TARGET did not take over within 10 s: taking the role back"
      record_take_back || retry "could not write the record"
      return
    fi
    step
    [ -z "$STOPPING" ] || exit 143
  done
}

# act_take_back: this pod became the recorded primary and has not come to run as
# one yet, so it has nothing to hand over.
act_take_back() {
  say "this pod is not writable yet, so it cannot hand over: taking the role back"
  record_take_back || retry "could not write the record"
}

# --- The target

# tend_handover: in short steps. The peer check is over before the old primary has
# stopped, while there is still somebody who writes.
tend_handover() {
  [ -n "$READY" ] && [ "$V_TARGET" = "$ORDINAL" ] || return 0
  if [ -z "$V_STOPPED_AT" ]; then
    [ "$PEERS_ASKED" = "$V_EPOCH" ] || ask_other_standbys
    return 0
  fi
  if [ "${REPLAY_BY%:*}" != "$V_EPOCH" ]; then
    deadline_in 5
    REPLAY_BY=$V_EPOCH:$DEADLINE
  fi
  if has_replayed "$V_STOPPED_AT"; then
    say "this pod has everything up to $V_STOPPED_AT: taking over from pod $V_PRIMARY"
    record_take_over && [ "$PEERS_ASKED" = $((V_EPOCH - 1)) ] && TOOK_OVER=1
  elif passed "${REPLAY_BY#*:}"; then
    say "not all WAL up to $V_STOPPED_AT arrived within 5 s: giving the role back to pod $V_PRIMARY"
    record_give_back
  else
    nudge_replay
  fi
}

# nudge_replay: when the connection ended while a record was being read, the
# replay sleeps for up to wal_retrieve_retry_interval (5 s) over WAL that is
# already here. A reload wakes it.
nudge_replay() {
  passed "$NUDGE_AT" || return 0
  kill -HUP "$CHILD"
  read_uptime && NUDGE_AT=$((UPTIME + 20))
}

# ask_other_standbys: that none of them is a second primary.
ask_other_standbys() {
  ask_peers 1 "$(addresses_of "$(pod_host "$V_PRIMARY")")"
  PEERS_ASKED=$V_EPOCH
  if [ -n "$PEER_WRITABLE" ]; then
    say "$(peer_name "$PEER_WRITABLE") already runs as a primary of $CLUSTER_REF: giving the role back to pod $V_PRIMARY"
    record_give_back
  fi
}

# has_replayed LOCATION: everything before the end of the record that begins
# there. Equal would mean that this very record is missing. On a timeline that
# branched off earlier another record would be at that place.
has_replayed() {
  [ -n "$WAL_SEGMENT" ] || WAL_SEGMENT=$(control 'Bytes per WAL segment')
  [ "$(local_sql <<<"SELECT pg_last_wal_replay_lsn() > '$1'" 2>/dev/null)" = t ] &&
    [[ $(as_postgres pg_waldump -n 1 -s "$1" "$(wal_file "$1")" 2>&1) == *CHECKPOINT_SHUTDOWN* ]]
}

# wal_file LOCATION: this pod's WAL file with that location, of the newest
# timeline.
wal_file() {
  local name file
  printf -v name '%08X%08X' $((16#${1%/*})) $((16#${1#*/} / WAL_SEGMENT))
  for file in "$PGDATA"/pg_wal/????????"$name"; do :; done
  printf '%s' "$file"
}

# --- A physical backup replaces the data -------------------------------------
# A request lies in the backups directory beside the backup itself, and counts
# only during the maintenance that its epoch names. The recorded primary unpacks
# the backup beside its data, starts it on its own, and only then ends the
# maintenance; the other pods copy it. Until then the old data can come back.

REQUEST=$BACKUPS/.restore
RESTORE_FAILED=$BACKUPS/.restore-failed
# The last restore, shared, and the one that this volume's data come from.
RESTORED=$BACKUPS/.restored
RESTORED_HERE=$VOLUME/.voodu-restored

UNPACKED=$VOLUME/.voodu-unpacked
BEFORE_RESTORE=$VOLUME/.voodu-before-restore
# While it is there the data directory holds, or is to hold, what was unpacked.
UNPACKED_COMPLETE=$VOLUME/.voodu-unpacked-complete

# request_load: reads a request for the maintenance in view into Q_*.
request_load() {
  local line
  Q_CLUSTER='' Q_EPOCH='' Q_TAR='' Q_BYTES='' Q_USER='' Q_REPLICATION='' Q_CHECKED=''
  read_file "$REQUEST" || return 1
  while IFS= read -r line; do
    request_field "${line%%=*}" "${line#*=}" || return 1
  done <<<"${TEXT%$'\n'}"
  [ "$Q_CLUSTER" = "$V_CLUSTER" ] && [ "$Q_EPOCH" = "$V_EPOCH" ] && [ -n "$Q_TAR" ] && [ -n "$Q_BYTES" ]
}

request_field() {
  local verifier='^(SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+|md5[0-9a-f]{32})$'
  case $1 in
    cluster) Q_CLUSTER=$2 ;;
    epoch) Q_EPOCH=$2 ;;
    tar) [[ $2 =~ ^\.restore-r[0-9]+\.tar$ ]] && Q_TAR=$BACKUPS/$2 ;;
    bytes) [[ $2 =~ ^[0-9]{1,18}$ ]] && Q_BYTES=$2 ;;
    checked) Q_CHECKED=$2 ;;
    user) [[ $2 =~ $verifier ]] && Q_USER=$2 ;;
    replication) [[ $2 =~ $verifier ]] && Q_REPLICATION=$2 ;;
    *) return 1 ;;
  esac
}

# restore_is_wanted: of this pod, in the maintenance in view.
restore_is_wanted() { [ "$V_PRIMARY" = "$ORDINAL" ] && [ "$RESTORE_GIVEN_UP" != "$V_EPOCH" ] && request_load; }

# restore_data: from wherever an earlier attempt was interrupted.
restore_data() {
  read_file "$UNPACKED_COMPLETE"
  if [ "$TEXT" != "$V_EPOCH"$'\n' ]; then
    unpack || return 0
  fi
  swap_in || die "cannot put the backup into $PGDATA"
  start_restored || return 0
  finish_restore || retry "could not write the record"
}

# unpack: beside the old data. Without room for both the old data go first, and
# the log says so.
unpack() {
  local need free used
  { as_postgres rm -rf "$UNPACKED" && as_postgres rm -f "$UNPACKED_COMPLETE" && as_postgres mkdir -m 0700 "$UNPACKED"; } ||
    die "cannot write to $VOLUME"
  # In kB, with a little for what the server writes when it starts.
  need=$((Q_BYTES / 1024 + 65536))
  free=$(df -Pk "$VOLUME" | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/\1/p')
  if [ "$need" -ge "${free:-0}" ]; then
    free=${free:-0}
    while read -r used _; do free=$((free + used)); done < <(as_postgres du -sk "$PGDATA" "$BEFORE_RESTORE" 2>/dev/null)
    if [ "$need" -ge "$free" ]; then
      give_up "the volume of pod $ORDINAL has no room for the backup, not even without the old data"
      return 1
    fi
    say "there is no room for the backup beside the old data: removing the old data first"
    { sentinel_set "$CLONE_SENTINEL" && data_wipe && remove_data "$BEFORE_RESTORE"; } || die "cannot empty $PGDATA"
  fi
  say "unpacking $Q_TAR"
  unpack_parts || return 1
  if [ "$Q_CHECKED" != yes ] && [ -e "$UNPACKED/backup_manifest" ]; then
    setsid "${DROP[@]}" pg_verifybackup -q -n "$UNPACKED" >/dev/null &
    if ! await_helper $! "checking the backup"; then
      give_up "the backup is damaged: it does not agree with its manifest"
      return 1
    fi
  fi
  {
    as_postgres rm -f "$UNPACKED/standby.signal" "$UNPACKED/backup_manifest" && sync -f "$UNPACKED" &&
      printf '%s\n' "$V_EPOCH" | install_file "$UNPACKED_COMPLETE" 0600
  } || die "cannot finish unpacking in $UNPACKED"
}

# unpack_parts: the parts are a tar each. Root opens the file, because it may be
# readable by nobody else; what is opened must be the very file of that name.
unpack_parts() {
  local part into tar
  for part in base.tar:. pg_wal.tar:pg_wal backup_manifest:; do
    into=${part#*:} part=${part%%:*}
    if ! { exec {tar}<"$Q_TAR"; } 2>/dev/null; then
      give_up "the backup $Q_TAR is not there any more"
      return 1
    fi
    if [ "$(readlink "/proc/self/fd/$tar")" != "$Q_TAR" ] || [ ! -f "/proc/self/fd/$tar" ]; then
      give_up "$Q_TAR is not a plain file"
      return 1
    fi
    # shellcheck disable=SC2016 # The inner shell expands it.
    setsid "${DROP[@]}" bash -c 'set -o pipefail
      if [ -n "$2" ]; then
        tar -xOf - "$1" | tar -xf - -C "$3/$2"
      else
        tar -xOf - "$1" >"$3/$1" 2>/dev/null || rm -f "$3/$1"
      fi' bash "$part" "$into" "$UNPACKED" <&"$tar" &
    exec {tar}<&-
    if ! await_helper $! "unpacking $part"; then
      record_changed || give_up "the backup could not be unpacked, the log of pod $ORDINAL says why"
      return 1
    fi
  done
}

# swap_in: the old data are kept, once: what is in their place on a second attempt
# is a backup that was never in service.
swap_in() {
  [ -d "$UNPACKED" ] || return 0
  if [ -d "$BEFORE_RESTORE" ] || [ -e "$CLONE_SENTINEL" ]; then
    remove_data "$PGDATA"
  elif [ -d "$PGDATA" ]; then
    as_postgres mv "$PGDATA" "$BEFORE_RESTORE"
  fi
  as_postgres mv "$UNPACKED" "$PGDATA" && sync "$VOLUME"
}

# remove_data DIRECTORY: with its tablespaces in this volume.
remove_data() {
  local link target
  [ -d "$1" ] && [ ! -L "$1" ] || return 0
  for link in "$1"/pg_tblspc/*; do
    target=$(readlink "$link") && wipe_tablespace "$target"
  done
  as_postgres rm -rf "$1"
}

# start_restored: brings the data up where nobody can reach them, to the end of
# the backup's WAL and on a timeline of their own, so that no standby can take
# what it had for a part of it. The roles get the passwords of today.
start_restored() {
  check_major
  {
    as_postgres rm -f "$PGDATA/postmaster.pid" "$PGDATA/standby.signal" &&
      install_file "$PGDATA/recovery.signal" 0600 </dev/null && wire_settings && write_runtime_conf
  } || die "cannot write in $PGDATA"
  check_settings
  say "starting the restored data, unreachable from outside"
  "${DROP[@]}" postgres -D "$PGDATA" -p "$PORT" -c listen_addresses= -c hot_standby=off -c restore_command=false \
    -c archive_mode=off -c password_encryption=scram-sha-256 "${CONF_ARGS[@]}" &
  CHILD=$!
  until server_ready; do
    tick
    if ! child_runs; then
      child_ended
      [ -z "$STOPPING" ] || exit 143
      give_up "the restored data did not start: postgres exited $CODE, the log of pod $ORDINAL says why"
      return 1
    fi
  done
  if ! set_passwords; then
    stop_server
    give_up "nobody can log in to the restored data as $SUPERUSER: the backup is of a cluster with another user, or with another pg_hba.conf"
    return 1
  fi
  stop_server
}

# set_passwords: the backup's may be older than what the applications, the other
# pods and the config have.
set_passwords() {
  local user=$Q_USER replication=$Q_REPLICATION
  [ -n "$user" ] || user=${POSTGRES_PASSWORD:-}
  [ -n "$replication" ] || { replication=$(stored_password) && [ -n "$replication" ] || replication=$ENV_REPLICATION_PASSWORD; }
  local_sql <<SQL
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET standard_conforming_strings = on;
SELECT count(*) = 0 AS role_is_missing FROM pg_roles WHERE rolname = '$REPLICATION_USER' \gset
\if :role_is_missing
CREATE ROLE "$REPLICATION_USER" WITH LOGIN REPLICATION;
\endif
ALTER ROLE "$REPLICATION_USER" PASSWORD '${replication//\'/\'\'}';
ALTER ROLE "$SUPERUSER" PASSWORD '${user//\'/\'\'}';
SQL
}

# finish_restore: from here on the restored data are the cluster's.
finish_restore() {
  local N_STATE=steady V_CLEAN='' V_REJOIN=''
  printf 'cluster=%s\nepoch=%s\n' "$V_CLUSTER" "$V_EPOCH" | install_file "$RESTORED" 0644 && sync "$BACKUPS" && stamp_restored || return 1
  rm -f "$CLONE_SENTINEL"
  record_change || return 1
  say "restored the data (epoch $V_EPOCH)"
  as_postgres rm -f "$REQUEST" "$Q_TAR" "$RESTORE_FAILED" "$UNPACKED_COMPLETE"
}

# give_up REASON: puts the old data back, if they are there, and says so where the
# restore waits for it.
give_up() {
  say "the restore failed: $1"
  as_postgres rm -f "$UNPACKED_COMPLETE"
  as_postgres rm -rf "$UNPACKED"
  RESTORE_GIVEN_UP=$V_EPOCH
  if [ -d "$BEFORE_RESTORE" ]; then
    { remove_data "$PGDATA" && as_postgres mv "$BEFORE_RESTORE" "$PGDATA" && sync "$VOLUME"; } ||
      die "cannot put the old data back into $PGDATA"
  fi
  data_shape
  printf 'epoch=%s\n%s\n' "$V_EPOCH" "$1" | install_file "$RESTORE_FAILED" 0644
  if [ "$SHAPE" = primary ]; then
    local N_STATE=steady
    say "the old data are back in place"
    until record_change || record_changed; do retry "could not write the record"; done
  else
    say "there are no data to go back to: postgres stays stopped until a restore succeeds"
  fi
  as_postgres rm -f "$REQUEST" "$Q_TAR"
}

# tidy_after_restore: the restored data are in service.
tidy_after_restore() {
  [ ! -e "$UNPACKED_COMPLETE" ] || as_postgres rm -f "$UNPACKED_COMPLETE"
  [ ! -d "$UNPACKED" ] || as_postgres rm -rf "$UNPACKED"
  if [ -d "$BEFORE_RESTORE" ]; then
    say "removing the data from before the restore"
    remove_data "$BEFORE_RESTORE"
  fi
}

# stamp_restored: from now on this volume's data come from the last restore.
stamp_restored() {
  read_file "$RESTORED" || return 0
  printf '%s' "$TEXT" | install_file "$RESTORED_HERE" 0644
}

# is_before_restore: this standby's data come from before the last restore, so
# they are no part of the primary's history, even where they look like one.
is_before_restore() {
  local shared form=$'^cluster=[0-9a-f]{32}\nepoch=[1-9][0-9]{0,17}\n$'
  read_file "$RESTORED" && [[ $TEXT =~ $form ]] || return 1
  shared=$TEXT
  read_file "$RESTORED_HERE"
  [ "$TEXT" != "$shared" ] && [[ $shared == "cluster=$V_CLUSTER"* ]]
}

# --- What to do -------------------------------------------------------------

# decide: from the record (V_*) and the data (SHAPE) to the name of one action,
# left in ACTION. Nothing is done or asked here. The shape of a data directory
# never makes a pod the primary: only the record does, or where there is none
# yet, the initial primary of the cluster.
decide() {
  local who=other
  [ "$V_PRIMARY" != "$ORDINAL" ] || who=me
  if [ "$SHAPE" = unknown ] || [ "$V_RECORD" = foreign ] || [ "$V_RECORD" = garbage ]; then
    ACTION=refuse_$V_RECORD
    [ "$SHAPE" != unknown ] || ACTION=refuse_unknown
    return
  fi
  if [ "$V_STATE" = maintenance ]; then
    ACTION=wait_out_maintenance
    return
  fi
  case $who:$SHAPE:$V_RECORD in
    me:empty:none | me:init:none) ACTION=first_boot ;;
    me:fresh:*) ACTION=finish_first_boot ;;
    me:empty:ours | me:init:ours) ACTION=refuse_empty ;;
    me:clone:ours) ACTION=refuse_half_copy ;;
    me:primary:*) ACTION=run_primary ;;
    me:standby:ours) ACTION=promote ;;
    me:standby:none | me:clone:none) ACTION=wait_for_record ;;
    other:empty:* | other:init:* | other:fresh:* | other:clone:*) ACTION=clone ;;
    other:standby:*) decide_standby ;;
    other:primary:*) decide_old_primary ;;
  esac
  # While a handover runs nobody starts writable.
  case $V_STATE:$ACTION in
    handover:run_primary) ACTION=hand_over ;;
    handover:promote) ACTION=take_back ;;
  esac
}

# decide_standby: a standby can have WAL that the primary never got, and then it
# cannot follow. It is asked to rejoin once: after that it follows like any other.
decide_standby() {
  ACTION=follow
  if [ "$V_REJOIN" != "$ORDINAL" ]; then
    REJOINED=''
  elif [ -z "$REJOINED" ]; then
    ACTION=rejoin
  fi
}

# decide_old_primary: the data may hold commits that nobody else has, unless the
# record says that the new primary received them all, or that they were given up.
decide_old_primary() {
  ACTION=guard
  if [ "$V_CLEAN" = "$ORDINAL" ]; then
    ACTION=follow_clean
  elif [ "$V_REJOIN" = "$ORDINAL" ]; then
    ACTION=rejoin
  fi
}

act_refuse_unknown() {
  die "$PGDATA is not empty and holds no complete database; look at it, then move it away to let this pod start over"
}

act_refuse_foreign() {
  die "this pod's data belongs to cluster id $V_CLUSTER, but the shared record $RECORD is of another cluster: two clusters share one backups directory, or a file was put there by hand; nothing was changed"
}

act_refuse_garbage() {
  die "the shared record $RECORD is not readable and this pod has no copy of it; another pod of the cluster puts it right when it runs, or remove the file if this cluster never held data"
}

act_guard() {
  die "split-brain guard: this pod's data was last used as a primary, but pod $V_PRIMARY is the primary of $CLUSTER_REF. Nothing was changed. To make this pod a standby: vd postgres:rejoin $CLUSTER_REF --replica $ORDINAL"
}

act_wait_for_record() {
  local deadline=$((TICKS + 300 * 5))
  say "this pod holds a standby's data and there is no record of who is primary: waiting for another pod to publish one"
  until record_changed; do
    [ "$TICKS" -lt "$deadline" ] ||
      die "no record of who is primary of $CLUSTER_REF showed up in 5 minutes, and a standby is not promoted on a guess; start the other pods, or say who is primary: vd postgres:promote $CLUSTER_REF --replica <ordinal> --force"
    tick
    [ -z "$STOPPING" ] || exit 143
  done
}

# act_wait_out_maintenance: waits for the next record, and says so once a minute.
act_wait_out_maintenance() {
  local next=0
  until record_changed; do
    if restore_is_wanted; then
      restore_data
      return
    fi
    if [ "$TICKS" -ge "$next" ]; then
      say "postgres is stopped during maintenance (record $RECORD, epoch $V_EPOCH)"
      next=$((TICKS + 60 * 5))
    fi
    tick
    [ -z "$STOPPING" ] || exit 143
  done
}

# --- The server as a child --------------------------------------------------

# tick: one step of every wait, a fifth of a second. A read that nothing can
# satisfy returns after that or at a signal, and forks nothing. Time is counted in
# these steps: the machine's clock can be set back.
tick() {
  IFS= read -r -t 0.2 -u "$TICK" _
  TICKS=$((TICKS + 1))
}

# deadline_in SECONDS / passed DEADLINE: for what must be over at a certain time,
# whatever the steps cost. The uptime is a clock that nobody sets, and reading it
# forks nothing. In hundredths of a second; leaves DEADLINE.
deadline_in() { read_uptime && DEADLINE=$((UPTIME + $1 * 100)); }
passed() { read_uptime && [ "$UPTIME" -ge "$1" ]; }
read_uptime() {
  local seconds hundredths
  IFS='. ' read -r seconds hundredths _ </proc/uptime
  UPTIME=$((seconds * 100 + 10#$hundredths))
}

# step: a shorter one, for what is over soon.
step() { IFS= read -r -t 0.03 -u "$TICK" _; }

# pause SECONDS
pause() {
  local until=$((TICKS + $1 * 5))
  while [ "$TICKS" -lt "$until" ] && [ -z "$STOPPING" ]; do tick; done
  [ -z "$STOPPING" ] || [ -n "$CHILD" ] || exit 143
}

# retry WHAT: what failed is tried again in a moment.
retry() {
  say "$1, trying again"
  pause 1
}

child_runs() { kill -0 "$CHILD" 2>/dev/null; }

# child_ended: leaves the exit code of the child in CODE.
child_ended() {
  wait "$CHILD"
  CODE=$?
  CHILD=''
}

# stop_server: a fast shutdown, waited for. The signal is repeated, because one
# that comes before the server listens for it is lost.
stop_server() {
  while child_runs; do
    kill -INT "$CHILD" 2>/dev/null
    step
  done
  CHILD='' READY='' PROMOTING=''
}

# start_server ROLE
start_server() {
  ROLE=$1 READY=''
  LIMIT_ARGS=()
  check_settings
  [ "$ROLE" != standby ] || standby_limits
  [ -z "$STOPPING" ] || exit 143
  "${DROP[@]}" postgres -D "$PGDATA" -p "$PORT" -c 'listen_addresses=*' -c password_encryption=scram-sha-256 \
    "${CONF_ARGS[@]}" "${LIMIT_ARGS[@]}" &
  CHILD=$!
}

# server_ready: the server writes into its pid file when it accepts sessions.
server_ready() {
  read_file "$PGDATA/postmaster.pid"
  [ "${TEXT%%$'\n'*}" = "$CHILD" ] && [[ $TEXT == *$'\nready   \n' ]]
}

# record_changed: the shared record is not the one that was last looked at.
record_changed() {
  read_file "$RECORD"
  [ "$TEXT" != "$SHARED_TEXT" ]
}

# record_moved: it names another primary or state than the one in view, so that a long
# step for that primary has lost its sense. What is asked of another pod has no part in
# it.
record_moved() {
  record_changed && record_parse "$TEXT" &&
    [ "$R_CLUSTER $R_PRIMARY $R_STATE" != "$V_CLUSTER $V_PRIMARY $V_STATE" ]
}

# watch_server: runs until the server ended, or until the record wants another
# role of this pod than the server has.
watch_server() {
  while :; do
    next_step
    if ! child_runs; then
      server_ended
      return
    fi
    if [ -n "$STOPPING" ]; then
      kill -INT "$CHILD" 2>/dev/null
      continue
    fi
    if [ -z "$READY" ] && server_ready; then
      READY=1 LOOK_AT=0
      on_ready
    fi
    if left_recovery || record_changed; then
      look || return 0
    elif [ "$TICKS" -ge "$LOOK_AT" ]; then
      LOOK_AT=$((TICKS + 10 * 5))
      look || return 0
      [ "$ACTION:$V_STATE" != follow:steady ] || tend_standby || return 0
    fi
    [ "$V_STATE" != handover ] || tend_handover
  done
}

# next_step: until something is to be done. What a handover takes is time in which
# nobody can write.
next_step() {
  if [ -z "$STOPPING" ] && record_changed; then
    return
  elif [ "$V_STATE" = handover ] || [ -n "$PROMOTING" ]; then
    step
  else
    tick
  fi
}

# look: holds the running server against the record. Returns 1 after the server
# was stopped.
look() {
  SHAPE=$ROLE
  observe
  decide
  role_holds
}

# role_holds: lets the running server follow the record where it can. Returns 1
# after the server was stopped because it may not run as it does.
role_holds() {
  case $ROLE:$ACTION in
    *:refuse_*)
      # What makes a boot refuse does not take a running database down.
      [ "$UNHEEDED" = "$SHARED_TEXT" ] || say "the shared record $RECORD is not one of this cluster; going on as before"
      UNHEEDED=$SHARED_TEXT
      return 0
      ;;
    primary:run_primary) ;;
    primary:hand_over) hand_over_server || return 1 ;;
    standby:follow)
      if is_before_restore; then
        say "this standby's data are older than the last restore: cloning pod $V_PRIMARY again"
        RECLONE=1
        stop_server
        return 1
      fi
      follow_record
      ;;
    standby:rejoin)
      if receiver_runs; then
        REJOINED=1
      else
        stop_server
        return 1
      fi
      ;;
    standby:promote) promote_server ;;
    standby:take_back) act_take_back ;;
    *)
      say "the record (epoch $V_EPOCH, primary $V_PRIMARY, $V_STATE) does not let this pod run as a $ROLE: stopping postgres"
      stop_server
      return 1
      ;;
  esac
}

# follow_record: points the running standby at the recorded primary.
follow_record() {
  if receiver_runs; then
    keep_stored_password
  else
    choose_password "$V_PRIMARY"
  fi
  write_runtime_conf "$V_PRIMARY"
  [ -n "$RUNTIME_CHANGED" ] || return 0
  BRANCHED_OFF=''
  say "following pod $V_PRIMARY (epoch $V_EPOCH)"
  kill -HUP "$CHILD"
}

# promote_server: the record made this pod the primary. A promotion takes as long
# as there is WAL to replay; the watch goes on meanwhile.
promote_server() {
  [ -n "$READY" ] && [ -z "$PROMOTING" ] || return 0
  # Who took over in a handover asked them in time, and the clients wait.
  [ -n "$TOOK_OVER" ] || refuse_second_primary
  TOOK_OVER=''
  say "promoting this pod (epoch $V_EPOCH)"
  as_postgres pg_ctl promote -D "$PGDATA" -W >/dev/null || die "the promotion failed, see above"
  PROMOTING=1
  write_runtime_conf
}

# left_recovery: the standby became a primary. When the record did not ask for
# that, the look that follows stops it.
left_recovery() {
  [ "$ROLE" = standby ] && [ -n "$READY" ] && [ ! -e "$PGDATA/standby.signal" ] || return 1
  if [ -n "$PROMOTING" ]; then
    [ "$(local_sql <<<'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ] || return 1
    PROMOTING='' ROLE=primary
    on_ready
    # pg_rewind of the old primary goes by the last checkpoint of this one.
    local_sql <<<CHECKPOINT >/dev/null 2>&1 &
  else
    say "this standby was promoted without the record"
    ROLE=primary
  fi
}

# on_ready: what a server that just began to accept sessions still needs.
on_ready() {
  keep_good_settings
  if [ "$ROLE" = primary ]; then
    tidy_after_restore
    # Adds the replication role, its grants and its pg_hba.conf line where they
    # are missing, as in a cluster that the older plugin made.
    PGPORT=$PORT timeout 10 "${DROP[@]}" bash /docker-entrypoint-initdb.d/00_create_replication.sh ||
      say "could not check the replication role, see above; standbys may be unable to connect"
    say "pod $ORDINAL accepts writes as the primary"
  else
    say "pod $ORDINAL accepts reads as a standby of pod $V_PRIMARY"
  fi
}

# server_ended: leaves with the server's exit code, unless settings that it
# never ran with may be what ended it.
server_ended() {
  child_ended
  [ -z "$STOPPING" ] || exit "$CODE"
  if [ -z "$READY" ] && [ -z "$FELL_BACK" ] && settings_are_new; then
    say "postgres ended with exit code $CODE before it was ready, see above; trying the settings that it last ran with"
    TRY_GOOD_SETTINGS=1
    return
  fi
  say "postgres ended with exit code $CODE"
  if [ "$ROLE" = standby ] && [ -z "$READY" ]; then
    say "when the lines above speak of a timeline, this pod has WAL that pod $V_PRIMARY never got; to give that up: vd postgres:rejoin $CLUSTER_REF --replica $ORDINAL"
  fi
  exit "$CODE"
}

# --- The supervisor ---------------------------------------------------------

# prepare: what every later step relies on.
prepare() {
  [[ $ENV_CLUSTER =~ ^[0-9a-f]{32}$ ]] || die "PG_CLUSTER_ID is not 32 hex digits: run vd apply again with the current plugin"
  [ -d "$BACKUPS" ] || die "$BACKUPS is not mounted, and the record of who is primary lives there: remove the volumes override from the block and apply again"
  [ -d "$VOLUME" ] || die "$VOLUME does not exist"
  exec {TICK}<> <(:)
  own_files
  finish_swap
  # No process of an earlier start is left in this container, and a process id in
  # an old file could be one of ours by now.
  as_postgres rm -f "$PGDATA/postmaster.pid"
}

# own_files: the server's user may write to its directories, and owns its data as
# the image's entrypoint would see to. The group of the backups stays the
# operator's.
own_files() {
  local directory
  [ "$EUID" = 0 ] || return 0
  for directory in "$BACKUPS" "$VOLUME"; do
    [ "$(stat -c %U "$directory")" = postgres ] || chown postgres "$directory" ||
      say "cannot give $directory to the postgres user; what has to be written there will fail"
  done
  [ ! -d "$PGDATA" ] || find "$PGDATA" ! -user postgres -exec chown -h postgres:postgres {} +
}

act_run_primary() {
  check_major
  if [ -n "$REPUBLISHED" ]; then
    # The pods' copies can be of different ages: the newest one wins, so give the
    # others the time to publish theirs.
    REPUBLISHED=''
    pause 3
    return 0
  fi
  refuse_second_primary
  if [ "$V_RECORD" = none ]; then
    record_create || retry "could not write the first record"
    return 0
  fi
  { wire_settings && write_runtime_conf; } || die "cannot write in $VOLUME"
  say "starting as the primary (epoch $V_EPOCH)"
  start_server primary
  watch_server
}

act_follow() {
  check_major
  choose_password "$V_PRIMARY"
  { wire_settings && write_runtime_conf "$V_PRIMARY"; } || die "cannot write in $PGDATA"
  warn_of_auto_conf
  say "starting as a standby of pod $V_PRIMARY"
  start_server standby
  watch_server
}

# act_promote: the server starts as the standby that it is, and the watch
# promotes it.
act_promote() {
  check_major
  { wire_settings && write_runtime_conf; } || die "cannot write in $PGDATA"
  start_server standby
  watch_server
}

main() {
  prepare
  while :; do
    [ -z "$STOPPING" ] || exit 143
    data_shape
    observe
    [ "$SHAPE" != standby ] || ! is_before_restore || SHAPE=clone
    decide
    "act_$ACTION"
  done
}

main
