# --- What this pod is -------------------------------------------------------
# Every value comes from the container's environment; nothing is rendered into
# this file, so an upgrade of the plugin rolls the pods only when a script in
# it really changed.

set -u

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
# the supervisor's own connections.
unset PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGPASSFILE PGDATABASE PGSERVICE PGSERVICEFILE \
  PGOPTIONS PGSSLMODE PGTARGETSESSIONATTRS
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

say() { printf 'voodu: %s\n' "$*" >&2; }

# die MESSAGE...: leaves, after a clean stop of a server that runs.
die() {
  say "$*"
  [ -z "$CHILD" ] || stop_server
  exit 1
}

as_postgres() { "${DROP[@]}" "$@"; }

# pod_host ORDINAL: the pod's name on the cluster's network. The platform
# registers aliases in lower case.
pod_host() { local name="$PG_NAME-$1$PG_SCOPE_SUFFIX" && printf '%s' "${name,,}"; }

# install_file FILE MODE: puts standard input in FILE's place, whole or not at
# all. The temporary name cannot be guessed, so nobody can plant a link there.
install_file() {
  local file=$1 mode=$2 temp
  temp=$(mktemp "$file.XXXXXX") || return 1
  if cat >"$temp" && chmod "$mode" "$temp" && own "$temp" && sync "$temp" && mv -f "$temp" "$file"; then
    return 0
  fi
  rm -f "$temp"
  return 1
}

# own FILE: gives FILE to the postgres user.
own() { [ "$EUID" != 0 ] || chown -h postgres:postgres "$1"; }

# local_sql: runs the SQL on standard input in this pod's server, as superuser.
# A session of ours never waits for a synchronous standby.
local_sql() {
  PGOPTIONS='-c synchronous_commit=local -c log_statement=none' timeout 10 \
    psql -XAtq -v ON_ERROR_STOP=1 -h "$SOCKETS" -p "$PORT" -U "$SUPERUSER" -d "$DATABASE"
}

# remote_sql HOST [SECONDS]: runs the SQL on standard input in another pod's
# server, as the replication role.
remote_sql() {
  PGPASSWORD=$REPLICATION_PASSWORD timeout "${2:-4}" psql -XAtq -v ON_ERROR_STOP=1 \
    "host=$1 port=$PORT user=$REPLICATION_USER dbname=$DATABASE connect_timeout=2"
}
