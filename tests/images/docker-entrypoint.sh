#!/usr/bin/env bash
# Stands in for the entrypoint of the official postgres image where no registry can be reached.
# No `set -u`: init scripts are sourced into this shell and may rely on unset variables being empty.
set -Eeo pipefail

init_dir=/docker-entrypoint-initdb.d
socket_dir=/var/run/postgresql

fail() {
  printf 'Error: %s\n' "$*" >&2
  exit 1
}

# VAR, or the content of the file that VAR_FILE names, or the default.
setting() {
  local name=$1 file_name=$1_FILE value=${2:-}
  if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
    fail "both $name and $file_name are set (but are exclusive)"
  fi
  if [ -n "${!name:-}" ]; then
    value=${!name}
  elif [ -n "${!file_name:-}" ]; then
    value=$(<"${!file_name}")
  fi
  export "$name=$value"
  unset "$file_name"
}

# Options such as --version make postgres print and leave; they need no data directory.
only_prints() {
  local arg
  for arg; do
    case $arg in
      '-?' | --help | --describe-config | -V | --version) return 0 ;;
    esac
  done
  return 1
}

prepare_directories() {
  local dir
  mkdir -p "$PGDATA" "$socket_dir"
  chmod 0700 "$PGDATA" || true
  chmod 3775 "$socket_dir" || true
  if [ "$(id -u)" = 0 ]; then
    for dir in "$PGDATA" "$socket_dir"; do
      find "$dir" ! -user postgres -exec chown postgres {} +
    done
  fi
}

# From 18 on the official image keeps its data elsewhere and refuses to ignore an older cluster.
refuse_overlooked_data() {
  local dir
  [ "$PGDATA" = "/var/lib/postgresql/$PG_MAJOR/docker" ] || return 0
  for dir in /var/lib/postgresql /var/lib/postgresql/data /var/lib/postgresql/*/docker; do
    [ ! -s "$dir/PG_VERSION" ] || fail "in 18+, there appears to be PostgreSQL data in: $dir"
  done
  if mountpoint -q /var/lib/postgresql/data; then
    fail "in 18+, /var/lib/postgresql/data is an unused mount/volume"
  fi
}

# Init scripts of the official image may call this function, or the array `psql` that names it.
docker_process_sql() {
  local client=(psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc)
  if [ -n "$POSTGRES_DB" ]; then
    client+=(--dbname "$POSTGRES_DB")
  fi
  PGHOST='' PGHOSTADDR='' "${client[@]}" "$@"
}

create_database() {
  local found
  # The last --dbname wins.
  found=$(
    docker_process_sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only --no-align \
      <<<"SELECT 1 FROM pg_database WHERE datname = :'db';"
  )
  if [ -z "$found" ]; then
    docker_process_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
}

run_init_files() {
  local file
  # shellcheck disable=SC2034 # for the sourced scripts
  psql=(docker_process_sql)
  for file in "$init_dir"/*; do
    [ -e "$file" ] || continue
    case $file in
      *.sh)
        if [ -x "$file" ]; then
          printf '%s: running %s\n' "$0" "$file"
          "$file"
        else
          printf '%s: sourcing %s\n' "$0" "$file"
          # shellcheck source=/dev/null
          . "$file"
        fi
        ;;
      *.sql)
        printf '%s: running %s\n' "$0" "$file"
        docker_process_sql -f "$file"
        ;;
      *.sql.gz)
        printf '%s: running %s\n' "$0" "$file"
        gunzip -c "$file" | docker_process_sql
        ;;
      *) printf '%s: ignoring %s\n' "$0" "$file" ;;
    esac
  done
}

first_boot() {
  if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    fail 'Database is uninitialized and superuser password is not specified.'
  fi
  refuse_overlooked_data
  # Fails now, not after initdb, when the directory cannot be read.
  ls "$init_dir" >/dev/null

  # eval: the official image lets the shell split and unquote this variable.
  eval "initdb --username=\"\$POSTGRES_USER\" --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") $POSTGRES_INITDB_ARGS"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"

  # Needed only when POSTGRES_INITDB_ARGS asks for passwords on the socket too.
  export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
  shift
  set -- "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
  NOTIFY_SOCKET='' PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
  create_database
  run_init_files
  PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

if [ "${1:0:1}" = - ]; then
  set -- postgres "$@"
fi

if [ "$1" = postgres ] && ! only_prints "$@"; then
  setting POSTGRES_PASSWORD
  setting POSTGRES_USER postgres
  setting POSTGRES_DB "$POSTGRES_USER"
  setting POSTGRES_INITDB_ARGS
  prepare_directories
  if [ "$(id -u)" = 0 ]; then
    exec gosu postgres "$0" "$@"
  fi
  if [ -s "$PGDATA/PG_VERSION" ]; then
    printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
  else
    first_boot "$@"
  fi
fi

exec "$@"
