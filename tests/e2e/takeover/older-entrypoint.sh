#!/usr/bin/env bash
# Leaves data directories of the shape that the older plugin's clusters have.
set -eu
if [ "$VOODU_REPLICA_ORDINAL" != "${PG_PRIMARY_ORDINAL:-0}" ]; then
  primary=$PG_NAME-${PG_PRIMARY_ORDINAL:-0}$PG_SCOPE_SUFFIX
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    until pg_isready -q -h "$primary" -p "$PG_PORT"; do sleep 0.3; done
    sleep 1
    PGPASSWORD=$PG_REPLICATION_PASSWORD pg_basebackup -c fast -h "$primary" -p "$PG_PORT" -U "$PG_REPLICATION_USER" -D "$PGDATA" -X stream
    touch "$PGDATA/standby.signal"
  fi
  echo "primary_conninfo = 'host=$primary port=$PG_PORT user=$PG_REPLICATION_USER password=$PG_REPLICATION_PASSWORD application_name=voodu-postgres-standby'" >"$PGDATA/voodu-runtime.conf"
fi
if [ -f "$PGDATA/postgresql.conf" ] && ! grep -q /etc/postgresql/conf.d "$PGDATA/postgresql.conf"; then
  printf "\n# older\ninclude_dir = '/etc/postgresql/conf.d'\n\n# older\ninclude_if_exists = 'voodu-runtime.conf'\n" >>"$PGDATA/postgresql.conf"
fi
exec docker-entrypoint.sh postgres -p "$PG_PORT"
