# --- What this pod is -------------------------------------------------------
# Every value comes from the container's environment; nothing is rendered into
# this file, so an upgrade of the plugin rolls the pods only when a script in
# it really changed.

set -u

CHILD='' HELPER='' STOPPING='' ROLE='' READY='' PROMOTING='' REPUBLISHED='' TRY_GOOD_SETTINGS='' WARNED=''
RECLONE='' UNHEEDED='' STUCK_AT='' BRANCHED_OFF='' REJOINED='' TICKS=0 LOOK_AT=0 CLONE_PAUSE=1
RESUMED='' UNWRITTEN='' UNBIDDEN='' LIMITS=''
RESTORE_GIVEN_UP='' REPLAY_BY='' PEERS_ASKED='' TOOK_OVER='' NUDGE_AT=0 WAL_SEGMENT=''

say() { printf 'voodu: %s\n' "$*" >&2; }

# on_stop: docker stop sends INT or TERM, and both mean a fast shutdown here: a
# smart one would wait for the last client. It runs inside a `read -t`, whose alarm can
# leave it half way (bash 5.2), so what must not be lost comes first.
on_stop() {
  local before=$STOPPING
  STOPPING=1
  [ -z "$CHILD" ] || kill -INT "$CHILD" 2>/dev/null
  [ -z "$HELPER" ] || kill -TERM -- "-$HELPER" 2>/dev/null
  [ -n "$before" ] || say "stopping"
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
# all. A rename is on disk once its directory is.
install_file() {
  # shellcheck disable=SC2016 # The inner shell expands it.
  as_postgres sh -c '
    [ ! -d "$1" ] || [ -L "$1" ] || exit 1
    temp=$(mktemp "$1.voodu.$3.XXXXXX") || exit 1
    cat >"$temp" && chmod "$2" "$temp" && sync "$temp" && mv -f "$temp" "$1" && sync "${1%/*}" && exit 0
    rm -f "$temp"
    exit 1' sh "$1" "$2" "$ORDINAL"
}

# sweep_unfinished: what install_file left in this pod when it was killed. In the directory
# that all pods share a name says whose file it is; into a volume the plugin writes too,
# under names without a number, so what is new stays.
sweep_unfinished() {
  as_postgres find "$VOLUME" "$PGDATA" "$VOLUME/.voodu-good-conf" -maxdepth 1 -type f -mmin +1 \
    \( -name '*.voodu.??????' -o -name "*.voodu.$ORDINAL.??????" \) -exec rm -f {} + 2>/dev/null
  as_postgres find "$BACKUPS" -maxdepth 1 -type f -mmin +1 \
    \( -name "*.voodu.$ORDINAL.??????" -o -name ".topology.reserve-$ORDINAL-?.voodu.??????" \) -exec rm -f {} +
}

# read_file FILE: leaves the text of a small plain file in TEXT, without a fork.
# Returns 1 when there is none and 2 for what is no such file: a pipe would block
# the supervisor, a link could lead anywhere.
read_file() {
  TEXT=''
  [ -e "$1" ] || [ -L "$1" ] || return 1
  [ -f "$1" ] && [ ! -L "$1" ] || return 2
  # The file can be exchanged for a pipe right now. Opened for both directions a
  # pipe does not wait for its other end (fifo(7)). Root may write to every file;
  # another user needs no protection from itself.
  if [ -w "$1" ]; then
    read_opened 8<>"$1"
  else
    read_opened 8<"$1"
  fi 2>/dev/null || { TEXT='' && return 2; }
}

# read_opened: reads descriptor 8. Success of `read` means a NUL byte or more than
# 4096 bytes.
read_opened() { [ -f /proc/self/fd/8 ] && ! IFS= read -r -d '' -n 4097 -u 8 TEXT; }

# session HOST USER SECONDS: runs the SQL on standard input, with PGPASSWORD. An
# operator may have dropped the cluster's database, or the right to connect to it,
# so it tries postgres next.
session() {
  local kind=role PASSWORDS=("${PGPASSWORD-}") SESSION_OPTIONS
  [ "$2" != "$SUPERUSER" ] || kind=superuser
  session_options "$kind"
  enter "$3" "$DATABASE postgres" --host="$1" --port="$PORT" --username="$2"
}

# options_of KIND: the startup options of sessions that other programs open. No event
# trigger fires in a `replication` connection, which belongs to no database.
options_of() {
  local SESSION_OPTIONS
  session_options "${1/replication/role}"
  [ "$1" != replication ] || SESSION_OPTIONS=${SESSION_OPTIONS/ -c event_triggers=off/}
  printf '%s' "$SESSION_OPTIONS"
}

# options_towards HOST: the same for the replication role in a database of that pod.
options_towards() {
  local mine kind=replication
  if [ "$SERVER_MAJOR" -ge 17 ]; then
    mine=$(remote_sql "$1" <<<"SELECT has_parameter_privilege('event_triggers', 'SET')" 2>/dev/null)
    [ "$mine" != t ] || kind=role
  fi
  options_of "$kind"
}

# local_sql: asks this pod's server, as superuser. The image trusts the socket; where
# an operator's pg_hba.conf does not, the password of the container's environment is
# right unless it was changed since. Then the replication role asks, which may see and
# end what streams.
local_sql() {
  local sql answer
  sql=$(cat)
  if answer=$(PGPASSWORD=${POSTGRES_PASSWORD-} session "$SOCKETS" "$SUPERUSER" 10 <<<"$sql" 2>&1); then
    printf '%s\n' "$answer"
    return 0
  fi
  case $answer in
    *password* | *authentication* | *pg_hba.conf* | *'permitted to log in'*)
      ! remote_sql 127.0.0.1 10 <<<"$sql" 2>/dev/null || return 0
      ;;
  esac
  printf '%s\n' "$answer" >&2
  return 1
}

# remote_sql HOST [SECONDS]: asks another pod's server, as the replication role;
# around a rotation, with every other password that this pod knows too.
remote_sql() {
  local sql answer password line
  sql=$(cat)
  for line in 0 1 env 2 3 4; do
    case $line in
      0) password=$REPLICATION_PASSWORD ;;
      env) password=$ENV_REPLICATION_PASSWORD ;;
      *) password=$(stored_password "$line") ;;
    esac
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
